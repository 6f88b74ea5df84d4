"""``manage.py export_journal``: the books as plain-text accounting."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from legato_payments.lib import arguments
from payments.queries import journal


class Command(BaseCommand):
    """Write the journal in hledger's form; ``hledger -f journal balance`` then adds it up."""

    help = "Export the books as a plain-text journal (hledger)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which days, and where to."""
        parser.add_argument(
            "--from", dest="since", type=arguments.day, help="First day, YYYY-MM-DD."
        )
        parser.add_argument(
            "--to", dest="until", type=arguments.day_after, help="Last day, included."
        )
        parser.add_argument("--output", type=Path, help="A file; standard output otherwise.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Stream it: a month can be larger than memory."""
        chunks = journal.hledger(since=options["since"], until=options["until"])
        if options["output"] is None:
            for chunk in chunks:
                self.stdout.write(chunk)
            return
        with options["output"].open("w", encoding="utf-8") as file:
            file.writelines(f"{chunk}\n" for chunk in chunks)
