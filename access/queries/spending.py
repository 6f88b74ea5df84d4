"""What a reader spent in a month, on what and on whom, and what the month may come to.

What was taken back does not count, whenever that was: to the reader it never happened. Months and
days are those of UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import isqrt
from typing import Any

from access.queries.trace import rows_of
from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from payments.queries import packages, wallets
from payments.queries.packages import CoinPrice

TOP = 10
"""Series and writers named; the largest."""

WINDOW = 90
"""Days before today that the forecast looks at (rules.md, rule 46)."""

# One statement, hence one snapshot, and the reader's transactions are gone through once: ``spent``
# is every spend of the span that still counts. The parts of a month are told apart by ``part``.
# A work of several authors is divided by cumulative floor, in the order of their ids.
_SPENDING = """
WITH spent AS (
    SELECT t.id, t.kind, t.metadata ->> 'content_id' AS content_id, used.*,
           (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
           t.occurred_at >= %(month)s AS in_month
    FROM payments_account a
    JOIN payments_entry e ON e.account_id = a.id
    JOIN payments_transaction t ON t.id = e.transaction_id
    CROSS JOIN LATERAL (
        SELECT sum(u.to_coin - u.from_coin) AS coins, sum(u.value_micros) AS value,
               coalesce(sum(u.to_coin - u.from_coin) FILTER (WHERE l.is_purchased), 0)
                   AS paid_coins,
               coalesce(sum(u.value_micros) FILTER (WHERE l.is_purchased), 0) AS paid_value
        FROM payments_lotuse u JOIN payments_coinlot l ON l.id = u.lot_id
        WHERE u.transaction_id = t.id
    ) used
    WHERE a.code = 'wallet' AND a.owner_type = 'USER' AND a.owner_id = %(user)s AND a.unit = 'COIN'
      AND t.kind IN ('CONTENT_PURCHASE', 'TIP')
      AND t.occurred_at >= %(since)s AND t.occurred_at < %(until)s
      AND NOT EXISTS (SELECT FROM payments_transaction r WHERE r.reverses_id = t.id)
), chapters AS (
    SELECT s.*, nullif(c.series_id, '') AS series_id, nullif(c.word_count, 0) AS words
    FROM spent s LEFT JOIN access_content c ON c.content_id = s.content_id
    WHERE s.in_month AND s.kind = 'CONTENT_PURCHASE'
), claims AS (
    SELECT s.coins, s.value, e.writer_id, e.share_bps,
           sum(e.share_bps) OVER (PARTITION BY s.id ORDER BY e.writer_id) AS upto,
           sum(e.share_bps) OVER (PARTITION BY s.id) AS whole
    FROM spent s JOIN revenue_earning e ON e.transaction_id = s.id WHERE s.in_month
), parts AS (
    SELECT 'stream' AS part, CASE kind WHEN 'TIP' THEN 'tip' ELSE 'content' END AS key,
           sum(coins) AS coins, sum(value) AS value, sum(paid_coins) AS paid_coins,
           sum(paid_value) AS paid_value, 0 AS words, 0 AS words_value
    FROM spent WHERE in_month GROUP BY kind
    UNION ALL
    SELECT 'day', day::text, sum(coins), sum(value), 0, 0, 0, 0 FROM spent GROUP BY day
    UNION ALL
    SELECT 'words', NULL, 0, 0, 0, 0, coalesce(sum(words), 0),
           coalesce(sum(value) FILTER (WHERE words > 0), 0)
    FROM chapters
    UNION ALL
    (SELECT 'series', series_id, sum(coins) AS coins, sum(value), 0, 0, coalesce(sum(words), 0),
            coalesce(sum(value) FILTER (WHERE words > 0), 0)
     FROM chapters GROUP BY series_id ORDER BY coins DESC, series_id LIMIT %(top)s)
    UNION ALL
    (SELECT 'writer', writer_id,
            sum(div(coins * upto, whole) - div(coins * (upto - share_bps), whole)) AS coins,
            sum(div(value * upto, whole) - div(value * (upto - share_bps), whole)), 0, 0, 0, 0
     FROM claims GROUP BY writer_id ORDER BY coins DESC, writer_id LIMIT %(top)s)
)
SELECT part, key, coins::bigint, value::bigint, paid_coins::bigint, paid_value::bigint,
       words::bigint, words_value::bigint
FROM parts ORDER BY part, coins DESC, key
"""


@dataclass(frozen=True, slots=True)
class Group:
    """What one stream, series, writer or day took: coins, and the USD micros they released.

    Args:
        promo_coins: Of the coins, those nobody paid for; of streams only.
        per_thousand_words: US dollars; of series whose length is known.
    """

    key: str | None
    coins: int
    value_micros: int
    promo_coins: int = 0
    per_thousand_words: Money | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the whole month may come to, in coins: most likely, and one sigma below and above."""

    coins: int
    low_coins: int
    high_coins: int


@dataclass(frozen=True, slots=True)
class Spending:
    """A reader's month.

    Args:
        coin_price: Without a discount, in the reader's currency: what coins would cost now.
        series: The largest; the key of chapters outside any series is ``None``.
        days: Every day of the month that has begun, ISO 8601.
        average_coin_price: What the purchased coins that were spent had cost, US dollars.
        per_thousand_words: Of all chapters whose length is known, US dollars.
        forecast: Of the current month only.
    """

    user_id: str
    month: date
    currency: str
    coin_price: CoinPrice | None
    streams: list[Group]
    series: list[Group]
    writers: list[Group]
    days: list[Group]
    average_coin_price: Money | None
    per_thousand_words: Money | None
    forecast: Forecast | None

    @property
    def coins(self) -> int:
        """All coins spent."""
        return sum(stream.coins for stream in self.streams)

    @property
    def promo_coins(self) -> int:
        """Those that nobody paid for."""
        return sum(stream.promo_coins for stream in self.streams)

    @property
    def value_micros(self) -> int:
        """USD micros released."""
        return sum(stream.value_micros for stream in self.streams)


def of_month(*, user_id: str, month: date, now: datetime) -> Spending:
    """A reader's month, in three queries.

    Args:
        month: Its first day.
    """
    today = now.astimezone(UTC).date()
    rows = _rows(user_id, month, since=min(month, today - timedelta(days=WINDOW)))
    by_part: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_part.setdefault(row["part"], []).append(row)
    streams, (words,) = by_part.get("stream", []), by_part["words"]
    daily = {date.fromisoformat(row["key"]): _group(row) for row in by_part.get("day", [])}
    currency = wallets.currency_of(user_id=user_id)
    return Spending(
        user_id=user_id,
        month=month,
        currency=currency,
        coin_price=packages.coin_price(currency),
        streams=[_group(row) for row in streams],
        series=[_group(row) for row in by_part.get("series", [])],
        writers=[_group(row) for row in by_part.get("writer", [])],
        days=[daily.get(day, Group(day.isoformat(), 0, 0)) for day in _begun(month, today)],
        average_coin_price=_quotient(
            sum(row["paid_value"] for row in streams), sum(row["paid_coins"] for row in streams)
        ),
        per_thousand_words=_quotient(1_000 * words["words_value"], words["words"]),
        forecast=_forecast_of(daily, month, today),
    )


def forecast(*, so_far: int, daily: Sequence[int], days_left: int) -> Forecast:
    """What a month will have come to when it goes on like the last days.

    With n days of x coins each, S their sum and Q the sum of their squares, and d days left:
    expected = so_far + d * S / n, rounded to the nearest coin; sigma of one day is that of the
    whole window, (Q - S * S / n) / n its square; days are taken to be independent, so the band is
    sigma * sqrt(d) to each side, rounded down, and never below what is spent already.

    Args:
        so_far: Coins of the month until now, today's included.
        daily: Coins of each day of the window, days without any included.
        days_left: Whole days of the month after today.
    """
    n, total, squares = len(daily), sum(daily), sum(coins * coins for coins in daily)
    expected = so_far + (2 * days_left * total + n) // (2 * n)
    band = isqrt(days_left * (n * squares - total * total) // (n * n))
    return Forecast(expected, max(expected - band, so_far), expected + band)


def _forecast_of(daily: Mapping[date, Group], month: date, today: date) -> Forecast | None:
    if month != today.replace(day=1):
        return None
    window = [today - timedelta(days=back) for back in range(1, WINDOW + 1)]
    return forecast(
        so_far=sum(group.coins for day, group in daily.items() if day >= month),
        daily=[daily[day].coins if day in daily else 0 for day in window],
        days_left=(_next(month) - today).days - 1,
    )


def _rows(user_id: str, month: date, *, since: date) -> list[dict[str, Any]]:
    return rows_of(
        _SPENDING,
        user=user_id,
        month=_midnight(month),
        since=_midnight(since),
        until=_midnight(_next(month)),
        top=TOP,
    )


def _group(row: Mapping[str, Any]) -> Group:
    is_stream = row["part"] == "stream"
    return Group(
        key=row["key"],
        coins=row["coins"],
        value_micros=row["value"],
        promo_coins=row["coins"] - row["paid_coins"] if is_stream else 0,
        per_thousand_words=_quotient(1_000 * row["words_value"], row["words"]),
    )


def _quotient(micros: int, by: int) -> Money | None:
    return Money(micros // by, BOOK_CURRENCY) if by else None


def _begun(month: date, today: date) -> list[date]:
    last = min(_next(month) - timedelta(days=1), today)
    return [month + timedelta(days=number) for number in range((last - month).days + 1)]


def _next(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
