"""Prints what our bank would say of the sandbox's transfers, for walkthroughs without a bank."""

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib import arguments, clock
from payments.enums import Currency
from payments.gateways.sandbox import bank

MONTH = timedelta(days=31)
"""How far back a statement goes unless told."""


class Command(BaseCommand):
    help = (
        "Print a statement in CSV of what the sandbox transferred to our bank in a currency, as "
        "import_bank_statement reads it. Refused when the sandbox is off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("currency", choices=Currency.values)
        parser.add_argument(
            "--from", dest="since", type=arguments.day, help="First day; a month back if not given."
        )
        parser.add_argument(
            "--to", dest="until", type=arguments.day_after, help="Last day, included; or today."
        )

    def handle(
        self, *args: Any, currency: str, since: date | None, until: date | None, **options: Any
    ) -> None:
        """Print it; exit code 1 when nothing arrived in these days."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("The sandbox is off here: GATEWAY_SANDBOX is not set.")
        until = until or clock.now().date() + timedelta(days=1)
        since = since or until - MONTH
        if since >= until:
            raise CommandError("--from is after --to.", returncode=2)
        if currency not in bank.currencies(since=since, until=until):
            raise CommandError(f"No {currency} arrived in these days.")
        text = bank.statement(currency=currency, since=since, until=until).decode()
        self.stdout.write(text, ending="")
