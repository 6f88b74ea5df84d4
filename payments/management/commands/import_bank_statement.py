"""``manage.py import_bank_statement``: take a file of the bank."""

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from legato_payments.lib import clock
from legato_payments.lib.errors import DomainError
from payments.models import BankStatement
from payments.services import bank_statements

FORMS = {"csv": BankStatement.Form.CSV, "camt.053": BankStatement.Form.CAMT_053}


class Command(BaseCommand):
    """All lines of a file or none; what fits a settlement is matched at once."""

    help = (
        "Import a statement of the bank, CSV or camt.053, and match its lines with settlements. "
        "Exit code 1 when the file is refused, and nothing is imported; 2 when there is no file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file, and what it does not say itself."""
        parser.add_argument("file", type=Path, help="The file as it came from the bank.")
        parser.add_argument("--format", choices=FORMS, help="By the file itself unless given.")
        parser.add_argument(
            "--account", default="", help="Which account it is, where the file does not say."
        )
        parser.add_argument("--staff", default="", help="Username of whoever imports it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import it and say what became of it, or why not."""
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                # One byte too many is enough to refuse it.
                content = file.read(bank_statements.MAX_BYTES + 1)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=2) from error
        try:
            done = bank_statements.import_file(
                content=content,
                name=path.name,
                form=FORMS.get(options["format"], ""),
                account=options["account"],
                actor=_actor(options["staff"]),
                now=clock.now(),
            )
        except DomainError as error:
            raise CommandError(f"{path}: {error}", returncode=1) from error
        for number, earlier in done.duplicates.items():
            self.stdout.write(
                f"already here  line {number}, as line {earlier.line} of {earlier.statement.name}"
            )
        for receipt in done.matched:
            self.stdout.write(f"matched       {receipt.reference} with {receipt.settlement}")
        self.stdout.write(
            f"Lines: {done.statement.line_count}, new: {len(done.receipts)}, "
            f"matched: {len(done.matched)} (SHA-256 {done.statement.sha256})."
        )


def _actor(username: str) -> str:
    if not username:
        return "system:import-bank-statement"
    person = get_user_model().objects.filter(username=username, is_staff=True, is_active=True)
    if not (found := person.first()):
        raise CommandError(f"{username} is not an active member of staff.", returncode=2)
    return f"staff:{found.pk}"
