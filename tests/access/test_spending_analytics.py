"""GET /payments/users/{user_id}/spending-analytics"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from access.queries import spending
from access.services import content, reversals, tips
from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments.gateways.rates.fixed import FixedRates
from payments.services import currency_rates, customers
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

PATH = f"{PAYMENTS}/users/{READER}/spending-analytics"


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The interface's clock stands at noon of 20 November."""
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    return now


def read(content_id: str, now: datetime = NOW) -> UUID:
    bought = content.buy(user_id=READER, content_id=content_id, now=now, actor="user:reader-1")
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


def tip(coins: int, now: datetime = NOW, recipient: str = WRITER) -> UUID:
    sent = tips.send(
        sender_id=READER, recipient_id=recipient, coins=coins, now=now, actor="user:reader-1"
    )
    return sent.tip.transaction_id


def get(query: str = "?period=2026-11") -> dict[str, Any]:
    response = api(user=READER).get(PATH + query)
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def micros(amount: int) -> dict[str, str]:
    return Money(amount, "USD").to_json()


def spent(answer: dict[str, Any], part: str, key: str) -> dict[str, tuple[int, str]]:
    """Coins and dollars by key."""
    return {row[key]: (row["coins"], row["value"]["amount"]) for row in answer[part]}


@pytest.mark.django_db
class TestAMonth:
    @pytest.fixture
    def busy(self, reader: str, today: datetime) -> dict[str, Any]:
        """40 promotional coins and 6,600 paid ones; two series, a loner, two authors, a tip."""
        books.give(40, value=0, expires_at=NOW + timedelta(days=30))
        chapters: list[tuple[str, int, dict[str, Any]]] = [
            ("harbour-1", 100, {"series_id": "harbour", "word_count": 5_000}),
            ("harbour-2", 100, {"series_id": "harbour"}),
            ("island-1", 60, {"series_id": "island", "word_count": 1_000}),
            ("loner", 30, {"word_count": 0}),
        ]
        for content_id, price, described in chapters:
            words = described.pop("word_count", None)
            made = factories.put_content(
                content_id, price=price, shares={WRITER: 6_000, "bob": 4_000}, **described
            )
            type(made).objects.filter(pk=content_id).update(word_count=words)
            read(content_id)
        tip(500, NOW + timedelta(days=3))
        return get()

    def test_counts_coins_promotional_ones_and_money(self, busy: dict[str, Any]) -> None:
        # 40 promotional coins were worth nothing; 750 others released what 750 of 6,600 do.
        value = 39_990_000 * 750 // 6_600
        assert (busy["user_id"], busy["period"], busy["currency"]) == (READER, "2026-11", "USD")
        assert (busy["coins"], busy["promo_coins"]) == (790, 40)
        assert busy["value"] == micros(value)
        assert busy["money_equivalent"] == usd("7.83")  # 790 coins at 0.0099, rounded up
        assert busy["average_coin_price"] == usd("0.006059")

    def test_tells_reading_from_tips(self, busy: dict[str, Any]) -> None:
        assert [(row["key"], row["coins"], row["promo_coins"]) for row in busy["streams"]] == [
            ("tip", 500, 0),
            ("content", 290, 40),
        ]

    def test_names_series_with_what_a_thousand_words_cost(self, busy: dict[str, Any]) -> None:
        assert [(row["series_id"], row["coins"]) for row in busy["series"]] == [
            ("harbour", 200),
            ("island", 60),
            (None, 30),
        ]
        # Of the 100 coins of the first, 40 were worth nothing; the second has no known length.
        harbour = 39_990_000 * 60 // 6_600
        island = 39_990_000 * 220 // 6_600 - 39_990_000 * 160 // 6_600
        prices = [row["cost_per_1000_words"] for row in busy["series"]]
        assert prices == [micros(harbour // 5), micros(island), None]
        assert busy["cost_per_1000_words"] == micros((harbour + island) // 6)

    def test_divides_works_of_two_authors_by_their_shares(self, busy: dict[str, Any]) -> None:
        by_writer = spent(busy, "writers", "writer_id")

        assert {writer: coins for writer, (coins, _) in by_writer.items()} == {
            WRITER: 500 + 290 * 6 // 10,
            "bob": 290 * 4 // 10,
        }
        values = [Money.parse(value, "USD").micros for _, value in by_writer.values()]
        assert micros(sum(values)) == busy["value"]

    def test_has_every_day_until_today(self, busy: dict[str, Any]) -> None:
        days = {row["date"]: row["coins"] for row in busy["days"]}

        assert list(days) == [f"2026-11-{day:02d}" for day in range(1, 21)]
        assert {day: coins for day, coins in days.items() if coins} == {
            "2026-11-02": 290,
            "2026-11-05": 500,
        }

    def test_forecasts_from_the_last_ninety_days(self, busy: dict[str, Any]) -> None:
        # 790 so far; the mean of ninety days is 790 / 90; ten days are left; sigma of a day is
        # sqrt(334,100 / 90 - (790 / 90) ** 2) = 60.3, of ten days 190.6.
        assert busy["forecast"] == {
            "coins": 878,
            "low_coins": 790,
            "high_coins": 878 + 190,
            "money_equivalent": usd("8.70"),
        }


@pytest.mark.django_db
def test_what_was_taken_back_does_not_count(reader: str, today: datetime) -> None:
    factories.put_content("chapter-4", price=10)
    reversals.reverse(
        transaction_id=read("chapter-4"), actor="staff:1", reason="mistake", now=today
    )
    tip(50)

    answer = get()

    assert answer["coins"] == 50
    assert [row["key"] for row in answer["streams"]] == ["tip"]


@pytest.mark.django_db
def test_other_months_and_other_readers_do_not_count(reader: str, today: datetime) -> None:
    factories.buy_coins("reader-2")
    factories.put_content("chapter-4", price=10)
    content.buy(user_id="reader-2", content_id="chapter-4", now=NOW, actor="user:reader-2")
    tip(20, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    tip(30, datetime(2026, 11, 1, tzinfo=UTC))

    november, october = get(), get("?period=2026-10")

    assert november["coins"] == 30
    assert october["coins"] == 20
    assert len(october["days"]) == 31
    assert october["forecast"] is None
    # October's tip lies in the window of November's forecast.
    assert november["forecast"]["coins"] == 30 + round(50 / 90 * 10)


@pytest.mark.django_db
def test_a_reader_without_coins_has_an_empty_month(today: datetime) -> None:
    answer = get("")

    assert answer["period"] == "2026-11"
    assert (answer["coins"], answer["value"], answer["average_coin_price"]) == (
        0,
        usd("0.00"),
        None,
    )
    assert answer["streams"] == answer["series"] == answer["writers"] == []
    assert answer["forecast"]["high_coins"] == 0
    assert get("?period=2027-03")["days"] == []


@pytest.mark.django_db
def test_money_stands_in_the_readers_currency(reader: str, today: datetime) -> None:
    currency_rates.refresh(provider=FixedRates(), now=NOW)
    customers.put(
        user_id=READER,
        profile=customers.Profile("NG", "", "NGN", None, "", None),
        expected_version=None,
        actor="user:reader-1",
        now=NOW,
    )
    factories.put_content()
    tip(50)

    answer = get()

    assert answer["money_equivalent"] == {"amount": "700.00", "currency": "NGN"}
    assert answer["value"] == usd("0.302954")


@pytest.mark.django_db
def test_names_the_ten_largest_only(reader: str, today: datetime) -> None:
    for number in range(1, 13):
        factories.put_content(
            f"c-{number}", price=number, series_id=f"s-{number}", shares={f"w-{number}": 10_000}
        )
        read(f"c-{number}")

    answer = get()

    assert [row["series_id"] for row in answer["series"]] == [f"s-{n}" for n in range(12, 2, -1)]
    assert [row["writer_id"] for row in answer["writers"]] == [f"w-{n}" for n in range(12, 2, -1)]


@pytest.mark.parametrize("period", ["2026-13", "2026-1", "november", "2026-11-01", ""])
def test_refuses_what_is_no_month(period: str) -> None:
    assert api(user=READER).get(f"{PATH}?period={period}").status_code == 400


@pytest.mark.django_db
def test_is_for_the_reader_and_for_services_with_the_scope(reader: str) -> None:
    answers = [
        api(user=READER, scopes=["coins:read"]).get(PATH),
        api(service="support", scopes=["transactions:read"]).get(PATH),
        api(user="reader-2").get(PATH),
        api(user=READER, scopes=["coins:spend"]).get(PATH),
        api(service="support", scopes=["balances:read"]).get(PATH),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 403, 403, 403]


@pytest.mark.django_db
def test_asks_the_database_as_often_for_many_spends_as_for_few(
    reader: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        factories.put_content(f"chapter-{number}")
        read(f"chapter-{number}", NOW + timedelta(days=number))

    with django_assert_num_queries(3):
        found = spending.of_month(user_id=READER, month=NOW.date().replace(day=1), now=NOW)

    assert found.coins == 120


@given(
    so_far=st.integers(0, 10**6),
    daily=st.lists(st.integers(0, 10**5), min_size=90, max_size=90),
    days_left=st.integers(0, 30),
)
def test_the_forecast_is_the_mean_with_a_band_around_it(
    so_far: int, daily: list[int], days_left: int
) -> None:
    found = spending.forecast(so_far=so_far, daily=daily, days_left=days_left)

    mean = sum(daily) / 90
    sigma = (sum((coins - mean) ** 2 for coins in daily) / 90) ** 0.5
    assert found.coins == pytest.approx(so_far + days_left * mean, abs=0.5001)
    band = found.high_coins - found.coins
    assert sigma * days_left**0.5 - 1.001 <= band <= sigma * days_left**0.5 + 0.001
    assert found.low_coins == max(found.coins - band, so_far)
