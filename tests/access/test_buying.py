"""POST /payments/users/{user_id}/spend-coins and /access/users/{user_id}/content/{id}/purchase"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from access.models import Content, Entitlement
from access.services import content
from payments.ledger import chart
from payments.models import CoinBalance, CoinLot, IdempotencyKey, LotUse, Transaction
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, ApiClient, api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

Buy = Callable[..., Any]

SHARED = {"writer-1": 5_000, "writer-2": 3_000, "writer-3": 2_000}


def spend_coins(
    content_id: str = "chapter-4",
    *,
    user_id: str = READER,
    caller: ApiClient | None = None,
    key: str | None = None,
    **body: Any,
) -> Any:
    """Buy by the route of the payments."""
    path = f"{PAYMENTS}/users/{user_id}/spend-coins"
    sent = {"content_id": content_id, **body}
    return (caller or api(user=user_id)).keyed(path, sent, key=key)


def purchase(
    content_id: str = "chapter-4",
    *,
    user_id: str = READER,
    caller: ApiClient | None = None,
    key: str | None = None,
    **body: Any,
) -> Any:
    """Buy by the route of the access rights."""
    path = f"/api/v1/access/users/{user_id}/content/{content_id}/purchase"
    return (caller or api(user=user_id)).keyed(path, body, key=key)


both_routes = pytest.mark.parametrize("buy", [spend_coins, purchase])


@both_routes
def test_opens_a_chapter_for_its_price(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4", price=10)

    response = buy(expected_price=10)

    assert response.status_code == 201
    answer = response.json()
    right = Entitlement.objects.get()
    assert right.transaction_id is not None
    assert answer == {
        "transaction_id": str(right.transaction_id),
        "content_id": "chapter-4",
        "coins": 10,
        "lots": [
            {
                "lot_id": CoinLot.objects.get().pk,
                "origin": "purchase",
                "coins": 10,
                "value": {"amount": "0.06059", "currency": "USD"},
            }
        ],
        "balance": {
            "coins": 6_590,
            "purchased_coins": 6_590,
            "promo_coins": 0,
            "held_coins": 0,
        },
        "access": {
            "granted": True,
            "ground": "purchased",
            "content_id": "chapter-4",
            "expires_at": None,
            "options": [],
        },
    }
    row = Transaction.objects.get(pk=right.transaction_id)
    assert row.idempotency_key == f"entitlement:{right.pk}"
    assert (row.actor, row.metadata) == ("user:reader-1", {"content_id": "chapter-4"})
    books.assert_sound()


def test_uses_promotional_coins_first_and_lists_every_lot(reader: str) -> None:
    promo = books.give(4, expires_at=NOW + timedelta(days=300))
    factories.put_content("chapter-4", price=10)

    answer = spend_coins().json()

    lots = [(lot["lot_id"], lot["origin"], lot["coins"], lot["value"]) for lot in answer["lots"]]
    bought = CoinLot.objects.get(origin="PURCHASE")
    # 6 of 6,600 coins worth 39.99: 36,354 micros and a fraction that stays with the lot.
    assert lots == [
        (promo.pk, "promo", 4, {"amount": "0.00", "currency": "USD"}),
        (bought.pk, "purchase", 6, {"amount": "0.036354", "currency": "USD"}),
    ]
    earning = Earning.objects.get()
    assert (earning.amount_micros, earning.coins, earning.promo_coins) == (23_630, 10, 4)
    books.assert_sound()


def test_pays_every_author_a_share(reader: str) -> None:
    factories.put_content("chapter-4", price=10, shares=SHARED)

    answer = spend_coins().json()

    # 65 % of 60,590 is 39,383.5. 39,383 in parts of 5 : 3 : 2 are 19,691.5, 11,814.9, 7,876.6.
    shares = {"writer-1": 19_691, "writer-2": 11_815, "writer-3": 7_877}
    lines = books.lines_of(UUID(answer["transaction_id"]))
    assert {owner: -amount for code, owner, _, amount in lines if code == "writer"} == shares
    assert books.balance(chart.platform("content")) == -(60_590 - 39_383)
    books.assert_sound()


@both_routes
def test_charges_nothing_for_what_is_owned(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    first = buy().json()
    factories.put_content("chapter-4", price=50, is_published=False)
    before = books.fingerprint()

    again = buy(expected_price=10)

    assert again.status_code == 200
    answer = again.json()
    assert (answer["coins"], answer["lots"]) == (0, [])
    assert answer["transaction_id"] == first["transaction_id"]
    assert answer["balance"]["coins"] == 6_590
    assert answer["access"] == first["access"]
    assert books.fingerprint() == before


@both_routes
def test_refuses_a_price_that_is_another_one_by_now(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4", price=12)
    before = books.fingerprint()

    response = buy(expected_price=10)

    assert response.status_code == 409
    answer = response.json()
    assert (answer["code"], answer["price_coins"]) == ("price_changed", 12)
    assert books.fingerprint() == before


@both_routes
def test_refuses_what_the_reader_cannot_afford(buy: Buy, poor_reader: str) -> None:
    books.give(50, expires_at=NOW)
    factories.put_content("chapter-4", price=101)
    before = books.fingerprint()

    response = buy()

    assert response.status_code == 409
    answer = response.json()
    assert answer["code"] == "insufficient_coins"
    assert (answer["required_coins"], answer["available_coins"]) == (101, 100)
    assert books.fingerprint() == before
    assert not Entitlement.objects.exists()


def test_refuses_a_reader_who_never_had_coins_and_opens_no_wallet() -> None:
    factories.put_content("chapter-4", price=10)

    response = spend_coins(user_id="newcomer")

    assert response.status_code == 409
    assert response.json()["available_coins"] == 0
    assert not CoinBalance.objects.exists()


@both_routes
def test_unpublished_and_unknown_content_look_alike(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4", is_published=False)
    before = books.fingerprint()

    answers = [buy("chapter-4"), buy("no-such-chapter")]

    assert [answer.status_code for answer in answers] == [404, 404]
    hidden, unknown = (answer.json() for answer in answers)
    own = {"instance", "trace_id"}
    assert {k: v for k, v in hidden.items() if k not in own} == {
        k: v for k, v in unknown.items() if k not in own
    }
    assert books.fingerprint() == before


@both_routes
@pytest.mark.parametrize(
    ("chapter", "code"),
    [
        ({"price": 0}, "content_is_free"),
        ({"is_free": True, "price": 10}, "content_is_free"),
        ({"shares": {WRITER: 9_999, READER: 1}}, "own_work"),
    ],
)
def test_refuses_to_sell_what_is_open_already(
    buy: Buy, reader: str, chapter: dict[str, Any], code: str
) -> None:
    factories.put_content("chapter-4", **chapter)
    before = books.fingerprint()

    response = buy()

    assert response.status_code == 422
    assert response.json()["code"] == code
    assert books.fingerprint() == before


@both_routes
def test_a_service_buys_for_the_reader_it_acts_for(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4")
    scopes = ["coins:spend:delegated"]

    response = buy(caller=api(service="app", scopes=scopes, act=READER))

    assert response.status_code == 201
    assert Transaction.objects.get(kind="CONTENT_PURCHASE").actor == "service:app"
    assert Entitlement.objects.get().user_id == READER


@both_routes
@pytest.mark.parametrize(
    "claims",
    [
        {"scopes": ["coins:spend:delegated"]},
        {"scopes": ["coins:spend:delegated"], "act": "reader-2"},
        {"scopes": ["coins:spend"], "act": READER},
        {"scopes": ["access:read"], "act": READER},
    ],
    ids=["no act", "act of another", "user scope", "other scope"],
)
def test_a_service_buys_for_nobody_else(buy: Buy, reader: str, claims: dict[str, Any]) -> None:
    factories.put_content("chapter-4")
    before = books.fingerprint(with_keys=True)

    response = buy(caller=api(service="app", **claims))

    assert response.status_code == 403
    assert books.fingerprint(with_keys=True) == before


@both_routes
def test_the_same_key_charges_once_and_answers_the_same_bytes(buy: Buy, reader: str) -> None:
    factories.put_content("chapter-4")

    first, second = (buy(key="one-intent") for _ in range(2))

    assert [first.status_code, second.status_code] == [201, 201]
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert CoinBalance.objects.get(user_id=READER).coins == 6_590


def test_a_key_belongs_to_one_request(reader: str) -> None:
    factories.put_content("chapter-4")
    factories.put_content("chapter-5")
    spend_coins("chapter-4", key="one-intent")
    before = books.fingerprint(with_keys=True)

    others = [
        spend_coins("chapter-5", key="one-intent"),
        spend_coins("chapter-4", key="one-intent", expected_price=10),
        purchase("chapter-4", key="one-intent"),
    ]

    assert [other.status_code for other in others] == [422, 422, 422]
    assert {other.json()["code"] for other in others} == {"idempotency_key_reused"}
    assert books.fingerprint(with_keys=True) == before


def test_a_refusal_is_kept_with_its_key_and_a_new_key_tries_anew(poor_reader: str) -> None:
    factories.put_content("chapter-4", price=120)
    refused = spend_coins(key="too-poor")
    factories.buy_coins(READER, "Starter Pack")

    assert spend_coins(key="too-poor").content == refused.content
    assert spend_coins(key="richer").status_code == 201


def test_a_key_is_required(reader: str) -> None:
    factories.put_content("chapter-4")

    for path, body in (
        (f"{PAYMENTS}/users/{READER}/spend-coins", {"content_id": "chapter-4"}),
        (f"/api/v1/access/users/{READER}/content/chapter-4/purchase", {}),
    ):
        response = api(user=READER).post(path, body)
        assert response.status_code == 400
        assert response.json()["code"] == "idempotency_key_missing"
    assert not LotUse.objects.exists()
    assert not IdempotencyKey.objects.exists()


def test_a_right_that_was_taken_back_can_be_bought_again(reader: str) -> None:
    factories.put_content("chapter-4")
    first = spend_coins().json()
    Entitlement.objects.update(revoked_at=NOW)

    again = spend_coins()

    assert again.status_code == 201
    assert again.json()["transaction_id"] != first["transaction_id"]
    assert again.json()["balance"]["coins"] == 6_580


def test_a_right_that_has_lapsed_is_replaced(reader: str) -> None:
    factories.put_content("chapter-4")
    tomorrow = NOW + timedelta(days=1)
    lapsed = Entitlement.objects.create(
        user_id=READER,
        content=Content.objects.get(),
        ground=Entitlement.Ground.TIMER,
        granted_at=NOW,
        expires_at=tomorrow,
    )

    bought = content.buy(
        user_id=READER, content_id="chapter-4", now=tomorrow, actor="user:reader-1"
    )

    assert bought.charged
    lapsed.refresh_from_db()
    assert lapsed.revoked_at == tomorrow
    assert Entitlement.objects.get(revoked_at=None) == bought.entitlement
