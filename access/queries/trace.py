"""Where a payment went: every coin of a purchase, down to the writers (ledger.md, section 6).

A purchase fills one lot. Its coins may come back as a new lot (a chapter given back, a refund that
failed, a lost dispute that is won after all) or move into another reader's wallet; those child lots
are followed, however deep. What a use released goes to exactly one place: into a child lot, to
writers and platform, or back to the payer. So at any time

    writers + platform + unspent + refunded = value of the purchase, to the micro.

A lost dispute gives the payer the disputed value: unused coins are its first part; the rest was
spent, and is taken from writers, or is our loss, or is owed by the reader, which until it is paid
is our loss as well. Of a purchase that settles such a debt, that much is the platform's, until the
debt is void: then it comes back as a lot of this purchase that has no parent either.

A spend that mixes lots is divided among its uses: of each writer's earning, the uses up to the n-th
(in lot order) carry ``floor(earning * released by them / released by all)``, and one use the
difference of two such sums. The parts of all uses sum to the earning exactly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, Subquery

from payments.ledger import released_value
from payments.models import LotUse, Purchase, Transaction

# One statement, hence one snapshot: a spend meanwhile is seen whole or not at all. The uses of a
# lot are found through the index of the rule that no coin is used twice, whose expression has to
# be repeated to the letter.
_TRACE = """
WITH RECURSIVE tree AS (
    SELECT l.id FROM payments_coinlot l WHERE l.purchase_id = %(purchase)s AND l.parent_id IS NULL
    UNION ALL
    SELECT c.id FROM tree JOIN payments_coinlot c ON c.parent_id = tree.id
), touched AS (
    SELECT DISTINCT u.transaction_id FROM tree JOIN payments_lotuse u
      ON int8range((u.lot_id * 4294967296) + u.from_coin, (u.lot_id * 4294967296) + u.to_coin)
      && int8range(tree.id * 4294967296, (tree.id + 1) * 4294967296)
), spread AS (
    SELECT u.*, sum(u.value_micros) OVER (PARTITION BY u.transaction_id) AS whole,
           sum(u.value_micros) OVER (
               PARTITION BY u.transaction_id ORDER BY u.lot_id, u.from_coin) AS upto
    FROM payments_lotuse u JOIN touched ON touched.transaction_id = u.transaction_id
), lost AS (
    SELECT coalesce(sum(d.unused_micros), 0)::bigint AS lost_unused,
           coalesce(sum(d.writers_micros), 0)::bigint AS lost_writers,
           coalesce(sum(d.platform_micros), 0)::bigint AS lost_platform,
           coalesce(sum(d.reader_micros), 0)::bigint AS lost_reader,
           (SELECT coalesce(sum(r.undone_micros), 0)::bigint FROM payments_debtreduction r
            WHERE r.purchase_id = %(purchase)s) AS debt_returned
    FROM payments_disputeloss d JOIN payments_dispute p ON p.id = d.dispute_id
    WHERE p.purchase_id = %(purchase)s AND d.undone_by_id IS NULL
)
SELECT l.id AS lot_id, l.parent_id, l.origin, w.user_id, l.coins, l.next_coin,
       l.value_micros AS lot_micros, s.kind, s.from_coin, s.to_coin, s.value_micros,
       s.transaction_id, t.occurred_at, t.metadata ->> 'content_id' AS content_id,
       moved.lots AS moved_to, moved.value AS moved_micros, earned.writers, earned.amounts, lost.*
FROM lost
LEFT JOIN (
    tree
    JOIN payments_coinlot l ON l.id = tree.id
    JOIN payments_coinbalance w ON w.id = l.wallet_id
) ON true
LEFT JOIN spread s ON s.lot_id = l.id
LEFT JOIN payments_transaction t ON t.id = s.transaction_id
CROSS JOIN LATERAL (
    SELECT array_agg(c.id ORDER BY c.id) AS lots,
           coalesce(sum(c.value_micros), 0)::bigint AS value
    FROM payments_coinlot c JOIN payments_transaction made ON made.id = c.transaction_id
    WHERE c.parent_id = s.lot_id
      AND (s.transaction_id IN (made.id, made.reverses_id, made.relates_to)
           OR s.transaction_id = (SELECT d.transaction_id FROM payments_disputeloss d
                                  WHERE d.undone_by_id = made.id))
) moved
CROSS JOIN LATERAL (
    SELECT array_agg(e.writer_id ORDER BY e.writer_id) AS writers,
           array_agg((coalesce(div(e.amount * s.upto, nullif(s.whole, 0)), 0)
                    - coalesce(div(e.amount * (s.upto - s.value_micros), nullif(s.whole, 0)), 0)
                     )::bigint ORDER BY e.writer_id) AS amounts
    FROM (SELECT writer_id, sum(amount_micros) AS amount FROM revenue_earning
          WHERE transaction_id = s.transaction_id AND reverses_id IS NULL
          GROUP BY writer_id) e
) earned
ORDER BY l.id, s.from_coin
"""


@dataclass(frozen=True, slots=True)
class Share:
    """A writer's part of what some coins released, USD micros, and the payout that paid it."""

    writer_id: str
    amount_micros: int
    payout_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Coins ``from_coin`` (included) to ``to_coin`` (excluded) of a lot, used in one transaction.

    Args:
        kind: Of ``LotUse.Kind``.
        shares: What the writers had of it then, though it may have been taken back since.
        moved_to: The lots its coins went on living in: returned, or given to another reader.
        moved_micros: What those lots were worth when they were made: all of it, or nothing.
    """

    kind: str
    from_coin: int
    to_coin: int
    value_micros: int
    transaction_id: UUID
    content_id: str | None
    occurred_at: datetime
    shares: tuple[Share, ...]
    moved_to: tuple[int, ...]
    moved_micros: int

    @property
    def is_earned(self) -> bool:
        """Whether writers and platform still have it."""
        return self.kind in (LotUse.Kind.SPEND, LotUse.Kind.TIP) and not self.moved_to

    @property
    def is_refunded(self) -> bool:
        """Whether we gave it back to the payer, as money."""
        return self.kind in (LotUse.Kind.REFUND, LotUse.Kind.REVERSAL) and not self.moved_to

    @property
    def writers_micros(self) -> int:
        """All writers' parts together."""
        return sum(share.amount_micros for share in self.shares)


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot and what became of its coins. ``parent_id`` is empty for what the payment filled."""

    lot_id: int
    parent_id: int | None
    origin: str
    user_id: str
    coins: int
    value_micros: int
    used: tuple[Use, ...]
    remaining_coins: int
    remaining_micros: int


@dataclass(frozen=True, slots=True)
class Lost:
    """What lost disputes of a purchase took, and from whom, USD micros; not those won after all.

    Args:
        unused_micros: Coins that nobody had used.
        writers_micros: Earnings taken back.
        platform_micros: Our loss.
        reader_micros: What the buyer owes us, or owed until another purchase settled it.
    """

    unused_micros: int = 0
    writers_micros: int = 0
    platform_micros: int = 0
    reader_micros: int = 0

    @property
    def value_micros(self) -> int:
        """What payers' banks took back, without tax."""
        spent = self.writers_micros + self.platform_micros + self.reader_micros
        return self.unused_micros + spent


@dataclass(frozen=True, slots=True)
class Totals:
    """Where the value of a purchase is now, USD micros.

    Args:
        writers_micros: What they earned and kept.
        sales_micros: Our part of sales, and what coins that expired were worth.
        debt_micros: What settled a debt that the reader had, and still has to.
        paid_back_micros: What we gave back to the payer.
    """

    writers_micros: int
    sales_micros: int
    debt_micros: int
    unspent_micros: int
    paid_back_micros: int
    lost: Lost

    @property
    def platform_micros(self) -> int:
        """What we have of it in the end: below zero where a dispute took more."""
        return (
            self.sales_micros
            + self.debt_micros
            - self.lost.platform_micros
            - self.lost.reader_micros
        )

    @property
    def refunded_micros(self) -> int:
        """What the payer has again: by refunds, and by disputes that were lost."""
        return self.paid_back_micros + self.lost.value_micros

    @property
    def sum_micros(self) -> int:
        """The value of the purchase; nothing before it settles."""
        parts = (self.writers_micros, self.platform_micros)
        return sum(parts) + self.unspent_micros + self.refunded_micros


@dataclass(frozen=True, slots=True)
class PurchaseTrace:
    """A purchase and everything its coins did. Without lots until it is settled.

    Args:
        debt_returned_micros: Of what it paid of a debt, what came back as coins.
    """

    purchase: Purchase
    lots: tuple[Lot, ...]
    lost: Lost = Lost()
    debt_returned_micros: int = 0

    @property
    def user_id(self) -> str:
        """Who paid."""
        return self.purchase.user_id

    @property
    def totals(self) -> Totals:
        """Each micro once: coins that moved on count where they are now."""
        uses = [use for lot in self.lots for use in lot.used]
        earned = sum(use.writers_micros for use in uses if use.is_earned)
        paid_back = sum(use.value_micros for use in uses if use.is_refunded)
        stayed = sum(use.value_micros - use.moved_micros for use in uses)
        is_settled = self.purchase.status == Purchase.Status.SUCCEEDED
        return Totals(
            writers_micros=earned - self.lost.writers_micros,
            # The platform has what nobody else has: its part of sales, and breakage.
            sales_micros=stayed - earned - paid_back - self.lost.unused_micros,
            debt_micros=self.purchase.debt_micros - self.debt_returned_micros if is_settled else 0,
            unspent_micros=sum(lot.remaining_micros for lot in self.lots),
            paid_back_micros=paid_back,
            lost=self.lost,
        )


def of_purchase(*, transaction_id: UUID) -> PurchaseTrace | None:
    """Where a purchase went, by its id or that of its gateway fee or refund, in two queries.

    Returns:
        ``None`` when the id is not of a purchase.
    """
    related = Transaction.objects.filter(pk=transaction_id).values("relates_to")
    found = Purchase.objects.filter(Q(pk=transaction_id) | Q(pk__in=Subquery(related)))
    purchase = found.select_related("package_version__package").first()
    if purchase is None:
        return None
    if purchase.status != Purchase.Status.SUCCEEDED:
        return PurchaseTrace(purchase, ())
    rows = rows_of(_TRACE, purchase=purchase.pk)
    return PurchaseTrace(purchase, tuple(_lots(rows)), _lost(rows), rows[0]["debt_returned"])


def rows_of(sql: str, **parameters: str | int | UUID | datetime) -> list[dict[str, Any]]:
    """The rows of a query, by the names of its columns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _lost(rows: Sequence[dict[str, Any]]) -> Lost:
    """Every row of ``_TRACE`` says it, and there is one at least."""
    row = rows[0]
    return Lost(
        unused_micros=row["lost_unused"],
        writers_micros=row["lost_writers"],
        platform_micros=row["lost_platform"],
        reader_micros=row["lost_reader"],
    )


def _lots(rows: Iterable[dict[str, Any]]) -> list[Lot]:
    """The lots of rows of ``_TRACE``: a row per use, and one of a lot that has none.

    A purchase whose whole value settled a debt has no lot.
    """
    by_lot = groupby((row for row in rows if row["lot_id"]), key=itemgetter("lot_id"))
    return [_lot(list(group)) for _, group in by_lot]


def _lot(rows: Sequence[dict[str, Any]]) -> Lot:
    row = rows[0]
    return Lot(
        lot_id=row["lot_id"],
        parent_id=row["parent_id"],
        origin=row["origin"],
        user_id=row["user_id"],
        coins=row["coins"],
        value_micros=row["lot_micros"],
        used=tuple(_use(row) for row in rows if row["transaction_id"]),
        remaining_coins=row["coins"] - row["next_coin"],
        remaining_micros=released_value(
            value_micros=row["lot_micros"],
            coins=row["coins"],
            from_coin=row["next_coin"],
            to_coin=row["coins"],
        ),
    )


def _use(row: dict[str, Any]) -> Use:
    parts = zip(row["writers"] or (), row["amounts"] or (), strict=True)
    return Use(
        kind=row["kind"],
        from_coin=row["from_coin"],
        to_coin=row["to_coin"],
        value_micros=row["value_micros"],
        transaction_id=row["transaction_id"],
        content_id=row["content_id"],
        occurred_at=row["occurred_at"],
        shares=tuple(Share(writer_id, amount) for writer_id, amount in parts),
        moved_to=tuple(row["moved_to"] or ()),
        moved_micros=row["moved_micros"],
    )
