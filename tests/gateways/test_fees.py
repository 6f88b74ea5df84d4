"""Fees and conversions at Stripe: by its own figures, also when they come late"""

from datetime import timedelta
from typing import Any

import pytest

from access.services import dispute_losses
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.ledger import chart, invariants
from payments.models import Dispute, Purchase, Refund, Transaction
from payments.services import purchases, reconciliation, refunds
from tests import factories
from tests.factories import NOW, READER
from tests.gateways.tills import StripeTill, deliver
from tests.ledger import books

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("till", ["stripe"], indirect=True)]


def start(currency: str) -> Purchase:
    order = purchases.Order(
        user_id=READER, currency=currency, package_id=factories.package("Reader Pack").pk
    )
    return purchases.start(purchase_id=uuid7(), order=order, now=NOW)


def micros(currency: str) -> int:
    return books.balance(chart.gateway("STRIPE", currency))


def theirs(till: StripeTill, currency: str) -> int:
    held: dict[str, Any] = till.peer.books()["balance"].get(currency.lower(), {})
    return Money.from_minor(sum(held.values()), currency).micros


def test_a_fee_that_comes_late_is_booked_when_it_comes(till: StripeTill) -> None:
    till.peer.options(late_balance_transactions=True)
    purchase = start("USD")
    till.pay(purchase)
    deliver(till)
    purchase.refresh_from_db()
    assert (purchase.status, purchase.fee_micros) == (Purchase.Status.SUCCEEDED, None)
    assert micros("USD") == purchase.total_micros

    till.peer.control("enter-late")
    deliver(till)

    purchase.refresh_from_db()
    assert purchase.fee_micros == 440_000
    assert Transaction.objects.filter(kind=TransactionKind.GATEWAY_FEE).count() == 1
    assert micros("USD") == theirs(till, "USD")
    assert list(invariants.discrepancies()) == []


class TestConverted:
    """A payment in Canadian dollars on an account that holds American ones"""

    @pytest.fixture(autouse=True)
    def account(self, till: StripeTill) -> None:
        """Stripe converts, at the rate of the moment."""
        till.peer.options(settle_in={"cad": "usd"}, rates={"cad:usd": "0.73"})

    def buy(self, till: StripeTill) -> Purchase:
        purchase = start("CAD")
        till.pay(purchase)
        deliver(till)
        purchase.refresh_from_db()
        assert purchase.status == Purchase.Status.SUCCEEDED
        # From now on another rate: what goes out is not what came in.
        till.peer.options(rates={"cad:usd": "0.70"})
        return purchase

    def refund(self, purchase: Purchase, amount_minor: int) -> Refund:
        amount = Money.from_minor(amount_minor, "CAD")
        wanted = refunds.Request(
            purchase_id=purchase.pk, reason="no need", actor="staff:1", amount=amount
        )
        return refunds.start(refund_id=uuid7(), request=wanted, now=NOW)

    def decide(self, till: StripeTill, theirs: str, *, is_won: bool) -> None:
        till.decide(theirs, is_won=is_won)
        deliver(till)
        for dispute in Dispute.objects.all():
            dispute_losses.settle(dispute_id=dispute.pk, now=NOW)

    def agree(self, till: StripeTill) -> None:
        """Nothing is left in the paid currency; in the other we have what Stripe has."""
        assert (micros("CAD"), micros("USD")) == (0, theirs(till, "USD"))
        assert list(invariants.discrepancies()) == []

    def open_differences(self) -> list[Any]:
        later = NOW + timedelta(hours=1)
        window = reconciliation.window_of(now=later, first=NOW.date())
        report = reconciliation.reconcile(provider="STRIPE", window=window, now=later)
        assert report.matched
        return report.open

    def test_stands_in_the_currency_it_became(self, till: StripeTill) -> None:
        purchase = self.buy(till)

        assert purchase.fee_currency == "USD"
        self.agree(till)

    def test_a_refund_takes_what_stripe_took(self, till: StripeTill) -> None:
        till.peer.options(refund_fee=25)
        purchase = self.buy(till)

        for amount in (200, 300):
            made = self.refund(purchase, amount)
            assert made.status == Refund.Status.SUCCEEDED

        assert [refund.settled for refund in Refund.objects.order_by("pk")] != [{}, {}]
        assert made.fees == {"USD": 250_000}
        self.agree(till)
        assert self.open_differences() == []

    def test_a_refund_that_comes_back_brings_what_stripe_brought(self, till: StripeTill) -> None:
        made = self.refund(self.buy(till), 200)

        till.move_refund(made, succeeds=False)
        deliver(till)

        made.refresh_from_db()
        assert (made.status, made.settled) == (Refund.Status.FAILED, {"USD": 0})
        self.agree(till)
        assert self.open_differences() == []

    @pytest.mark.parametrize("ends", [[False], [True], [False, True], [True, False]])
    def test_a_dispute_takes_and_brings_what_stripe_did(
        self, till: StripeTill, ends: list[bool]
    ) -> None:
        disputed = till.dispute(self.buy(till))
        deliver(till)
        self.agree(till)
        till.peer.options(rates={"cad:usd": "0.75"})

        for is_won in ends:
            self.decide(till, disputed, is_won=is_won)

        dispute = Dispute.objects.get()
        assert dispute.converted_micros == (0 if ends[-1] else dispute.amount_micros)
        self.agree(till)
        assert self.open_differences() == []

    def test_what_came_in_no_webhook_is_found_by_the_reconciliation(self, till: StripeTill) -> None:
        purchase = self.buy(till)
        till.make_refund(purchase, 250)
        till.dispute(self.buy(till))

        assert self.open_differences() == []

        assert Refund.objects.get().settled == {"USD": 1_750_000}
        assert Dispute.objects.get().settled
        self.agree(till)
