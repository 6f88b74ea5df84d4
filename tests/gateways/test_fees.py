"""Fees and conversions at Stripe: by its own figures, also when they come late"""

from typing import Any

import pytest

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.ledger import chart, invariants
from payments.models import Purchase, Transaction
from payments.services import purchases
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


def test_a_payment_that_stripe_converts_stands_in_the_currency_it_became(till: StripeTill) -> None:
    till.peer.options(settle_in={"cad": "usd"})
    purchase = start("CAD")
    till.pay(purchase)

    deliver(till)

    purchase.refresh_from_db()
    assert (purchase.status, purchase.fee_currency) == (Purchase.Status.SUCCEEDED, "USD")
    assert (micros("CAD"), micros("USD")) == (0, theirs(till, "USD"))
    assert list(invariants.discrepancies()) == []
