"""Lets time pass at the sandbox, for walkthroughs of what takes days at a real gateway."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib import clock
from payments.gateways.sandbox import disputes, refunds, settlements


class Command(BaseCommand):
    help = (
        "What would happen at the sandbox in so many days: refunds that wait for a bank end, "
        "disputes that nobody answered in time are lost, and our balance goes to the bank."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=1, help="how many days from now")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        """Print what happened."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("The sandbox is off here: GATEWAY_SANDBOX is not set.")
        if days < 0:
            raise CommandError("Time does not go back: --days is 0 or more.", returncode=2)
        now = clock.now() + timedelta(days=days)
        ended, lost = refunds.advance(now=now), disputes.advance(now=now)
        made = settlements.make(now=now)
        self.stdout.write(
            f"{ended} refunds ended, {lost} disputes lost, {len(made)} transfers to the bank"
        )
