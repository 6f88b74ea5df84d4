"""Looking at differences from gateways: whom they belong to, and what may make up for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from payments.models import Difference, Purchase

NEAR = timedelta(days=7)
"""How far apart two sides of one thing may be noticed."""

MOST = 5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that may be the other side of a difference."""

    row: Difference | Purchase
    why: str

    @property
    def key(self) -> str:
        """As it is typed to match with it."""
        kind = "" if isinstance(self.row, Difference) else "purchase:"
        return f"{kind}{self.row.pk}"


def suggestions(row: Difference) -> Iterator[Suggestion]:
    """What may make up for an open difference: others first, then purchases of that amount."""
    if row.gap_micros is None or row.status != Difference.Status.OPEN:
        return
    others = Difference.objects.open().filter(
        provider=row.provider,
        currency=row.currency,
        gap_micros=-row.gap_micros,
        day__gte=row.day - NEAR,
        day__lte=row.day + NEAR,
    )
    for other in others.exclude(pk=row.pk).order_by("day", "pk")[:MOST]:
        yield Suggestion(other, "the same amount, the other way round")
    if row.subject == Difference.Subject.CHARGE and row.kind == Difference.Kind.MISSING_HERE:
        yield from _purchases(row)


def _purchases(row: Difference) -> Iterator[Suggestion]:
    reader = (row.theirs or {}).get("reader", "")
    found = Purchase.objects.filter(
        provider=row.provider,
        currency=row.currency,
        created_at__date__gte=row.day - timedelta(days=1),
        created_at__date__lte=row.day,
    ).exclude(status=Purchase.Status.SUCCEEDED)
    found = found.filter(user_id=reader) if reader else found
    for purchase in found.order_by("-pk")[:MOST]:
        yield Suggestion(purchase, "not settled, of about the same time")
