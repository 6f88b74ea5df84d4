"""Figures of the landing page."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Sum

from revenue.models import Earning


@dataclass(frozen=True, slots=True)
class Owed:
    """What all writers together are owed, USD micros."""

    pending_micros: int
    available_micros: int


def owed(*, now: datetime) -> Owed:
    """Earnings that can still be taken back, and those that count for a payout."""
    sums = Earning.objects.aggregate(
        pending=Sum("amount_micros", filter=Q(matures_at__gt=now), default=0),
        available=Sum("amount_micros", filter=Q(matures_at__lte=now), default=0),
    )
    return Owed(sums["pending"], sums["available"])
