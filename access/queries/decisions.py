"""May this reader open this? One question or a thousand, in two queries.

The order of grounds is the reader's advantage: what is free or one's own needs no right, and a
right bought outlives everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection

from legato_payments.lib.money import Money
from payments.queries.packages import CoinPrice

MAX_IDS = 1_000


class Ground(StrEnum):
    """Why a decision is what it is."""

    FREE = "free"
    AUTHOR = "author"
    PURCHASED = "purchased"
    SUBSCRIPTION = "subscription"
    GIFT = "gift"
    GRANT = "grant"
    TIMER = "timer"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Option:
    """A way to open what is closed.

    Args:
        type: ``coins`` or ``subscription``.
        money: What the coins cost without a discount, in the reader's currency.
        missing_coins: How many the wallet lacks; 0 when it holds enough.
        tier: The lowest that opens it.
    """

    type: str
    coins: int | None = None
    money: Money | None = None
    missing_coins: int | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one content id. An unknown or unpublished one is denied, without options."""

    content_id: str
    ground: Ground
    expires_at: datetime | None = None
    options: list[Option] = field(default_factory=list)

    @property
    def granted(self) -> bool:
        """Whether the reader may open it."""
        return self.ground is not Ground.DENIED


# What the reader brings along: coins that can be spent now, and the undiscounted coin price.
READER = """
SELECT coalesce((
           SELECT sum(l.coins - l.next_coin)::bigint
           FROM payments_coinlot l JOIN payments_coinbalance w ON w.id = l.wallet_id
           WHERE w.user_id = %(user)s AND NOT l.is_used_up AND l.frozen_by = ''
             AND (l.expires_at IS NULL OR l.expires_at > %(now)s)), 0) AS coins,
       price.price_micros, v.coins + v.bonus_coins AS price_coins, price.currency
FROM (SELECT coalesce((SELECT currency FROM payments_customer WHERE user_id = %(user)s), 'USD')
          AS currency) reader
LEFT JOIN payments_coinpackage p ON p.is_reference
LEFT JOIN payments_coinpackageversion v ON v.id = p.current_id
LEFT JOIN payments_packageprice price
       ON price.version_id = v.id AND price.currency = reader.currency
"""

# A right stays open when the chapter is withdrawn; an author always reads the own work.
CONTENTS = """
SELECT asked.content_id, c.is_published, c.is_free, c.price_coins, c.required_tier,
       e.ground, e.expires_at,
       EXISTS (SELECT FROM revenue_authorship a
               WHERE a.content_id = asked.content_id AND a.writer_id = %(user)s
                 AND a.valid_to IS NULL) AS is_author
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS asked(content_id, position)
LEFT JOIN access_content c ON c.content_id = asked.content_id
LEFT JOIN access_entitlement e
       ON e.content_id = asked.content_id AND e.user_id = %(user)s AND e.revoked_at IS NULL
      AND (e.expires_at IS NULL OR e.expires_at > %(now)s)
ORDER BY asked.position
"""


def decide(*, user_id: str, content_id: str, now: datetime) -> Decision:
    """May ``user_id`` open ``content_id`` at ``now``?"""
    return decide_all(user_id=user_id, content_ids=[content_id], now=now)[0]


def decide_all(*, user_id: str, content_ids: Sequence[str], now: datetime) -> list[Decision]:
    """The same answers as one by one, in the order asked, in two queries."""
    assert len(content_ids) <= MAX_IDS, len(content_ids)
    parameters = {"user": user_id, "ids": list(content_ids), "now": now}
    reader = _rows(READER, parameters)[0]
    price = None
    if reader["price_micros"] is not None:
        price = CoinPrice(reader["price_micros"], reader["price_coins"], reader["currency"])
    return [
        _decision(row, coins=reader["coins"], price=price) for row in _rows(CONTENTS, parameters)
    ]


def _decision(row: dict[str, Any], *, coins: int, price: CoinPrice | None) -> Decision:
    content_id = row["content_id"]
    if row["is_author"]:
        return Decision(content_id, Ground.AUTHOR)
    if row["ground"]:
        return Decision(content_id, Ground(row["ground"].lower()), row["expires_at"])
    if not row["is_published"]:
        return Decision(content_id, Ground.DENIED)
    if row["is_free"]:
        return Decision(content_id, Ground.FREE)
    return Decision(content_id, Ground.DENIED, options=_options(row, coins=coins, price=price))


def _options(row: dict[str, Any], *, coins: int, price: CoinPrice | None) -> list[Option]:
    cost = row["price_coins"]
    options = [
        Option(
            "coins",
            coins=cost,
            money=price.of(cost) if price else None,
            missing_coins=max(cost - coins, 0),
        )
    ]
    if row["required_tier"]:
        options.append(Option("subscription", tier=row["required_tier"].lower()))
    return options


def _rows(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
