"""Plays the reader on the sandbox's payment page, for walkthroughs without a browser."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib import clock
from payments.gateways.sandbox import books
from payments.gateways.sandbox.books import Decision
from payments.models import Purchase, SandboxCharge


class Command(BaseCommand):
    help = (
        "Do what a button of /sandbox/checkout does. After authenticate, the payment waits for "
        "pay (the reader confirms) or decline (refuses). Refused when the sandbox is off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("payment", help="its reference, or the transaction_id of the purchase")
        parser.add_argument(
            "--outcome", choices=[str(decision) for decision in Decision], default=Decision.PAY
        )

    def handle(self, *args: Any, payment: str, outcome: str, **options: Any) -> None:
        """Print how the payment stands then; exit code 1 when there is none to decide on."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("The sandbox is off here: GATEWAY_SANDBOX is not set.")
        charge = find(payment)
        if charge.status not in books.UNPAID:
            raise CommandError(f"{charge.reference} is closed: {charge.status.lower()}.")
        charge = books.decide(charge_id=charge.pk, decision=Decision(outcome), now=clock.now())
        self.stdout.write(f"{charge.reference} {charge.status.lower()}")


def find(payment: str) -> SandboxCharge:
    """The payment with a reference, or of a purchase."""
    references = [payment]
    try:
        purchases = Purchase.objects.filter(pk=UUID(payment))
    except ValueError:
        pass  # no id, so it is a reference
    else:
        references += purchases.values_list("reference", flat=True)
    charge = SandboxCharge.objects.filter(reference__in=references).first()
    if charge is None:
        raise CommandError(f"The sandbox has no payment {payment}.")
    return charge
