"""What a run repairs from the gateway's state: with every webhook lost, our books end up right"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ObjectDoesNotExist

from legato_payments.lib.ids import gateway_reference, uuid7
from payments.gateways.sandbox import books as sandbox
from payments.gateways.sandbox import disputes as sandbox_disputes
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.models import (
    Attempt,
    AuditEntry,
    Difference,
    Dispute,
    Purchase,
    Refund,
    SandboxCharge,
    SandboxRefund,
    Transaction,
)
from payments.services import purchase_terms, purchases, purchases_restored, taxes
from tests import factories
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

type Scene = Callable[[], Callable[[], bool]]
"""Plants something and returns how to tell that it is put right."""


def paid_and_never_credited() -> Callable[[], bool]:
    scenes.paid_unheard("ann")
    return lambda: books_of.coins("ann") == 6_600


def paid_after_it_was_given_up() -> Callable[[], bool]:
    purchase = factories.start_purchase("ann")
    purchases.poll(purchase_id=purchase.pk, now=NOW + timedelta(minutes=1))
    Purchase.objects.filter(pk=purchase.pk).update(status="EXPIRED")
    sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    return lambda: books_of.coins("ann") == 6_600


def opened_by_a_call_whose_answer_was_lost() -> Callable[[], bool]:
    with pytest.raises(Exception, match="gateway does not answer"):
        factories.start_purchase("ann", saved_method="pm_timeout_after")
    return lambda: (
        books_of.coins("ann") == 6_600 and Attempt.objects.latest("pk").state == "ANSWERED"
    )


def quarantined_and_put_right_at_the_gateway() -> Callable[[], bool]:
    purchase = scenes.paid_unheard("ann")
    charge = SandboxCharge.objects.filter(reference=purchase.reference)
    charge.update(amount_minor=3_998)
    purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=NOW)
    charge.update(amount_minor=3_999)
    return lambda: books_of.coins("ann") == 6_600


def refused_there_and_open_here() -> Callable[[], bool]:
    purchase = factories.start_purchase("ann")
    sandbox.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)
    return lambda: Purchase.objects.get(pk=purchase.pk).status == "FAILED"


def its_fee_became_known_later() -> Callable[[], bool]:
    purchase = factories.start_purchase("ann")
    sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    state = factories.state(purchase, occurred_at=NOW)
    purchases.apply(purchase_id=purchase.pk, state=state, now=NOW)
    return lambda: books_of.fee_entries(purchase)["fees:gateway USD"] == 1_460_000


def row_lost_with_its_payment(currency: str = "USD") -> Callable[[], bool]:
    purchase = scenes.paid_unheard("ann", currency=currency)
    Purchase.objects.filter(pk=purchase.pk).delete()

    def is_whole() -> bool:
        found = Purchase.objects.get(reference=purchase.reference)
        names = ("pk", "user_id", "coins", "bonus_coins", "price_micros", "value_micros")
        is_same = all(getattr(found, name) == getattr(purchase, name) for name in names)
        return is_same and found.status == "SUCCEEDED" and books_of.coins("ann") == 6_600

    return is_whole


def row_lost_in_another_currency() -> Callable[[], bool]:
    return row_lost_with_its_payment("NGN")


def refunded_at_their_dashboard() -> Callable[[], bool]:
    purchase = scenes.sale("ann")
    scenes.refund_there(purchase, 1_000)
    return lambda: Refund.objects.get(purchase=purchase).status == "SUCCEEDED"


def refunded_by_us_and_the_refund_lost() -> Callable[[], bool]:
    purchase = scenes.sale("ann")
    row = scenes.refund_there(purchase, 1_000)
    SandboxRefund.objects.filter(pk=row.pk).update(reference="lp" + "0" * 32)

    def is_whole() -> bool:
        found = Refund.objects.get(purchase=purchase)
        return (found.status, found.reference) == ("SUCCEEDED", "lp" + "0" * 32)

    return is_whole


def refunded_there_of_a_lost_row() -> Callable[[], bool]:
    purchase = scenes.paid_unheard("ann")
    scenes.refund_there(purchase, 3_999)
    Purchase.objects.filter(pk=purchase.pk).delete()
    return lambda: Refund.objects.get(purchase=purchase.pk).status == "SUCCEEDED"


def refund_succeeded_unheard() -> Callable[[], bool]:
    refund = scenes.refund(scenes.sale("ann", saved_method="pm_refund_pending"))
    sandbox_refunds.settle(refund_id=refund.gateway_id, now=NOW)
    return lambda: Refund.objects.get(pk=refund.pk).status == "SUCCEEDED"


def refund_failed_unheard() -> Callable[[], bool]:
    refund = scenes.refund(scenes.sale("ann", saved_method="pm_refund_fails"))
    sandbox_refunds.fail(refund_id=refund.gateway_id, now=NOW)
    return lambda: books_of.coins("ann") == 6_600


def refund_returned_days_after_it_succeeded() -> Callable[[], bool]:
    refund = scenes.refund(scenes.sale("ann"))
    sandbox_refunds.fail(refund_id=refund.gateway_id, now=NOW + timedelta(hours=1))
    return lambda: books_of.coins("ann") == 6_600


def disputed_unheard() -> Callable[[], bool]:
    row = scenes.dispute_there(scenes.sale("ann"))
    return lambda: Dispute.objects.get(gateway_id=row.pk).booked == "HELD"


def disputed_before_we_heard_of_the_payment() -> Callable[[], bool]:
    row = scenes.dispute_there(scenes.paid_unheard("ann"))
    return lambda: Dispute.objects.get(gateway_id=row.pk).booked == "HELD"


def dispute_won_unheard() -> Callable[[], bool]:
    dispute = scenes.dispute(scenes.sale("ann"))
    sandbox_disputes.win(dispute_id=dispute.gateway_id, now=NOW)
    return lambda: books_of.coins("ann") == 6_600


SCENES: list[Scene] = [
    paid_and_never_credited,
    paid_after_it_was_given_up,
    opened_by_a_call_whose_answer_was_lost,
    quarantined_and_put_right_at_the_gateway,
    refused_there_and_open_here,
    its_fee_became_known_later,
    row_lost_with_its_payment,
    row_lost_in_another_currency,
    refunded_at_their_dashboard,
    refunded_by_us_and_the_refund_lost,
    refunded_there_of_a_lost_row,
    refund_succeeded_unheard,
    refund_failed_unheard,
    refund_returned_days_after_it_succeeded,
    disputed_unheard,
    disputed_before_we_heard_of_the_payment,
    dispute_won_unheard,
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_is_put_right_and_stays_right(scene: Scene) -> None:
    is_right = scene()

    first = scenes.run()
    before = books.fingerprint()
    second = scenes.run(now=scenes.LATER)

    assert is_right()
    assert (first.open, second.open) == ([], [])
    assert not Difference.objects.exists()
    assert all(day.totals.unexplained == 0 for day in [*first.days, *second.days])
    assert second.repaired == 0
    books.assert_sound()
    after = books.fingerprint()
    changed = {table for table in after if after[table] != before[table]}
    assert changed <= {"payments_reconciliationrun", "payments_reconciliationday"}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_dry_run_tells_and_touches_nothing(scene: Scene) -> None:
    is_right = scene()
    before = books.fingerprint()

    report = scenes.run(is_dry_run=True)

    assert books.fingerprint() == before
    assert not is_there(is_right)
    assert report.repaired == 0
    assert [one for one in report.open if one.is_repairable]


def is_there(is_right: Callable[[], bool]) -> bool:
    """Whether it is put right; a row that does not exist is not."""
    try:
        return is_right()
    except ObjectDoesNotExist:
        return False


def test_counts_what_it_did() -> None:
    scenes.paid_unheard("ann")
    scenes.refund_there(scenes.sale("bob"), 1_000)

    report = scenes.run()

    assert report.repaired == 2
    [usd] = [day for day in report.days if day.currency == "USD"]
    assert (usd.day, usd.repaired) == (scenes.DAY, 2)
    # Two neighbours' payments and a dispute, and bob's payment.
    assert usd.matched == 4


def test_a_restored_purchase_says_so_in_the_audit_log() -> None:
    purchase = scenes.paid_unheard("ann")
    Purchase.objects.filter(pk=purchase.pk).delete()

    scenes.run()

    [entry] = AuditEntry.objects.filter(action="payments.purchase.restored")
    assert entry.object_id == str(purchase.pk)
    assert entry.after is not None
    assert entry.after["reference"] == purchase.reference


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"purchase_id": "7"}, "whose"),
        ({"user_id": "a b"}, "whose"),
        ({"legato_reference": "lpother"}, "reference"),
        ({"coins": "-5"}, "coins"),
        ({"coins": ""}, "coins"),
        ({"coins": "٣"}, "coins"),
        ({"bonus_coins": "9999999999"}, "bounds"),
        ({"currency": "CAD"}, "currency"),
        ({"price_micros": "39980000"}, "amount"),
        ({"tax_micros": "1"}, "amount"),
        ({"price_micros": "39980000", "value_micros": "39980000", "tax_micros": "10000"}, "tax"),
        ({"fx_rate": "2.0"}, "rate"),
        ({"fx_rate": "NaN"}, "rate"),
        ({"value_micros": "99990000"}, "value"),
    ],
)
def test_metadata_that_is_not_whole_makes_no_purchase(changes: dict[str, str], why: str) -> None:
    purchase = scenes.paid_unheard("ann")
    charge = factories.charge_of(purchase)
    charge.metadata = purchase_terms.signed({**charge.metadata, **changes})
    charge.save()
    Purchase.objects.filter(pk=purchase.pk).delete()
    state = factories.state_of(purchase)
    posted = Transaction.objects.count()

    with pytest.raises(purchases_restored.CannotRestore, match=why):
        purchases_restored.restore(provider="SANDBOX", state=state, now=NOW)

    assert not Purchase.objects.filter(user_id="ann").exists()
    assert Transaction.objects.count() == posted
    assert books_of.coins("ann") == 0


def test_an_unpaid_payment_makes_no_purchase() -> None:
    purchase = factories.start_purchase("ann")
    Purchase.objects.filter(pk=purchase.pk).delete()

    with pytest.raises(purchases_restored.CannotRestore, match="not paid"):
        purchases_restored.restore(provider="SANDBOX", state=factories.state_of(purchase), now=NOW)

    assert not Purchase.objects.filter(user_id="ann").exists()


@pytest.mark.parametrize(
    "forged",
    [
        {"legato_signature": ""},
        {"legato_signature": "1:" + "0" * 64},
        {"legato_signature": "é"},
        {"coins": "2000000"},
        {"user_id": "eve"},
    ],
)
def test_terms_that_we_did_not_sign_credit_nobody(forged: dict[str, str]) -> None:
    purchase = scenes.paid_unheard("ann")
    charge = factories.charge_of(purchase)
    charge.metadata = {**charge.metadata, **forged}
    charge.save()
    Purchase.objects.filter(pk=purchase.pk).delete()

    with books_of.nothing_credited():
        report = scenes.run()

    assert not Purchase.objects.filter(pk=purchase.pk).exists()
    [found] = report.open
    assert found.kind == Difference.Kind.MISSING_HERE
    assert found.theirs is not None
    assert "sign" in found.theirs["why"]


def test_a_restored_purchase_owes_its_tax_again() -> None:
    factories.register("CA")
    factories.register("CA-QC")
    sold = factories.start_purchase("bob", country="CA", region="QC")
    terms = dict(purchase_terms.of(sold))
    # Tax lines cannot be deleted: the same sale under an id and a reference nobody has.
    lost = {"purchase_id": str(uuid7()), "legato_reference": gateway_reference()}
    state = factories.state(
        sold,
        gateway_id="sbc_lost",
        reference=lost["legato_reference"],
        metadata=purchase_terms.signed({**terms, **lost}),
    )

    made = purchases_restored.restore(provider="SANDBOX", state=state, now=NOW)

    assert made.status == Purchase.Status.SUCCEEDED
    assert (made.tax_micros, made.tax_ground) == (sold.tax_micros, "TAXED")
    assert (made.country, made.region) == ("CA", "QC")
    assert taxes.owed(made) == taxes.owed(sold) == {"CA": 2_000_000, "CA-QC": 3_990_000}
    assert books_of.entries(made.pk)["gateway:sandbox USD"] == made.total_micros
    books.assert_sound()
