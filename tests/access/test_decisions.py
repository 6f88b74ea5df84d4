"""GET /access/users/{user_id}/content/{content_id}/access and POST …/access-checks"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from access.models import Content, Entitlement
from access.queries import decisions
from payments.models import Customer
from tests import factories
from tests.clients import api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
ACCESS = f"/api/v1/access/users/{READER}"


@pytest.fixture(autouse=True)
def _at_noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def may(content_id: str) -> dict[str, Any]:
    """The answer for one chapter."""
    response = api(user=READER).get(f"{ACCESS}/content/{content_id}/access")
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def check(content_ids: list[Any]) -> Any:
    """The answers for several."""
    return api(user=READER).post(f"{ACCESS}/access-checks", {"content_ids": content_ids})


def entitle(content_id: str, ground: Entitlement.Ground, **facts: Any) -> None:
    """A right that nobody paid for."""
    Entitlement.objects.create(
        user_id=READER,
        content=Content.objects.get(pk=content_id),
        ground=ground,
        granted_at=NOW,
        **facts,
    )


def granted(content_id: str, ground: str, *, expires_at: str | None = None) -> dict[str, Any]:
    """How a right to read is answered."""
    return {
        "granted": True,
        "ground": ground,
        "content_id": content_id,
        "expires_at": expires_at,
        "options": [],
    }


def denied(content_id: str, *options: dict[str, Any]) -> dict[str, Any]:
    """How a closed chapter is answered."""
    return {
        "granted": False,
        "ground": "denied",
        "content_id": content_id,
        "expires_at": None,
        "options": list(options),
    }


def for_coins(coins: int, amount: str, missing: int, currency: str = "USD") -> dict[str, Any]:
    """The offer to open it with coins."""
    money = {"amount": amount, "currency": currency}
    return {"type": "coins", "coins": coins, "money": money, "missing_coins": missing}


@pytest.fixture
def every_ground(poor_reader: str) -> dict[str, dict[str, Any]]:
    """A reader with 89 coins left, and the expected answer for one chapter of each ground."""
    timer_ends = "2026-11-03T12:00:00Z"
    for content_id in ("bought", "withdrawn", "given", "granted", "timed", "over", "revoked"):
        factories.put_content(content_id, price=20)
    factories.put_content("bought", price=10)
    assert (
        api(user=READER)
        .keyed("/api/v1/payments/users/reader-1/spend-coins", {"content_id": "bought"})
        .status_code
        == 201
    )
    factories.put_content("withdrawn", price=1)
    assert api(user=READER).keyed(f"{ACCESS}/content/withdrawn/purchase", {}).status_code == 201
    factories.put_content("withdrawn", price=1, is_published=False)
    entitle("given", Entitlement.Ground.GIFT)
    entitle("granted", Entitlement.Ground.GRANT)
    entitle("timed", Entitlement.Ground.TIMER, expires_at=LATER)
    entitle("over", Entitlement.Ground.TIMER, expires_at=NOW)
    entitle("revoked", Entitlement.Ground.GRANT, revoked_at=NOW)
    factories.put_content("free", price=0)
    factories.put_content("hidden-free", price=0, is_published=False)
    factories.put_content("own", shares={WRITER: 5_000, READER: 5_000})
    factories.put_content("own-draft", shares={READER: 10_000}, is_published=False)
    factories.put_content("no-longer-own", shares={READER: 10_000}, price=10)
    factories.put_content("no-longer-own", shares={WRITER: 10_000}, price=10)
    factories.put_content("affordable", price=89)
    factories.put_content("dear", price=300)
    factories.put_content("tiered", price=50, required_tier="PREMIUM")
    factories.put_content("hidden", is_published=False)
    return {
        "bought": granted("bought", "purchased"),
        "withdrawn": granted("withdrawn", "purchased"),
        "given": granted("given", "gift"),
        "granted": granted("granted", "grant"),
        "timed": granted("timed", "timer", expires_at=timer_ends),
        "over": denied("over", for_coins(20, "0.20", 0)),
        "revoked": denied("revoked", for_coins(20, "0.20", 0)),
        "free": granted("free", "free"),
        "hidden-free": denied("hidden-free"),
        "own": granted("own", "author"),
        "own-draft": granted("own-draft", "author"),
        "no-longer-own": denied("no-longer-own", for_coins(10, "0.10", 0)),
        "affordable": denied("affordable", for_coins(89, "0.89", 0)),
        "dear": denied("dear", for_coins(300, "2.97", 211)),
        "tiered": denied(
            "tiered", for_coins(50, "0.50", 0), {"type": "subscription", "tier": "premium"}
        ),
        "hidden": denied("hidden"),
        "unknown": denied("unknown"),
    }


def test_names_the_ground_of_every_answer(every_ground: dict[str, dict[str, Any]]) -> None:
    assert {content_id: may(content_id) for content_id in every_ground} == every_ground


def test_answers_many_as_one_by_one_in_the_order_asked(
    every_ground: dict[str, dict[str, Any]],
) -> None:
    asked = [*reversed(every_ground), "dear", "unknown", "dear", *every_ground]

    response = check(asked)

    assert response.status_code == 200
    assert response.json() == {"results": [every_ground[content_id] for content_id in asked]}


def test_a_thousand_ids_take_two_queries(
    every_ground: dict[str, dict[str, Any]], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    asked = [f"unknown-{number}" for number in range(1_000 - len(every_ground))] + [*every_ground]

    with django_assert_num_queries(2):
        response = check(asked)
    with django_assert_num_queries(2):
        may("dear")

    results = response.json()["results"]
    assert [result["content_id"] for result in results] == asked
    assert results[-len(every_ground) :] == [*every_ground.values()]
    assert not any(result["granted"] for result in results[: -len(every_ground)])


@pytest.mark.parametrize(
    "content_ids",
    [[], [f"chapter-{number}" for number in range(1_001)], ["two words"], ["x" * 65], [7], [None]],
    ids=["none", "1,001", "no id", "too long", "number", "null"],
)
def test_refuses_lists_that_are_empty_too_long_or_hold_no_ids(content_ids: list[Any]) -> None:
    response = check(content_ids)

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"].startswith("/content_ids")


def test_missing_coins_leave_out_what_is_expired_or_frozen(poor_reader: str) -> None:
    books.give(40, expires_at=NOW)
    books.freeze(books.give(40, value=40, is_purchased=True))
    books.give(40, expires_at=LATER)
    factories.put_content("dear", price=200)

    (option,) = may("dear")["options"]

    assert option["missing_coins"] == 200 - 140


@pytest.mark.parametrize(("currency", "amount"), [("NGN", "700.00"), ("CAD", "0.70")])
def test_the_price_is_shown_in_the_currency_of_the_reader(currency: str, amount: str) -> None:
    Customer.objects.create(
        user_id=READER, currency=currency, version=1, created_at=NOW, updated_at=NOW
    )
    factories.put_content("dear", price=50)

    (option,) = may("dear")["options"]

    # A Starter coin costs 14 naira or 1.39 Canadian cents, rounded up to the cent as a whole.
    assert option == for_coins(50, amount, 50, currency)


def test_rights_are_of_one_reader_only(every_ground: dict[str, dict[str, Any]]) -> None:
    found = decisions.decide_all(user_id="reader-2", content_ids=[*every_ground], now=NOW)

    assert {decision.content_id for decision in found if decision.granted} == {"free"}
