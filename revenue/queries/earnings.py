"""What a writer earned, in groups and in all."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import TruncMonth

from payments.enums import Stream, TransactionKind
from payments.models import Transaction
from revenue.models import Earning


class GroupBy(StrEnum):
    """How earnings can be grouped."""

    STREAM = "stream"
    CONTENT = "content"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Group:
    """The earnings under one key, USD micros."""

    key: str
    amount_micros: int
    coins: int
    promo_coins: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Earnings:
    """A writer's earnings. Totals are of all time; the groups are of the span asked for."""

    writer_id: str
    pending_micros: int
    available_micros: int
    reserved_micros: int
    paid_micros: int
    groups: list[Group]

    @property
    def is_estimated(self) -> bool:
        """Pending earnings can still be taken back."""
        return self.pending_micros != 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """One sale and its parts; the platform has what the writers have not."""

    transaction_id: UUID
    stream: Stream
    value_micros: int
    earnings: list[Earning]

    @property
    def platform_micros(self) -> int:
        """Our part."""
        return self.value_micros - sum(earning.amount_micros for earning in self.earnings)


def of_writer(
    *,
    writer_id: str,
    group_by: GroupBy,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Earnings:
    """A writer's earnings.

    Args:
        since: Only groups of earnings at or after this time.
        until: Only groups of earnings before this time.
    """
    mine = Earning.objects.filter(writer_id=writer_id)
    totals = mine.aggregate(
        pending=Sum("amount_micros", filter=Q(matures_at__gt=now), default=0),
        available=Sum("amount_micros", filter=Q(matures_at__lte=now), default=0),
    )
    if since:
        mine = mine.filter(occurred_at__gte=since)
    if until:
        mine = mine.filter(occurred_at__lt=until)
    return Earnings(
        writer_id=writer_id,
        pending_micros=totals["pending"],
        available_micros=totals["available"],
        # Nothing is reserved or paid before payouts exist: no row says so.
        reserved_micros=0,
        paid_micros=0,
        groups=_grouped(mine, group_by),
    )


def distribution(*, transaction_id: UUID) -> Distribution | None:
    """Who got what of one sale of content; ``None`` when the transaction is no such sale."""
    transaction = Transaction.objects.filter(
        pk=transaction_id, kind=TransactionKind.CONTENT_PURCHASE
    ).first()
    if transaction is None:
        return None
    released = transaction.entries.filter(account__code="coins_deferred")
    return Distribution(
        transaction_id=transaction_id,
        stream=Stream.CONTENT,
        value_micros=released.aggregate(value=Sum("amount", default=0))["value"],
        earnings=list(Earning.objects.filter(transaction=transaction).order_by("writer_id")),
    )


def _grouped(earnings: QuerySet[Earning], group_by: GroupBy) -> list[Group]:
    keys: dict[GroupBy, Combinable] = {
        GroupBy.STREAM: F("stream"),
        GroupBy.CONTENT: F("content_id"),
        GroupBy.MONTH: TruncMonth("occurred_at"),
    }
    rows = (
        earnings.values(key=keys[group_by])
        .annotate(
            amount=Sum("amount_micros"),
            all_coins=Sum("coins"),
            all_promo=Sum("promo_coins"),
            number=Count("transaction", distinct=True),
        )
        .order_by("key")
    )
    return [
        Group(_key(row["key"]), row["amount"], row["all_coins"], row["all_promo"], row["number"])
        for row in rows
    ]


def _key(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m}"
    return value.lower() if value in Stream.values else str(value)
