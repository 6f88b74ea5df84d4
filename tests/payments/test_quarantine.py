"""A payment unlike the one we asked for is never a credit: a person decides"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from legato_payments.lib.money import Money
from payments.gateways.sandbox import books
from payments.gateways.values import ChargeState
from payments.models import Purchase, SandboxCharge
from payments.services import purchases
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rates")]

Status = Purchase.Status
Told = Callable[[Purchase], ChargeState]

CURRENCIES = ["USD", "CAD", "NGN"]


def other_amount(by_minor: int) -> Told:
    """The gateway says that a few cents or kobo more or less were paid."""

    def told(purchase: Purchase) -> ChargeState:
        due = Money(purchase.total_micros, purchase.currency)
        paid = due + Money.from_minor(by_minor, purchase.currency)
        return factories.state(purchase, amount=paid)

    return told


def other_currency(number: int) -> Told:
    """The same figure in another currency: 54,900 naira are no 54,900 dollars."""

    def told(purchase: Purchase) -> ChargeState:
        others = [currency for currency in CURRENCIES if currency != purchase.currency]
        return factories.state(purchase, amount=Money(purchase.total_micros, others[number]))

    return told


def other_reference(purchase: Purchase) -> ChargeState:
    """The gateway tells of somebody else's payment."""
    return factories.state(purchase, reference=f"{purchase.reference}0")


def other_gateway_id(purchase: Purchase) -> ChargeState:
    """A payment we did not open, under our reference."""
    return factories.state(purchase, gateway_id="sbx_other")


DIFFERENCES = {
    "a minor unit more": other_amount(1),
    "a minor unit less": other_amount(-1),
    "half of it": lambda purchase: factories.state(
        purchase, amount=Money(purchase.total_micros // 2, purchase.currency)
    ),
    "nothing": lambda purchase: factories.state(purchase, amount=Money(0, purchase.currency)),
    "another currency": other_currency(0),
    "the third currency": other_currency(1),
    "another reference": other_reference,
    "another payment": other_gateway_id,
}


@pytest.mark.parametrize("currency", CURRENCIES)
@pytest.mark.parametrize("told", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_is_no_credit_but_a_task_for_finance(currency: str, told: Told) -> None:
    purchase = factories.start_purchase(currency=currency)

    with books_of.nothing_credited():
        found = purchases.apply(purchase_id=purchase.pk, state=told(purchase), now=NOW)

    assert found.status == Status.QUARANTINED
    assert (found.next_attempt_at, found.settled_at) == (None, None)
    assert list(Purchase.objects.awaiting_finance()) == [purchase]
    [entry] = books_of.audit("payments.purchase.quarantined")
    assert entry.object_id == str(purchase.pk)
    assert entry.reason == found.quarantine_reason != ""
    assert entry.after is not None
    assert entry.after["reference"] == purchase.reference


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (other_amount(-1), "39.98 USD was paid, 39.99 USD was due."),
        (other_currency(0), "39.99 CAD was paid, 39.99 USD was due."),
        (other_gateway_id, "The payment is sbx_other, we opened {gateway_id}."),
        (other_reference, "The payment is for {reference}0, ours is {reference}."),
    ],
)
def test_says_what_differs(told: Told, reason: str) -> None:
    purchase = factories.start_purchase()

    found = purchases.apply(purchase_id=purchase.pk, state=told(purchase), now=NOW)

    expected = reason.format(gateway_id=purchase.gateway_id, reference=purchase.reference)
    assert found.quarantine_reason == expected


def test_whoever_reports_it_finds_the_same(subtests: pytest.Subtests) -> None:
    for report in ("confirm", "poll"):
        with subtests.test(report):
            purchase = factories.start_purchase(user_id=f"reader-{report}")
            books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
            charges = SandboxCharge.objects.filter(reference=purchase.reference)
            charges.update(amount_minor=3_998)

            with books_of.nothing_credited():
                if report == "confirm":
                    purchases.confirm(purchase_id=purchase.pk, user_id=purchase.user_id, now=NOW)
                else:
                    purchases.poll(purchase_id=purchase.pk, now=NOW + timedelta(minutes=1))

            purchase.refresh_from_db()
            assert purchase.status == Status.QUARANTINED


def test_a_purchase_given_up_is_quarantined_as_well() -> None:
    purchase = factories.start_purchase()
    books.cancel(charge_id=factories.charge_of(purchase).pk, now=NOW)
    purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=NOW)

    with books_of.nothing_credited():
        found = purchases.apply(purchase_id=purchase.pk, state=other_amount(1)(purchase), now=NOW)

    assert found.status == Status.QUARANTINED


def test_a_settled_purchase_keeps_its_coins() -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        purchases.apply(purchase_id=purchase.pk, state=other_amount(1)(purchase), now=NOW)


def test_the_same_difference_again_is_no_second_task() -> None:
    purchase = factories.start_purchase()
    told = other_amount(1)(purchase)
    purchases.apply(purchase_id=purchase.pk, state=told, now=NOW)

    with books_of.nothing_changed():
        purchases.apply(purchase_id=purchase.pk, state=told, now=NOW)


def test_a_different_difference_is_written_down_too() -> None:
    purchase = factories.start_purchase()
    purchases.apply(purchase_id=purchase.pk, state=other_amount(1)(purchase), now=NOW)

    purchases.apply(purchase_id=purchase.pk, state=other_amount(2)(purchase), now=NOW)

    reasons = [entry.reason for entry in books_of.audit("payments.purchase.quarantined")]
    assert reasons == [
        "40.00 USD was paid, 39.99 USD was due.",
        "40.01 USD was paid, 39.99 USD was due.",
    ]


def test_a_refusal_does_not_end_what_finance_has_to_decide() -> None:
    purchase = factories.start_purchase()
    purchases.apply(purchase_id=purchase.pk, state=other_amount(1)(purchase), now=NOW)
    books.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)

    with books_of.nothing_changed():
        purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=NOW)


def test_the_right_payment_ends_it_with_the_coins() -> None:
    purchase = factories.start_purchase()
    purchases.apply(purchase_id=purchase.pk, state=other_amount(-1)(purchase), now=NOW)

    settled = factories.pay(purchase)

    assert (settled.status, settled.quarantine_reason) == (Status.SUCCEEDED, "")
    assert books_of.coins(READER) == 6_600
    assert not Purchase.objects.awaiting_finance().exists()
