"""Transfers of the sandbox's balance to our bank."""

from datetime import datetime, timedelta
from uuid import uuid4

from django.db.models import F, Sum
from django.db.transaction import atomic

from payments.models import SandboxLine, SandboxSettlement

Status = SandboxSettlement.Status

DELAY = timedelta(days=2)
"""How long money stays at the sandbox before it is paid out."""


@atomic
def make(*, now: datetime) -> list[SandboxSettlement]:
    """Pay out what is old enough, a transfer per currency; none where nothing is left for us."""
    made = []
    ready = SandboxLine.objects.filter(settlement=None, occurred_at__lte=now - DELAY)
    totals = ready.values("currency").annotate(net=Sum(F("gross_minor") - F("fee_minor")))
    for row in totals.order_by("currency"):
        if row["net"] <= 0:
            continue
        settlement = SandboxSettlement.objects.create(
            id=f"sbs_{uuid4().hex}",
            amount_minor=row["net"],
            currency=row["currency"],
            status=Status.PAID,
            created_at=now,
            arrives_on=now.date(),
        )
        ready.filter(currency=row["currency"]).update(settlement=settlement)
        made.append(settlement)
    return made
