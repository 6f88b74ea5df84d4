"""Every kind of difference, planted here or there, is found by the next run, and nothing else"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from legato_payments.lib.ids import uuid7
from payments import ledger
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.ledger import templates
from payments.models import (
    Attempt,
    Difference,
    Purchase,
    SandboxCharge,
    SandboxDispute,
    SandboxLine,
    SandboxRefund,
)
from payments.services import purchase_terms
from tests import factories
from tests.factories import NOW
from tests.ledger import books
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

NOTHING = None


@dataclass(frozen=True)
class Planted:
    """What a run must find: subject, class, and some of what each side must say."""

    subject: str
    kind: str
    ours: dict[str, str] | None
    theirs: dict[str, str] | None
    gap: str = ""


def charges(purchase: Purchase) -> Any:
    """The sandbox's row of a payment, to be tampered with."""
    return SandboxCharge.objects.filter(reference=purchase.reference)


def purchases(purchase: Purchase) -> Any:
    """Our row, to be tampered with."""
    return Purchase.objects.filter(pk=purchase.pk)


def lines(purchase: Purchase) -> Any:
    """The sandbox's book on a payment, to be tampered with."""
    return SandboxLine.objects.filter(source_id=factories.charge_of(purchase).pk)


def settled_here_unknown_there() -> Planted:
    purchase = scenes.sale()
    lines(purchase).delete()
    charges(purchase).delete()
    ours = {"status": "SUCCEEDED", "reference": purchase.reference}
    return Planted("CHARGE", "MISSING_THERE", ours, NOTHING, "-38.53")


def paid_there_lost_here() -> Planted:
    purchase = scenes.paid_unheard()
    charges(purchase).update(metadata={"user_id": "reader-1"})
    Purchase.objects.filter(pk=purchase.pk).delete()
    theirs = {"status": "SUCCEEDED", "amount": "39.99 USD", "reference": purchase.reference}
    return Planted("CHARGE", "MISSING_HERE", NOTHING, theirs, "38.53")


def lost_here_and_contradicted_by_its_metadata() -> Planted:
    purchase = scenes.paid_unheard()
    kept = factories.charge_of(purchase).metadata
    terms = purchase_terms.signed({**kept, "price_micros": "39980000"})
    charges(purchase).update(metadata=terms)
    Purchase.objects.filter(pk=purchase.pk).delete()
    why = {"why": "It names another amount than was paid."}
    return Planted("CHARGE", "MISSING_HERE", NOTHING, why, "38.53")


def more_paid_there() -> Planted:
    purchase = scenes.sale()
    charges(purchase).update(amount_minor=4_099)
    return Planted("CHARGE", "AMOUNT", {"amount": "39.99 USD"}, {"amount": "40.99 USD"}, "1.00")


def paid_in_another_currency() -> Planted:
    purchase = scenes.sale()
    charges(purchase).update(currency="CAD", fee_minor=None)
    return Planted("CHARGE", "CURRENCY", {"amount": "39.99 USD"}, {"amount": "39.99 CAD"})


def settled_here_refused_there() -> Planted:
    purchase = scenes.sale()
    lines(purchase).delete()
    charges(purchase).update(status="FAILED", fee_minor=None)
    return Planted("CHARGE", "STATUS", {"status": "SUCCEEDED"}, {"status": "FAILED"}, "-38.53")


def underpaid_and_quarantined() -> Planted:
    purchase = scenes.paid_unheard()
    charges(purchase).update(amount_minor=3_998)
    lines(purchase).update(gross_minor=3_998)
    ours = {"status": "QUARANTINED", "why": "39.98 USD was paid, 39.99 USD was due."}
    return Planted("CHARGE", "AMOUNT", ours, {"amount": "39.98 USD"}, "38.52")


def quarantined_and_never_paid() -> Planted:
    purchase = factories.start_purchase()
    purchases(purchase).update(status="QUARANTINED", quarantine_reason="by hand")
    return Planted("CHARGE", "STATUS", {"why": "by hand"}, {"status": "ACTION_REQUIRED"})


def paid_twice() -> Planted:
    purchase = scenes.sale()
    twin = factories.charge_of(purchase)
    kept = twin.metadata
    twin.pk, twin.key, twin.reference = "sbx_twin", "twin", "lptwin"
    twin.metadata = kept
    twin.save(force_insert=True)
    SandboxLine.objects.create(
        kind="CHARGE",
        source_id="sbx_twin",
        reference="lptwin",
        gross_minor=3_999,
        fee_minor=146,
        currency="USD",
        occurred_at=NOW,
    )
    theirs = {"payment": "sbx_twin", "amount": "39.99 USD"}
    return Planted("CHARGE", "DUPLICATE", {"reference": purchase.reference}, theirs, "38.53")


def one_payment_claimed_twice() -> Planted:
    first, second = scenes.sale(), scenes.sale("reader-2")
    purchases(second).update(payment_id=first.payment_id)
    claims = sorted([first, second], key=lambda purchase: purchase.pk)
    claimed = {"claimed by": ", ".join(purchase.reference for purchase in claims)}
    return Planted("CHARGE", "DUPLICATE", claimed, {"payment": first.payment_id})


def another_fee_there() -> Planted:
    purchase = scenes.sale()
    charges(purchase).update(fee_minor=200)
    return Planted("FEE", "FEE", {"fee": "1.46 USD"}, {"fee": "2.00 USD"}, "-0.54")


def refunded_there_more_than_was_paid() -> Planted:
    purchase = scenes.sale()
    scenes.refund(purchase)
    row = SandboxRefund.objects.create(
        id="sbr_more",
        key="sbr_more",
        charge=factories.charge_of(purchase),
        amount_minor=500,
        status="SUCCEEDED",
        created_at=NOW,
    )
    _book_refund(row)
    return Planted("REFUND", "MISSING_HERE", NOTHING, {"refund": "sbr_more"}, "-5.00")


def refund_of_a_payment_nobody_knows() -> Planted:
    purchase = scenes.paid_unheard()
    row = scenes.refund_there(purchase, 500)
    charges(purchase).update(metadata={}, created_at=NOW - timedelta(days=30))
    lines(purchase).filter(kind="CHARGE").update(occurred_at=NOW - timedelta(days=30))
    Purchase.objects.filter(pk=purchase.pk).delete()
    why = {"not repaired": "We have no purchase with this payment."}
    return Planted("REFUND", "MISSING_HERE", NOTHING, {"refund": row.pk, **why}, "-5.00")


def refund_unknown_there() -> Planted:
    refund = scenes.refund(scenes.sale())
    SandboxRefund.objects.filter(pk=refund.gateway_id).delete()
    SandboxLine.objects.filter(source_id=refund.gateway_id).delete()
    return Planted("REFUND", "MISSING_THERE", {"status": "SUCCEEDED"}, NOTHING, "39.99")


def another_amount_refunded() -> Planted:
    refund = scenes.refund(scenes.sale())
    SandboxRefund.objects.filter(pk=refund.gateway_id).update(amount_minor=3_000)
    ours, theirs = {"amount": "39.99 USD"}, {"amount": "30.00 USD"}
    return Planted("REFUND", "AMOUNT", ours, theirs, "9.99")


def refund_paid_that_had_failed() -> Planted:
    purchase = scenes.sale(saved_method="pm_refund_fails")
    refund = scenes.refund(purchase)
    sandbox_refunds.fail(refund_id=refund.gateway_id, now=NOW)
    scenes.hear_of_refund(refund)
    SandboxLine.objects.filter(kind="REFUND_FAILURE").delete()
    SandboxRefund.objects.filter(pk=refund.gateway_id).update(status="SUCCEEDED")
    ours, theirs = {"status": "CONTRADICTED"}, {"status": "SUCCEEDED"}
    return Planted("REFUND", "STATUS", ours, theirs, "-39.99")


def refund_done_twice_there() -> Planted:
    refund = scenes.refund(scenes.sale())
    twin = SandboxRefund.objects.get(pk=refund.gateway_id)
    twin.pk, twin.key = "sbr_twin", "sbr_twin"
    twin.save(force_insert=True)
    _book_refund(twin)
    theirs = {"refund": "sbr_twin", "reference": refund.reference}
    return Planted("REFUND", "DUPLICATE", {"refund": refund.gateway_id}, theirs, "-39.99")


def dispute_of_a_payment_nobody_knows() -> Planted:
    purchase = scenes.paid_unheard()
    row = scenes.dispute_there(purchase)
    charges(purchase).update(metadata={}, created_at=NOW - timedelta(days=30))
    lines(purchase).filter(kind="CHARGE").update(occurred_at=NOW - timedelta(days=30))
    Purchase.objects.filter(pk=purchase.pk).delete()
    return Planted("DISPUTE", "MISSING_HERE", NOTHING, {"dispute": row.pk}, "-54.99")


def dispute_unknown_there() -> Planted:
    dispute = scenes.dispute(scenes.sale())
    SandboxDispute.objects.filter(pk=dispute.gateway_id).delete()
    SandboxLine.objects.filter(source_id=dispute.gateway_id).delete()
    return Planted("DISPUTE", "MISSING_THERE", {"booked": "HELD"}, NOTHING, "54.99")


def another_amount_disputed() -> Planted:
    dispute = scenes.dispute(scenes.sale())
    SandboxDispute.objects.filter(pk=dispute.gateway_id).update(amount_minor=1_000)
    return Planted("DISPUTE", "AMOUNT", {"amount": "39.99 USD"}, {"amount": "10.00 USD"}, "29.99")


def a_line_nobody_explains() -> Planted:
    SandboxLine.objects.create(
        kind="FEE", source_id="monthly", gross_minor=-990, currency="USD", occurred_at=NOW
    )
    return Planted("LEDGER_LINE", "MISSING_HERE", NOTHING, {"kind": "FEE"}, "-9.90")


def a_line_that_is_missing() -> Planted:
    purchase = scenes.sale()
    lines(purchase).delete()
    ours = {"gross": "39.99", "fee": "1.46", "purchase": str(purchase.pk)}
    return Planted("LEDGER_LINE", "MISSING_THERE", ours, NOTHING, "-38.53")


def a_line_of_another_amount() -> Planted:
    purchase = scenes.sale()
    lines(purchase).update(gross_minor=3_900)
    return Planted("LEDGER_LINE", "AMOUNT", {"gross": "39.99"}, {"gross": "39.00"}, "-0.99")


def a_line_with_another_fee() -> Planted:
    purchase = scenes.sale()
    lines(purchase).update(fee_minor=150)
    return Planted("LEDGER_LINE", "FEE", {"fee": "1.46"}, {"fee": "1.50"}, "-0.04")


def a_line_that_is_booked_twice() -> Planted:
    purchase = scenes.sale()
    line = lines(purchase).get()
    line.pk = None
    line.save(force_insert=True)
    theirs = {"line": f"sbl_{line.pk}", "gross": "39.99"}
    return Planted("LEDGER_LINE", "DUPLICATE", {"purchase": str(purchase.pk)}, theirs, "38.53")


def money_that_somebody_posted() -> Planted:
    ledger.post(
        templates.correction(provider="SANDBOX", currency="USD", amount=1_000_000),
        books.header("by-hand"),
    )
    return Planted("BALANCE", "AMOUNT", {"amount": "1.00 USD"}, {"amount": "0.00 USD"}, "-1.00")


def a_call_without_an_outcome() -> Planted:
    Attempt.objects.create(
        provider="SANDBOX",
        operation="refund",
        key="refund:x",
        reference="lpx",
        object_type="refund",
        object_id=str(uuid7()),
        request_hash="x",
        state="UNKNOWN",
        created_at=NOW,
        sent_at=NOW,
    )
    return Planted("REFUND", "STATUS", {"status": "UNKNOWN", "key": "refund:x"}, NOTHING)


PLANTED: list[Callable[[], Planted]] = [
    settled_here_unknown_there,
    paid_there_lost_here,
    lost_here_and_contradicted_by_its_metadata,
    more_paid_there,
    paid_in_another_currency,
    settled_here_refused_there,
    underpaid_and_quarantined,
    quarantined_and_never_paid,
    paid_twice,
    one_payment_claimed_twice,
    another_fee_there,
    refunded_there_more_than_was_paid,
    refund_of_a_payment_nobody_knows,
    refund_unknown_there,
    another_amount_refunded,
    refund_paid_that_had_failed,
    refund_done_twice_there,
    dispute_of_a_payment_nobody_knows,
    dispute_unknown_there,
    another_amount_disputed,
    a_line_nobody_explains,
    a_line_that_is_missing,
    a_line_of_another_amount,
    a_line_with_another_fee,
    a_line_that_is_booked_twice,
    money_that_somebody_posted,
    a_call_without_an_outcome,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_is_found_with_both_sides_and_nothing_else(plant: Callable[[], Planted]) -> None:
    planted = plant()

    report = scenes.run()

    [row] = Difference.objects.all()
    assert (row.subject, row.kind) == (planted.subject, planted.kind)
    assert says(row.ours, planted.ours), row.ours
    assert says(row.theirs, planted.theirs), row.theirs
    gap = "" if row.gap_micros is None else f"{row.gap_micros / 1_000_000:.2f}"
    assert gap == planted.gap
    assert (row.provider, row.status) == ("SANDBOX", "OPEN")
    assert [one.identity for one in report.open] == [(row.subject, row.kind, row.key)]
    assert report.repaired == 0
    # Where it stands on a line, the totals of its day differ by just that.
    unexplained = sum(day.totals.unexplained for day in report.days)
    assert unexplained in (0, row.gap_micros or 0)


def says(side: dict[str, str] | None, expected: dict[str, str] | None) -> bool:
    """Whether a side says at least what is expected; nothing for nothing."""
    if side is None or expected is None:
        return side is None and expected is None
    return expected.items() <= side.items()


def _book_refund(row: SandboxRefund) -> None:
    SandboxLine.objects.create(
        kind="REFUND",
        source_id=row.pk,
        reference=row.charge.reference,
        gross_minor=-row.amount_minor,
        currency="USD",
        occurred_at=NOW,
    )
