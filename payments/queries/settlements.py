"""Settlements and lines of bank statements, as finance looks at them."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import QuerySet

from payments.models import BankReceipt, Settlement

OVERDUE = timedelta(days=5)
"""How long after the promised day a bank may still be booking."""


@dataclass(frozen=True, slots=True)
class ToLookAt:
    """Settlements that the bank should have, and those that differ from their own lines."""

    overdue: int
    differing: int


def listed(
    *, provider: str = "", since: date | None = None, until: date | None = None
) -> QuerySet[Settlement]:
    """Settlements made from the day ``since`` on and before ``until``, oldest first."""
    found = Settlement.objects.at_the_bank()
    if provider:
        found = found.filter(provider=provider)
    if since:
        found = found.filter(created_at__date__gte=since)
    if until:
        found = found.filter(created_at__date__lt=until)
    return found.order_by("created_at", "pk")


def overdue(*, on: date) -> QuerySet[Settlement]:
    """What the gateway says moved, and no statement shows although it should by now."""
    return Settlement.objects.not_at_the_bank(promised_before=on - OVERDUE)


def is_overdue(settlement: Settlement, *, on: date) -> bool:
    """The same of one settlement of ``objects.at_the_bank()``."""
    if settlement.arrives_on >= on - OVERDUE:
        return False
    if settlement.status == Settlement.Status.RETURNED:
        return settlement.has_arrived and not settlement.has_come_back
    return settlement.status == Settlement.Status.PAID and not settlement.has_arrived


def to_look_at(*, on: date) -> ToLookAt:
    """What stands out on a day."""
    return ToLookAt(overdue(on=on).count(), Settlement.objects.with_other_lines().count())


def open_lines(*, since: date | None = None, until: date | None = None) -> QuerySet[BankReceipt]:
    """Lines of statements that nobody has placed, of the same days, oldest first."""
    found = BankReceipt.objects.open().select_related("statement").defer("statement__content")
    if since:
        found = found.filter(booked_on__gte=since)
    if until:
        found = found.filter(booked_on__lt=until)
    return found.order_by("booked_on", "pk")
