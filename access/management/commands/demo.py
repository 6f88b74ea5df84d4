"""``manage.py demo``: three believable months, sealed, verified and closed."""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from access.management.months import Months
from legato_payments.lib import clock
from payments.ledger import invariants, sealing
from payments.models import Transaction
from payments.services import events, periods

CLOSING_TRIES = 60


class Command(BaseCommand):
    """Months of readers, writers, refunds, gifts and expiries, through the services."""

    help = "Fill an empty local stack with months of demo data; seals, verifies and closes them."

    def add_arguments(self, parser: CommandParser) -> None:
        """How large a platform."""
        parser.add_argument("--months", type=int, default=3, help="Whole months before this one.")
        parser.add_argument("--readers", type=int, default=200, help="How many readers.")
        parser.add_argument("--writers", type=int, default=24, help="How many writers.")
        parser.add_argument("--seed", type=int, default=7, help="The same seed, the same story.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Live through them; exit 1 when the books do not add up."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("demo makes up readers: only where GATEWAY_SANDBOX is on.")
        if Transaction.objects.exists():
            raise CommandError("There are books already: demo starts on an empty stack.")
        with connection.cursor() as cursor:
            # Made up anyway: what a crash would cost is a new run.
            cursor.execute("SET synchronous_commit TO off")
        now = clock.now()
        first = _months_before(now.date(), options["months"])
        start = datetime(first.year, first.month, 1, tzinfo=UTC)
        end = datetime(now.year, now.month, 1, tzinfo=UTC)
        months = Months(
            start=start,
            days=(end - start).days,
            readers=options["readers"],
            writers=options["writers"],
            seed=options["seed"],
        )
        for day in months.live():
            sealing.seal_all(now=day + timedelta(days=1))
            if (day + timedelta(days=1)).day == 1:
                self._close(day.date())
        events.publish(now=now)
        sealing.seal_audit(now=now)
        self._verify(months)

    def _close(self, day: date) -> None:
        month = day.replace(day=1)
        now = clock.now()
        periods.begin_closing(month=month, actor="system:demo", now=now)
        for _ in range(CLOSING_TRIES):
            try:
                period = periods.finish_closing(month=month, actor="system:demo", now=now)
                break
            except periods.StillMoving:
                time.sleep(0.5)
        else:
            raise CommandError(f"{month:%Y-%m} cannot be closed: something holds a transaction.")
        self.stderr.write(f"{period} closed at seal {period.last_sequence}")

    def _verify(self, months: Months) -> None:
        found = list(invariants.discrepancies())
        for discrepancy in found:
            self.stdout.write(f"{discrepancy.check} {discrepancy.place}: {discrepancy.problem}")
        verdict = f"{len(found)} discrepancies" if found else "everything adds up"
        self.stdout.write(f"{months.days} days: {months.tally}; {verdict}.")
        if found:
            sys.exit(1)


def _months_before(day: date, count: int) -> date:
    first = day.replace(day=1)
    for _ in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
    return first
