"""GET /api/v1/payments/users/{user_id}/balance"""

from typing import Any

import pytest

from access.services import content, tips
from payments.services import customers
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER, WRITER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/balance"

NEVER = {
    "purchased": 0,
    "bonus": 0,
    "spent": 0,
    "tipped": 0,
    "received": 0,
    "refunded": 0,
    "expired": 0,
}


def test_a_reader_without_coins_has_zero_of_everything() -> None:
    with books_of.nothing_changed():
        answer = api(user=READER).get(URL)

    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": READER,
        "coins": 0,
        "purchased_coins": 0,
        "promo_coins": 0,
        "held_coins": 0,
        "money_equivalent": {"amount": "0.00", "currency": "USD"},
        "expiring": [],
        "lifetime": NEVER,
    }
    assert answer["Cache-Control"] == "no-store"


def test_a_purchase_counts_once_it_is_paid() -> None:
    purchase = factories.start_purchase()
    assert api(user=READER).get(URL).json()["coins"] == 0

    factories.pay(purchase)

    shown = api(user=READER).get(URL).json()
    assert (shown["coins"], shown["purchased_coins"], shown["promo_coins"]) == (6_600, 6_600, 0)
    assert shown["lifetime"] == NEVER | {"purchased": 5_500, "bonus": 1_100}


def test_what_was_spent_and_given_is_gone() -> None:
    factories.buy_coins()
    factories.put_content("chapter-4", price=10)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    tips.send(sender_id=READER, recipient_id=WRITER, coins=500, now=NOW, actor="user:reader-1")

    shown = api(user=READER).get(URL).json()

    assert shown["coins"] == 6_090
    assert (shown["lifetime"]["spent"], shown["lifetime"]["tipped"]) == (10, 500)


@pytest.mark.parametrize(
    ("currency", "amount"), [("USD", "65.34"), ("CAD", "91.74"), ("NGN", "92400.00")]
)
def test_the_worth_is_at_the_undiscounted_price_in_the_readers_currency(
    currency: str, amount: str
) -> None:
    factories.buy_coins()
    profile = customers.Profile("", "", currency, None, "", None)
    customers.put(user_id=READER, profile=profile, expected_version=None, actor="x", now=NOW)

    shown = api(user=READER).get(URL).json()

    assert shown["money_equivalent"] == {"amount": amount, "currency": currency}


def test_one_reader_does_not_have_the_coins_of_another() -> None:
    factories.buy_coins("reader-2")

    assert api(user=READER).get(URL).json()["coins"] == 0


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ({}, 401),
        ({"user": "reader-2"}, 403),
        ({"user": READER, "scopes": ["coins:read"]}, 200),
        ({"user": READER, "scopes": ["openid", "profile"]}, 200),
        ({"user": READER, "scopes": ["coins:spend"]}, 403),
        ({"service": "content-service", "scopes": ["balances:read"]}, 200),
        ({"service": "content-service", "scopes": ["transactions:read"]}, 403),
        ({"service": "content-service"}, 403),
    ],
)
def test_is_shown_to_the_reader_and_to_services_with_the_scope(caller: Any, status: int) -> None:
    assert api(**caller).get(URL).status_code == status


def test_takes_no_parameters() -> None:
    assert api(user=READER).get(URL, {"currency": "CAD"}).status_code == 400
