"""Our own bank, where the sandbox's transfers arrive: its statements, in the CSV form we import."""

import csv
import io
from datetime import date

from django.db.models import QuerySet

from legato_payments.lib.money import Money
from payments.gateways.bank import csv_file
from payments.models import SandboxSettlement

Status = SandboxSettlement.Status


def currencies(*, since: date, until: date) -> list[str]:
    """In which currencies money arrived from the day ``since`` on and before ``until``."""
    arrived = _arrived(since, until).order_by("currency")
    return list(arrived.values_list("currency", flat=True).distinct())


def statement(*, currency: str, since: date, until: date) -> bytes:
    """What arrived in a currency from the day ``since`` on and before ``until``; see ``csv_file``.

    A transfer that the bank refused is not in it: no money moved there.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(csv_file.COLUMNS)
    for transfer in _arrived(since, until).filter(currency=currency).order_by("arrives_on", "pk"):
        amount = Money.from_minor(transfer.amount_minor, currency)
        writer.writerow(
            [transfer.arrives_on, amount.to_json()["amount"], currency, transfer.pk, "SANDBOX"]
        )
    return file.getvalue().encode()


def _arrived(since: date, until: date) -> QuerySet[SandboxSettlement]:
    return SandboxSettlement.objects.filter(
        status=Status.PAID, arrives_on__gte=since, arrives_on__lt=until
    )
