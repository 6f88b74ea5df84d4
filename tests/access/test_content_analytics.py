"""GET /access/content/{content_id}/analytics"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from access.queries import analytics
from access.queries.analytics import GroupBy
from access.services import content, reversals, tips
from payments.models import Purchase
from tests import factories, money_back
from tests.clients import api
from tests.factories import READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

PATH = "/api/v1/access/content/chapter-4/analytics"
OCTOBER = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)

type Answer = dict[str, Any]


def read(reader: str, now: datetime, content_id: str = "chapter-4") -> UUID:
    bought = content.buy(user_id=reader, content_id=content_id, now=now, actor=f"user:{reader}")
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


def take_back(transaction_id: UUID, now: datetime) -> None:
    reversals.reverse(transaction_id=transaction_id, actor="staff:1", reason="x", now=now)


@pytest.fixture
def sold() -> None:
    """Sold thrice, once for promotional coins; the sale of October was taken back in November."""
    for reader in ("reader-1", "reader-2"):
        factories.buy_coins(reader, "Starter Pack", now=OCTOBER)
    books.give(10, user_id="reader-3", value=0, expires_at=NOVEMBER + timedelta(days=30))
    factories.put_content("chapter-4", price=10, shares={WRITER: 6_000, "bob": 4_000}, now=OCTOBER)
    factories.put_content("chapter-5", now=OCTOBER)
    first = read("reader-1", OCTOBER)
    read("reader-2", NOVEMBER)
    read("reader-3", NOVEMBER + timedelta(days=7))
    take_back(first, NOVEMBER + timedelta(hours=1))
    # What does not belong to the chapter's sales.
    read("reader-1", NOVEMBER, "chapter-5")
    tips.send(
        sender_id="reader-2",
        recipient_id=WRITER,
        coins=20,
        now=NOVEMBER,
        actor="user:reader-2",
        content_id="chapter-4",
    )


def get(query: str = "", *, writer: str = "") -> list[Answer]:
    """The rows, as a service sees them, or a writer."""
    caller = api(user=writer, roles=["writer"]) if writer else _service()
    response = caller.get(PATH + query)
    assert response.status_code == 200, response.content
    assert response.json()["content_id"] == "chapter-4"
    rows: list[Answer] = response.json()["rows"]
    return rows


def _service() -> Any:
    return api(service="dashboard", scopes=["analytics:read"])


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def test_by_month_a_sale_taken_back_counts_where_it_was_taken_back(sold: None) -> None:
    assert get("?group_by=month") == [
        {
            "key": "2026-10",
            "buyers": 1,
            "coins": 10,
            "promo_coins": 0,
            "value": usd("0.099"),
            "writer_amount": usd("0.06435"),
            "refunds": 0,
            "subscription_units": 0,
        },
        {
            "key": "2026-11",
            "buyers": 2,
            "coins": 10,
            "promo_coins": 10,
            "value": usd("0.00"),
            "writer_amount": usd("0.00"),
            "refunds": 1,
            "subscription_units": 0,
        },
    ]


def test_the_total_is_of_all_time_unless_a_span_is_given(sold: None) -> None:
    (whole,) = get()
    (november,) = get("?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z")

    assert (whole["key"], whole["buyers"], whole["coins"], whole["refunds"]) == ("total", 3, 20, 1)
    assert whole["value"] == usd("0.099")
    assert (november["buyers"], november["coins"], november["refunds"]) == (2, 10, 1)


def test_days_and_weeks_are_those_of_utc(sold: None) -> None:
    days, weeks = get("?group_by=day"), get("?group_by=week")

    assert [row["key"] for row in days] == ["2026-10-31", "2026-11-02", "2026-11-09"]
    assert [row["key"] for row in weeks] == ["2026-W44", "2026-W45", "2026-W46"]


def test_the_end_of_a_span_is_not_in_it(sold: None) -> None:
    moment = "2026-11-02T12:00:00Z"

    assert get(f"?to={moment}")[0]["buyers"] == 1
    assert get(f"?from={moment}&to=2026-11-02T12:00:01Z")[0]["buyers"] == 1


def test_a_reader_who_bought_twice_is_one_buyer(sold: None) -> None:
    take_back(read("reader-1", NOVEMBER + timedelta(hours=2)), NOVEMBER + timedelta(hours=3))
    read("reader-1", NOVEMBER + timedelta(hours=4))

    (row,) = get()

    assert (row["buyers"], row["refunds"], row["coins"]) == (3, 2, 30)


def test_a_writer_sees_the_own_part_and_a_service_that_of_all(sold: None) -> None:
    (ann,), (bob,), (both,) = (get(writer=WRITER), get(writer="bob"), get())

    assert (ann["writer_amount"], bob["writer_amount"]) == (usd("0.03861"), usd("0.02574"))
    assert both["writer_amount"] == usd("0.06435")
    assert ann["buyers"] == both["buyers"]


def test_content_nobody_bought_has_no_rows() -> None:
    factories.put_content("chapter-4")

    assert get() == []


@pytest.mark.parametrize(
    "caller",
    [
        {"user": "writer-9", "roles": ["writer"]},
        {"user": "earlier", "roles": ["writer"]},
    ],
    ids=["a stranger", "an earlier author"],
)
def test_content_of_others_looks_like_content_that_does_not_exist(caller: Any) -> None:
    factories.put_content("chapter-4", shares={"earlier": 10_000})
    factories.put_content("chapter-4", shares={WRITER: 10_000})

    answer = api(**caller).get(PATH)
    missing = api(**caller).get(PATH.replace("chapter-4", "no-such-chapter"))

    assert answer.status_code == missing.status_code == 404
    assert answer.json()["detail"] == missing.json()["detail"]
    assert _service().get(PATH.replace("chapter-4", "no-such-chapter")).status_code == 404


@pytest.mark.parametrize(
    "caller",
    [
        {"user": WRITER},
        {"user": WRITER, "roles": ["writer"], "scopes": ["coins:read"]},
        {"user": READER},
        {"service": "x", "scopes": ["reports:read"]},
    ],
    ids=["no writer role", "a limited token", "a reader", "another scope"],
)
def test_is_for_writers_and_services_with_the_scope(caller: Any) -> None:
    factories.put_content("chapter-4")

    assert api(**caller).get(PATH).status_code == 403


@pytest.mark.parametrize("query", ["group_by=year", "from=2026-11-01", "period=2026-11"])
def test_refuses_queries_it_does_not_know(query: str) -> None:
    factories.put_content("chapter-4")

    assert _service().get(f"{PATH}?{query}").status_code == 400


def test_asks_the_database_once_however_many_sales(
    sold: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        rows = analytics.of_content(content_id="chapter-4", group_by=GroupBy.DAY)

    assert len(rows) == 3


def test_a_lost_dispute_takes_from_the_writers_when_it_is_lost(sold: None) -> None:
    before = get("?group_by=total")
    mine = get("?group_by=total", writer=WRITER)
    purchase = Purchase.objects.get(user_id="reader-2")
    december = NOVEMBER + timedelta(days=29)
    case = money_back.dispute(purchase, now=NOVEMBER + timedelta(days=1))

    money_back.lose(case, now=NOVEMBER + timedelta(days=2))

    (after,) = get("?group_by=total")
    assert after["writer_amount"] == usd("0.00")  # the one sale that was paid for and kept
    assert {**after, "writer_amount": before[0]["writer_amount"]} == before[0]
    assert get("?group_by=total", writer=WRITER)[0]["writer_amount"] == usd("0.00")

    money_back.win(case, now=december)

    assert get("?group_by=total") == before
    assert get("?group_by=total", writer=WRITER) == mine
    assert get("?group_by=month")[-1]["key"] == "2026-12"
