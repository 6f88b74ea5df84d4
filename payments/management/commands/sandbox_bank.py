"""Plays the payer's bank at the sandbox: disputes a payment, decides, refuses a refund."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib import clock
from payments.gateways.sandbox import disputes, refunds
from payments.management.commands.sandbox_pay import find
from payments.models import SandboxCharge, SandboxDispute


def _dispute(charge: SandboxCharge) -> str:
    if charge.status != SandboxCharge.Status.SUCCEEDED:
        raise CommandError(f"{charge.reference} is not paid.")
    return str(disputes.open_one(charge_id=charge.pk, now=clock.now()))


def _decide(charge: SandboxCharge, move: Callable[[str], SandboxDispute]) -> str:
    dispute = charge.disputes.order_by("-opened_at").first()
    if dispute is None:
        raise CommandError(f"Nobody disputes {charge.reference}.")
    return str(move(dispute.pk))


def _refuse_refund(charge: SandboxCharge) -> str:
    refund = charge.refunds.order_by("-created_at").first()
    if refund is None:
        raise CommandError(f"Nothing of {charge.reference} was paid back.")
    return str(refunds.fail(refund_id=refund.pk, now=clock.now()))


ACTIONS: Mapping[str, Callable[[SandboxCharge], str]] = {
    "dispute": _dispute,
    "win": lambda c: _decide(c, lambda pk: disputes.win(dispute_id=pk, now=clock.now())),
    "withdraw": lambda c: _decide(
        c, lambda pk: disputes.win(dispute_id=pk, now=clock.now(), is_withdrawn=True)
    ),
    "lose": lambda c: _decide(c, lambda pk: disputes.lose(dispute_id=pk, now=clock.now())),
    "refuse-refund": _refuse_refund,
}


class Command(BaseCommand):
    help = "Do what a payer's bank does about a payment at the sandbox. Refused when it is off."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("payment", help="its reference, or the transaction_id of the purchase")
        parser.add_argument("action", choices=list(ACTIONS))

    def handle(self, *args: Any, payment: str, action: str, **options: Any) -> None:
        """Print how the dispute or refund stands then; exit code 1 when there is none."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("The sandbox is off here: GATEWAY_SANDBOX is not set.")
        self.stdout.write(ACTIONS[action](find(payment)))
