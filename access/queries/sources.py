"""Who paid for a sale or a tip: each coin of it, up to the payment that brought it.

The other direction of ``trace``: a use of a lot, the lot's parents to the first one, and the
purchase that filled that. Coins nobody paid for end at the campaign or staff member that gave them.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, Subquery, Sum

from access.queries.trace import Share, rows_of
from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.models import Transaction
from revenue.models import Earning

SPENDS = (TransactionKind.CONTENT_PURCHASE, TransactionKind.TIP)

_SOURCES = """
WITH RECURSIVE up AS (
    SELECT u.id AS use_id, l.id, l.parent_id, l.origin, l.purchase_id
    FROM payments_lotuse u JOIN payments_coinlot l ON l.id = u.lot_id
    WHERE u.transaction_id = %(transaction)s
    UNION ALL
    SELECT up.use_id, l.id, l.parent_id, l.origin, l.purchase_id
    FROM up JOIN payments_coinlot l ON l.id = up.parent_id
)
SELECT u.lot_id, u.from_coin, u.to_coin, u.value_micros, w.user_id, root.id AS root_id,
       root.origin, p.id AS purchase_id, p.user_id AS payer_id, p.provider, p.currency, p.fx_rate,
       p.price_micros + p.tax_micros AS paid_micros
FROM payments_lotuse u
JOIN payments_coinlot l ON l.id = u.lot_id
JOIN payments_coinbalance w ON w.id = l.wallet_id
JOIN up root ON root.use_id = u.id AND root.parent_id IS NULL
LEFT JOIN payments_purchase p ON p.id = root.purchase_id
ORDER BY u.lot_id, u.from_coin
"""


@dataclass(frozen=True, slots=True)
class Payment:
    """A settled purchase of coins. ``paid`` is all of it, tax included; ``rate`` is per USD."""

    purchase_id: UUID
    payer_id: str
    paid: Money
    rate: Decimal | None
    gateway: str


@dataclass(frozen=True, slots=True)
class Source:
    """Coins of one lot that a transaction used, and where that lot came from in the end.

    Args:
        root_lot_id: The lot that the payment or the gift filled; ``lot_id`` itself, or the first
            of its parents.
        origin: Of that first lot, a ``LotOrigin``.
        payment: Nothing when nobody paid for the coins.
    """

    lot_id: int
    from_coin: int
    to_coin: int
    value_micros: int
    root_lot_id: int
    origin: str
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class SpendTrace:
    """A sale or a tip, who earned from it and whose payments it came from.

    Args:
        shares: What the writers had of it, though it may have been taken back since.
    """

    transaction: Transaction
    user_id: str
    is_reversed: bool
    shares: tuple[Share, ...]
    sources: tuple[Source, ...]

    @property
    def coins(self) -> int:
        """All coins of it."""
        return sum(source.to_coin - source.from_coin for source in self.sources)

    @property
    def value_micros(self) -> int:
        """USD micros the coins released."""
        return sum(source.value_micros for source in self.sources)

    @property
    def platform_micros(self) -> int:
        """Our part."""
        return self.value_micros - sum(share.amount_micros for share in self.shares)


def of_spend(*, transaction_id: UUID) -> SpendTrace | None:
    """What paid for a sale or a tip, by its id or that of its reversal, in three queries.

    Returns:
        ``None`` when the id is of anything else.
    """
    reversed_id = Transaction.objects.filter(pk=transaction_id).values("reverses")
    found = Transaction.objects.filter(Q(pk=transaction_id) | Q(pk__in=Subquery(reversed_id)))
    spend = found.filter(kind__in=SPENDS).select_related("reversed_by").first()
    if spend is None:
        return None
    rows = rows_of(_SOURCES, transaction=spend.pk)
    return SpendTrace(
        transaction=spend,
        user_id=rows[0]["user_id"],
        is_reversed=hasattr(spend, "reversed_by"),
        shares=_shares(spend),
        sources=tuple(_source(row) for row in rows),
    )


def _shares(spend: Transaction) -> tuple[Share, ...]:
    rows = (
        Earning.objects.filter(transaction=spend)
        .values("writer_id")
        .annotate(amount=Sum("amount_micros"))
        .order_by("writer_id")
    )
    return tuple(Share(row["writer_id"], row["amount"]) for row in rows)


def _source(row: dict[str, Any]) -> Source:
    payment = None
    if row["purchase_id"]:
        payment = Payment(
            purchase_id=row["purchase_id"],
            payer_id=row["payer_id"],
            paid=Money(row["paid_micros"], row["currency"]),
            rate=row["fx_rate"],
            gateway=row["provider"].lower(),
        )
    return Source(
        lot_id=row["lot_id"],
        from_coin=row["from_coin"],
        to_coin=row["to_coin"],
        value_micros=row["value_micros"],
        root_lot_id=row["root_id"],
        origin=row["origin"],
        payment=payment,
    )
