"""How one piece of content sells, over time (rules.md, rule 39)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from access.models import Content
from access.queries.trace import rows_of


class GroupBy(StrEnum):
    """The spans that sales can be grouped by, of UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


KEYS = {
    GroupBy.DAY: "YYYY-MM-DD",
    GroupBy.WEEK: 'IYYY-"W"IW',
    GroupBy.MONTH: "YYYY-MM",
    GroupBy.TOTAL: '"total"',
}
"""Each span's key as PostgreSQL's ``to_char`` writes it; weeks are those of ISO 8601."""

# A sale counts when it was made and, if taken back, the other way round when it was taken back: so
# the books do it, and what a month said once never changes. A chapter taken back has no buyer less.
# A lost dispute takes only from the writers' amount, when it is lost: the chapter stays sold. Its
# rows are few, and found by the indexes of their links, which hold no others.
_ROWS = """
WITH moved AS (
    SELECT t.id AS sale, t.id, t.occurred_at, 1 AS sign
    FROM access_entitlement e JOIN payments_transaction t ON t.id = e.transaction_id
    WHERE e.content_id = %(content)s
    UNION ALL
    SELECT t.reverses_id, t.id, t.occurred_at, -1
    FROM access_entitlement e JOIN payments_transaction t ON t.reverses_id = e.transaction_id
    WHERE e.content_id = %(content)s
), parts AS (
    SELECT m.occurred_at, m.sign, used.wallet_id, used.coins, used.value, used.promo_coins,
           earned.amount
    FROM moved m
    CROSS JOIN LATERAL (
        SELECT min(l.wallet_id) AS wallet_id, sum(u.to_coin - u.from_coin) AS coins,
               sum(u.value_micros) AS value,
               coalesce(sum(u.to_coin - u.from_coin) FILTER (WHERE NOT l.is_purchased), 0)
                   AS promo_coins
        FROM payments_lotuse u JOIN payments_coinlot l ON l.id = u.lot_id
        WHERE u.transaction_id = m.sale
    ) used
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_micros) AS amount FROM revenue_earning e
        WHERE e.transaction_id = m.id AND (%(writer)s = '' OR e.writer_id = %(writer)s)
    ) earned
    UNION ALL
    SELECT e.occurred_at, 0, NULL, 0, 0, 0, e.amount_micros
    FROM revenue_earning e
    WHERE (e.claws_back_id IS NOT NULL OR e.gives_back_id IS NOT NULL)
      AND e.content_id = %(content)s AND e.stream = 'CONTENT'
      AND (%(writer)s = '' OR e.writer_id = %(writer)s)
)
SELECT to_char(p.occurred_at AT TIME ZONE 'UTC', %(format)s) AS key,
       count(DISTINCT p.wallet_id) FILTER (WHERE p.sign = 1) AS buyers,
       count(*) FILTER (WHERE p.sign = -1) AS refunds,
       coalesce(sum(p.sign * p.coins), 0)::bigint AS coins,
       coalesce(sum(p.sign * p.promo_coins), 0)::bigint AS promo_coins,
       coalesce(sum(p.sign * p.value), 0)::bigint AS value_micros,
       coalesce(sum(p.amount), 0)::bigint AS writer_micros
FROM parts p
WHERE p.occurred_at >= %(since)s AND p.occurred_at < %(until)s
GROUP BY key ORDER BY key
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One span with sales or refunds. Amounts are net of what was taken back in it.

    Args:
        buyers: Different readers who bought in the span.
        value_micros: USD micros released.
        writer_micros: USD micros for the writer asked about, else for all authors; less what a
            lost dispute took back.
        refunds: Sales taken back in the span, whenever they were made.
        subscription_units: Pages read by subscribers; none before subscriptions exist.
    """

    key: str
    buyers: int
    coins: int
    promo_coins: int
    value_micros: int
    writer_micros: int
    refunds: int
    subscription_units: int = 0


def of_content(
    *,
    content_id: str,
    group_by: GroupBy,
    since: datetime | None = None,
    until: datetime | None = None,
    writer_id: str | None = None,
) -> list[Row]:
    """The spans in which something happened, oldest first.

    Args:
        since: Only what happened at or after this time.
        until: Only what happened before this time.
        writer_id: Count only this author's part; everybody's when not given.
    """
    rows = rows_of(
        _ROWS,
        content=content_id,
        format=KEYS[group_by],
        since=since or "-infinity",
        until=until or "infinity",
        writer=writer_id or "",
    )
    return [Row(**row) for row in rows]


def is_known(*, content_id: str) -> bool:
    """Whether the content service ever told of it."""
    return Content.objects.filter(pk=content_id).exists()
