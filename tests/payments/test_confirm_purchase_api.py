"""POST /api/v1/payments/users/{user_id}/confirm-purchase"""

from typing import Any

import pytest

from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox import books
from payments.models import Purchase, SandboxCharge
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/confirm-purchase"


@pytest.fixture
def purchase() -> Purchase:
    """An Ultimate Pack that the reader has not paid yet."""
    return factories.start_purchase()


def confirm(transaction_id: Any, **caller: Any) -> Any:
    body = {"transaction_id": str(transaction_id)}
    return api(**(caller or {"user": READER})).post(URL, body)


def balance(coins: int) -> dict[str, int]:
    return {"coins": coins, "purchased_coins": coins, "promo_coins": 0, "held_coins": 0}


def test_a_paid_purchase_is_credited_and_the_balance_shown(purchase: Purchase) -> None:
    books.pay(charge_id=purchase.gateway_id, now=NOW)

    answer = confirm(purchase.pk)

    assert answer.status_code == 200
    assert answer.json() == {
        "transaction_id": str(purchase.pk),
        "status": "succeeded",
        "balance": balance(6_600),
    }
    assert answer["Cache-Control"] == "no-store"


def test_again_says_the_same_and_credits_nothing_more(purchase: Purchase) -> None:
    books.pay(charge_id=purchase.gateway_id, now=NOW)
    first = confirm(purchase.pk)

    with books_of.nothing_changed():
        again = confirm(purchase.pk)

    assert again.content == first.content


def test_an_unpaid_purchase_is_pending(purchase: Purchase) -> None:
    with books_of.nothing_changed():
        answer = confirm(purchase.pk)

    assert answer.json()["status"] == "pending"
    assert answer.json()["balance"] == balance(0)


@pytest.mark.parametrize("end", [books.decline, books.cancel])
def test_a_purchase_that_came_to_nothing_has_failed(purchase: Purchase, end: Any) -> None:
    end(charge_id=purchase.gateway_id, now=NOW)

    with books_of.nothing_credited():
        answer = confirm(purchase.pk)

    assert answer.json()["status"] == "failed"


def test_a_payment_that_differs_is_pending_for_the_reader(purchase: Purchase) -> None:
    books.pay(charge_id=purchase.gateway_id, now=NOW)
    SandboxCharge.objects.update(amount_minor=1)

    with books_of.nothing_credited():
        answer = confirm(purchase.pk)

    assert answer.json()["status"] == "pending"
    assert list(Purchase.objects.awaiting_finance()) == [purchase]


def test_a_service_may_confirm_for_any_reader(purchase: Purchase) -> None:
    books.pay(charge_id=purchase.gateway_id, now=NOW)

    answer = confirm(purchase.pk, service="shop", scopes=["purchases:confirm"])

    assert answer.json()["status"] == "succeeded"


def test_a_service_cannot_confirm_one_readers_purchase_under_another() -> None:
    theirs = factories.start_purchase("reader-2")
    books.pay(charge_id=theirs.gateway_id, now=NOW)

    with books_of.nothing_changed():
        answer = confirm(theirs.pk, service="shop", scopes=["purchases:confirm"])

    assert answer.status_code == 404


def test_another_readers_purchase_looks_like_none() -> None:
    theirs = factories.start_purchase("reader-2")
    books.pay(charge_id=theirs.gateway_id, now=NOW)

    with books_of.nothing_changed():
        answer = confirm(theirs.pk)
    unknown = confirm(uuid7())

    assert answer.status_code == unknown.status_code == 404
    assert {**answer.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ({"user": None}, 401),
        ({"user": "reader-2"}, 403),
        ({"user": READER, "scopes": ["coins:read"]}, 403),
        ({"service": "shop", "scopes": ["balances:read"]}, 403),
    ],
)
def test_nobody_else_may(purchase: Purchase, caller: Any, status: int) -> None:
    books.pay(charge_id=purchase.gateway_id, now=NOW)

    with books_of.nothing_changed():
        answer = confirm(purchase.pk, **caller)

    assert answer.status_code == status


def test_a_gateway_that_is_away_is_a_503(purchase: Purchase, settings: Any) -> None:
    settings.GATEWAY_SANDBOX = False

    with books_of.nothing_changed():
        answer = confirm(purchase.pk)

    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
    assert answer["Retry-After"] == "5"


@pytest.mark.parametrize("body", [{}, {"transaction_id": "x"}, {"transaction_id": None}])
def test_needs_an_id(body: dict[str, Any]) -> None:
    answer = api(user=READER).post(URL, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/transaction_id"
