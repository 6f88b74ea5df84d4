"""GET /revenue/writers/{writer_id}/earnings: pending, available, and groups, to the micro"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db.transaction import atomic

from access.services import content, tips
from payments import ledger
from revenue.models import Earning, Writer
from revenue.queries import earnings as queries
from revenue.queries.earnings import GroupBy
from revenue.services import earnings
from tests import factories
from tests.clients import api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

EARNINGS = f"/api/v1/revenue/writers/{WRITER}/earnings"
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _reader() -> None:
    """The reader of these tests has an Ultimate Pack, and each ten coins are worth 60,590 or so."""
    factories.buy_coins(READER, "Ultimate Pack")


def buy(content_id: str, *, now: datetime = NOW, price: int = 10, **description: Any) -> Earning:
    """A chapter bought, and the writer's earning."""
    factories.put_content(content_id, price=price, **description)
    bought = content.buy(user_id=READER, content_id=content_id, now=now, actor="user:reader-1")
    return Earning.objects.get(transaction__entitlement=bought.entitlement, writer_id=WRITER)


def tip(coins: int, *, now: datetime = NOW) -> Earning:
    """A tip, and the writer's earning."""
    sent = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=coins, now=now, actor="user:reader-1"
    )
    return Earning.objects.get(transaction_id=sent.tip.transaction_id)


@atomic
def take_back(earning: Earning, *, now: datetime) -> None:
    """The sale behind an earning is reversed."""
    reversal = ledger.reverse(
        transaction_id=earning.transaction_id, actor="staff:7", reason="", now=now
    )
    earnings.reverse(transaction_id=earning.transaction_id, reversal_id=reversal, occurred_at=now)


def totals(*, now: datetime) -> tuple[int, int]:
    """Pending and available micros of the writer."""
    found = queries.of_writer(writer_id=WRITER, group_by=GroupBy.STREAM, now=now)
    assert found.is_estimated == (found.pending_micros != 0)
    assert (found.reserved_micros, found.paid_micros) == (0, 0)
    return found.pending_micros, found.available_micros


def known_for(days: timedelta) -> None:
    """The writer was first seen so long ago."""
    Writer.objects.create(writer_id=WRITER, first_seen_at=NOW - days)


def get(query: str = "", *, user: str = WRITER, roles: tuple[str, ...] = ("writer",)) -> Any:
    """The answer to the writer."""
    return api(user=user, roles=roles).get(f"{EARNINGS}{query}")


def usd(amount: str) -> dict[str, str]:
    """An amount as the API writes it."""
    return {"amount": amount, "currency": "USD"}


@pytest.mark.parametrize(
    ("age", "hold"),
    [
        (timedelta(0), 60 * DAY),
        (90 * DAY - MICROSECOND, 60 * DAY),
        (90 * DAY, 30 * DAY),
        (900 * DAY, 30 * DAY),
    ],
)
def test_content_and_tips_mature_in_30_days_and_in_60_for_new_writers(
    age: timedelta, hold: timedelta
) -> None:
    known_for(age)

    earned = [buy("chapter-4"), tip(10)]

    assert [earning.matures_at for earning in earned] == [NOW + hold] * 2
    everything = sum(earning.amount_micros for earning in earned)
    assert totals(now=NOW + hold - MICROSECOND) == (everything, 0)
    assert totals(now=NOW + hold) == (0, everything)


def test_a_reversal_has_the_maturity_of_what_it_takes_back() -> None:
    known_for(90 * DAY)
    kept, taken = buy("chapter-4"), buy("chapter-5")

    take_back(taken, now=NOW + 10 * DAY)

    assert totals(now=NOW + 11 * DAY) == (kept.amount_micros, 0)
    assert totals(now=NOW + 30 * DAY) == (0, kept.amount_micros)
    reversal = Earning.objects.get(reverses=taken)
    assert (reversal.amount_micros, reversal.coins) == (-taken.amount_micros, -10)
    assert (reversal.matures_at, reversal.rule_id) == (taken.matures_at, taken.rule_id)
    books.assert_sound()


def test_a_reversal_of_what_was_available_takes_it_from_there() -> None:
    known_for(90 * DAY)
    earning = buy("chapter-4")

    take_back(earning, now=NOW + 40 * DAY)

    assert totals(now=NOW + 39 * DAY) == totals(now=NOW + 41 * DAY) == (0, 0)


@pytest.fixture
def _busy_writer() -> None:
    """A writer with three sales, one shared and one in December, and two tips."""
    known_for(90 * DAY)
    books.give(5, expires_at=NOW + 300 * DAY)
    buy("chapter-4")  # five promotional coins of no value, five of 30,295 micros: 19,691
    buy("chapter-5", shares={WRITER: 2_500, "writer-2": 7_500})  # 60,591 -> 39,384 -> 9,846
    tip(10)  # 60,591 -> 42,413
    buy("chapter-6", now=DECEMBER)  # 60,591 -> 39,384
    tip(20, now=DECEMBER - MICROSECOND)  # 121,182 -> 84,827


@pytest.mark.usefixtures("_busy_writer")
def test_groups_by_stream_content_and_month() -> None:
    found = {
        group_by: [
            (group.key, group.amount_micros, group.coins, group.promo_coins, group.transactions)
            for group in queries.of_writer(writer_id=WRITER, group_by=group_by, now=NOW).groups
        ]
        for group_by in GroupBy
    }

    assert found == {
        GroupBy.STREAM: [
            ("content", 19_691 + 9_846 + 39_384, 30, 5, 3),
            ("tip", 42_413 + 84_827, 30, 0, 2),
        ],
        GroupBy.CONTENT: [
            ("", 42_413 + 84_827, 30, 0, 2),
            ("chapter-4", 19_691, 10, 5, 1),
            ("chapter-5", 9_846, 10, 0, 1),
            ("chapter-6", 39_384, 10, 0, 1),
        ],
        GroupBy.MONTH: [
            ("2026-11", 19_691 + 9_846 + 42_413 + 84_827, 50, 5, 4),
            ("2026-12", 39_384, 10, 0, 1),
        ],
    }


@pytest.mark.usefixtures("_busy_writer")
def test_totals_and_groups_over_the_api() -> None:
    with time_machine.travel(NOW + 30 * DAY, tick=False):
        response = get("?group_by=month&from=2026-11-02T12:00:00Z&to=2026-12-01T00:00:00Z")

    assert response.status_code == 200
    assert response.json() == {
        "writer_id": WRITER,
        "currency": "USD",
        # What was earned at noon a month ago is available; the later tip and December are not.
        "totals": {
            "pending": usd("0.124211"),
            "available": usd("0.07195"),
            "reserved": usd("0.00"),
            "paid": usd("0.00"),
        },
        "groups": [
            {
                "key": "2026-11",
                "amount": usd("0.156777"),
                "coins": 50,
                "promo_coins": 5,
                "transactions": 4,
            }
        ],
        "estimated": True,
    }


@pytest.mark.usefixtures("_busy_writer")
def test_from_is_included_and_to_is_not() -> None:
    def coins(query: str) -> int:
        groups = get(query).json()["groups"]
        return sum(group["coins"] for group in groups)

    assert coins("?from=2026-12-01T00:00:00Z") == 10
    assert coins("?to=2026-12-01T00:00:00Z") == 50
    assert coins("?to=2026-11-30T23:59:59.999999Z") == 30
    assert coins("?from=2026-12-01T00:00:00.000001Z") == 0


def test_a_writer_without_earnings_has_zeros() -> None:
    answer = get().json()

    assert answer["groups"] == []
    assert {total["amount"] for total in answer["totals"].values()} == {"0.00"}
    assert answer["estimated"] is False


@pytest.mark.parametrize("query", ["?group_by=writer", "?from=yesterday", "?since=2026", "?from="])
def test_refuses_a_query_it_does_not_know(query: str) -> None:
    assert get(query).status_code == 400


def test_only_the_writer_and_services_that_may_see_earnings() -> None:
    statuses = [
        get().status_code,
        get(roles=()).status_code,
        get(user="writer-2").status_code,
        api(service="payouts", scopes=["earnings:read"]).get(EARNINGS).status_code,
        api(service="payouts", scopes=["reports:read"]).get(EARNINGS).status_code,
    ]

    assert statuses == [200, 403, 403, 200, 403]
