"""``manage.py close_period``: close an accounting month for good."""

import time
from datetime import date
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from legato_payments.lib import clock
from legato_payments.lib.errors import DomainError
from payments.services import periods

TRIES = 30


class Command(BaseCommand):
    """Close one month: late events go to the next one from then on."""

    help = "Close an accounting month for good, once everything in it is sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which month, and who answers for it."""
        parser.add_argument("month", help="YYYY-MM.")
        parser.add_argument("--staff", required=True, help="Username of the person responsible.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Close it, waiting up to half a minute for what is under way."""
        try:
            month = date.fromisoformat(f"{options['month']}-01")
        except ValueError as error:
            raise CommandError("The month must be YYYY-MM.", returncode=2) from error
        person = (
            get_user_model()
            .objects.filter(username=options["staff"], is_staff=True, is_active=True)
            .first()
        )
        if person is None:
            raise CommandError(f"{options['staff']} is not an active member of staff.")
        try:
            period = self._close(month, f"staff:{person.pk}")
        except DomainError as error:
            raise CommandError(str(error)) from error
        root = bytes(period.sealed_root or b"").hex()
        self.stdout.write(f"{period} closed at seal {period.last_sequence}, {root}")

    def _close(self, month: date, actor: str) -> Any:
        periods.begin_closing(month=month, actor=actor, now=clock.now())
        for _ in range(TRIES):
            try:
                return periods.finish_closing(month=month, actor=actor, now=clock.now())
            except periods.StillMoving:
                time.sleep(1)
        return periods.finish_closing(month=month, actor=actor, now=clock.now())
