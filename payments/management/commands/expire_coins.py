"""``manage.py expire_coins``: take the coins that were not used in time."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from payments.services import expiry


class Command(BaseCommand):
    """The nightly sweep, by hand."""

    help = "Take expired promotional coins out of the wallets, as the nightly job does."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to only look."""
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be taken.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep until nothing is due, and print what it came to."""
        now = clock.now()
        if options["dry_run"]:
            self._print("would expire", expiry.preview(now=now))
            return
        while True:
            swept = expiry.sweep(now=now)
            self._print("expired", swept)
            if swept.is_done:
                return

    def _print(self, words: str, swept: expiry.Swept) -> None:
        value = Money(swept.value_micros, BOOK_CURRENCY)
        self.stdout.write(
            f"{words}  {swept.coins} coins of {swept.lots} lots in {swept.wallets} wallets,"
            f" worth {value.amount()} {BOOK_CURRENCY}"
        )
