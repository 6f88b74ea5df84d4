"""Transfers of the sandbox's balance to our bank."""

from datetime import datetime, timedelta
from uuid import uuid4

from django.db.models import F, Sum
from django.db.transaction import atomic

from payments.gateways.values import LineKind
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


@atomic
def fail(*, settlement_id: str, now: datetime) -> SandboxSettlement:
    """The bank refuses a transfer, perhaps after it was paid: the money is in the balance again."""
    settlement = SandboxSettlement.objects.select_for_update().get(pk=settlement_id)
    if settlement.status == Status.FAILED:
        return settlement
    settlement.status = Status.FAILED
    settlement.save(update_fields=["status"])
    SandboxLine.objects.create(
        kind=LineKind.SETTLEMENT_FAILURE,
        source_id=settlement.pk,
        gross_minor=settlement.amount_minor,
        currency=settlement.currency,
        occurred_at=now,
    )
    return settlement
