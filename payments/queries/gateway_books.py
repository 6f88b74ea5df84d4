"""What our books say of the money that a gateway holds for us, posting by posting."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from payments.enums import GATEWAY_KINDS, TransactionKind
from payments.models import Entry

FEES = frozenset({TransactionKind.GATEWAY_FEE, TransactionKind.DISPUTE_FEE})
"""Kinds whose line is what the gateway kept."""

SETTLEMENTS = frozenset({TransactionKind.SETTLEMENT, TransactionKind.SETTLEMENT_RETURNED})
"""Transfers to the bank, which ``services.settlements`` follows."""

AT_ONCE = 100
"""Ids asked for in one query. In a longer list PostgreSQL does not see that none of them is empty,
and reads the whole table beside an index that leaves the empty ones out (``MAX_SAOP_ARRAY_SIZE``).
"""


class Source(NamedTuple):
    """What caused a posting: the kind of object and its id."""

    type: str
    id: str


class Posting(NamedTuple):
    """One line on a gateway's account, micros; above zero when our balance there grew."""

    source: Source
    transaction_id: UUID
    kind: TransactionKind
    currency: str
    micros: int

    @property
    def is_fee(self) -> bool:
        """Whether it is what the gateway kept, or gave back of it."""
        return self.kind in FEES


def of_time(*, provider: str, start: datetime, end: datetime) -> list[Posting]:
    """What occurred from ``start`` to before ``end``; transfers to the bank are left out."""
    found = _entries(provider).filter(
        transaction__occurred_at__gte=start,
        transaction__occurred_at__lt=end,
        transaction__kind__in=GATEWAY_KINDS,
    )
    return list(_postings(found.exclude(transaction__kind__in=SETTLEMENTS)))


def of_sources(*, provider: str, sources: Collection[Source]) -> dict[Source, list[Posting]]:
    """Everything that was ever posted because of some objects."""
    found: dict[Source, list[Posting]] = {source: [] for source in sources}
    for some in batched(sorted(sources), AT_ONCE, strict=False):
        by_type: dict[str, list[str]] = {}
        for source in some:
            by_type.setdefault(source.type, []).append(source.id)
        wanted = Q(pk__in=[])
        for kind, ids in by_type.items():
            wanted |= Q(transaction__source_type=kind, transaction__source_id__in=ids)
        for posting in _postings(_entries(provider).filter(wanted)):
            found[posting.source].append(posting)
    return found


def net(postings: Iterable[Posting], currency: str) -> int:
    """What they come to in one currency, micros."""
    return sum(posting.micros for posting in postings if posting.currency == currency)


def gross(postings: Iterable[Posting], currency: str) -> int:
    """The same without what the gateway kept."""
    return sum(p.micros for p in postings if p.currency == currency and not p.is_fee)


def fees(postings: Iterable[Posting], currency: str) -> int:
    """What the gateway kept, above zero."""
    return -sum(p.micros for p in postings if p.currency == currency and p.is_fee)


def _entries(provider: str) -> QuerySet[Entry]:
    return Entry.objects.filter(account__code=f"gateway:{provider.lower()}").order_by(
        "transaction_id", "line"
    )


def _postings(found: QuerySet[Entry]) -> Iterator[Posting]:
    rows = found.values_list(
        "transaction__source_type",
        "transaction__source_id",
        "transaction_id",
        "transaction__kind",
        "unit",
        "amount",
    )
    for kind, source_id, transaction_id, transaction_kind, unit, amount in rows:
        yield Posting(
            Source(kind, source_id),
            transaction_id,
            TransactionKind(transaction_kind),
            unit,
            amount,
        )
