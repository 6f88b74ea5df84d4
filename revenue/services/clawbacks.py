"""Earnings that a lost dispute takes back, and gives back when it is won after all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, Sum

from revenue.models import Earning


@dataclass(frozen=True, slots=True)
class Claim:
    """An earning that coins of a disputed purchase paid, and how much of it is left to take.

    Args:
        left_micros: The earning less what was reversed or clawed back before.
    """

    earning: Earning
    left_micros: int

    def is_mature(self, now: datetime) -> bool:
        """Whether the writer may have been paid already: then it is not taken back."""
        return self.earning.matures_at <= now


@dataclass(frozen=True, slots=True)
class Part:
    """USD micros to be taken back from one earning."""

    earning: Earning
    amount_micros: int


def claims_on(*, transaction_ids: Iterable[UUID]) -> dict[UUID, list[Claim]]:
    """The earnings of some sales and tips, by transaction; those that are gone are left out."""
    found: dict[UUID, list[Claim]] = {}
    rows = Earning.objects.filter(transaction__in=list(transaction_ids), reverses__isnull=True)
    gone = _taken_before([row.pk for row in rows])
    for row in rows.order_by("id"):
        left = row.amount_micros - gone.get(row.pk, 0)
        if left > 0:
            found.setdefault(row.transaction_id, []).append(Claim(row, left))
    return found


def claw_back(
    *, parts: Sequence[Part], transaction_id: UUID, occurred_at: datetime
) -> list[Earning]:
    """Write down what a lost dispute takes from each earning, with the maturity it had."""
    return Earning.objects.bulk_create(
        _row(
            part.earning, -part.amount_micros, transaction_id, occurred_at, claws_back=part.earning
        )
        for part in parts
        if part.amount_micros
    )


def give_back(
    *, lost_transaction_id: UUID, transaction_id: UUID, occurred_at: datetime
) -> list[Earning]:
    """Write down that everything which a lost dispute took is the writers' again."""
    taken = Earning.objects.filter(transaction=lost_transaction_id, claws_back__isnull=False)
    return Earning.objects.bulk_create(
        _row(row, -row.amount_micros, transaction_id, occurred_at, gives_back=row)
        for row in taken.order_by("id")
    )


def _taken_before(earning_ids: Sequence[int]) -> Mapping[int, int]:
    rows = Earning.objects.filter(
        Q(claws_back__in=earning_ids) | Q(reverses__in=earning_ids)
    ).values_list("claws_back", "reverses", "amount_micros", "pk")
    back = dict(
        Earning.objects.filter(gives_back__in=[row[3] for row in rows])
        .values_list("gives_back")
        .annotate(total=Sum("amount_micros"))
    )
    gone: dict[int, int] = {}
    for clawed, reversed_, amount, pk in rows:
        earning_id = clawed or reversed_
        assert earning_id is not None, pk
        gone[earning_id] = gone.get(earning_id, 0) - amount - back.get(pk, 0)
    return gone


def _row(
    like: Earning,
    amount_micros: int,
    transaction_id: UUID,
    occurred_at: datetime,
    **link: Earning,
) -> Earning:
    return Earning(
        transaction_id=transaction_id,
        writer_id=like.writer_id,
        stream=like.stream,
        content_id=like.content_id,
        amount_micros=amount_micros,
        rule_id=like.rule_id,
        rate_bps=like.rate_bps,
        share_bps=like.share_bps,
        reader_country=like.reader_country,
        occurred_at=occurred_at,
        matures_at=like.matures_at,
        **link,
    )
