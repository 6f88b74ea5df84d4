"""purchases.confirm(): the reader came back, so the gateway is asked"""

from typing import Any

import pytest

from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox import books
from payments.models import Purchase, SandboxCharge
from payments.services import attempts, purchases
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Purchase.Status


def confirm(purchase: Purchase, user_id: str = READER) -> Purchase:
    return purchases.confirm(purchase_id=purchase.pk, user_id=user_id, now=NOW)


def test_credits_a_payment_whose_webhook_is_not_here_yet() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    confirmed = confirm(purchase)

    assert confirmed.status == Status.SUCCEEDED
    assert books_of.coins(READER) == 6_600


def test_twice_credits_once() -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        confirmed = confirm(purchase)

    assert confirmed.status == Status.SUCCEEDED


def test_an_unpaid_payment_stays_open() -> None:
    purchase = factories.start_purchase()

    with books_of.nothing_changed():
        confirmed = confirm(purchase)

    assert confirmed.status == Status.PENDING


def test_a_refused_payment_fails() -> None:
    purchase = factories.start_purchase()
    books.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)

    with books_of.nothing_credited():
        confirmed = confirm(purchase)

    assert (confirmed.status, confirmed.failure_code) == (Status.FAILED, "card_declined")


def test_a_payment_that_never_reached_the_gateway_stays_as_it_is() -> None:
    with pytest.raises(attempts.GatewayUnavailable):
        factories.start_purchase(saved_method="pm_timeout_before")
    purchase = Purchase.objects.get()

    with books_of.nothing_changed():
        confirmed = confirm(purchase)

    assert confirmed.status == Status.CREATED


def test_money_that_came_after_the_end_still_counts() -> None:
    purchase = factories.start_purchase()
    books.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)
    confirm(purchase)
    SandboxCharge.objects.update(status=SandboxCharge.Status.SUCCEEDED)

    assert confirm(purchase).status == Status.SUCCEEDED
    assert books_of.coins(READER) == 6_600


def test_what_finance_has_to_decide_is_left_to_finance(settings: Any) -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    SandboxCharge.objects.update(amount_minor=1)
    assert confirm(purchase).status == Status.QUARANTINED
    # Not even the gateway is asked again: it is not there.
    settings.GATEWAY_SANDBOX = False

    with books_of.nothing_changed():
        assert confirm(purchase).status == Status.QUARANTINED


def test_another_readers_purchase_is_no_purchase() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    with books_of.nothing_changed(), pytest.raises(purchases.PurchaseUnknown):
        confirm(purchase, user_id="reader-2")


def test_an_unknown_id_is_no_purchase() -> None:
    with books_of.nothing_changed(), pytest.raises(purchases.PurchaseUnknown):
        purchases.confirm(purchase_id=uuid7(), user_id=READER, now=NOW)


def test_a_gateway_that_does_not_answer_is_said_to_the_reader(settings: Any) -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    settings.GATEWAY_SANDBOX = False

    with books_of.nothing_changed(), pytest.raises(DomainError) as refusal:
        confirm(purchase)

    assert isinstance(refusal.value, attempts.GatewayUnavailable)
    assert refusal.value.retry_after == 5
