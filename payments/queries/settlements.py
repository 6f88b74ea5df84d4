"""Settlements and lines of bank statements, as finance looks at them."""

from datetime import date, timedelta

from django.db.models import QuerySet

from payments.models import BankReceipt, Settlement

OVERDUE = timedelta(days=5)
"""How long after the promised day a bank may still be booking."""


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


def to_look_at(*, on: date) -> int:
    """How many settlements the bank does not have, or differ from their own lines."""
    late = overdue(on=on).values("pk").union(Settlement.objects.with_other_lines().values("pk"))
    return late.count()


def open_lines(*, since: date | None = None, until: date | None = None) -> QuerySet[BankReceipt]:
    """Lines of statements that nobody has placed, of the same days, oldest first."""
    found = BankReceipt.objects.open().select_related("statement").defer("statement__content")
    if since:
        found = found.filter(booked_on__gte=since)
    if until:
        found = found.filter(booked_on__lt=until)
    return found.order_by("booked_on", "pk")


def open_receipts() -> int:
    """How many lines of statements nobody knows a settlement or a reason for."""
    return BankReceipt.objects.open().count()
