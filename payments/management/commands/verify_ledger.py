"""``manage.py verify_ledger``: does everything add up?"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments.ledger import invariants, sealing


class Command(BaseCommand):
    """Walk the chain, the sums, balances, lots and positions; name every place that is wrong."""

    help = "Check the books: chain, sums, balances, lots, positions, months. Exit 1 on any finding."

    def add_arguments(self, parser: CommandParser) -> None:
        """In which form."""
        parser.add_argument(
            "--format",
            choices=["table", "json"],
            default="table",
            help="A line per finding, or one JSON document.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings; exit 1 when there are any."""
        found = list(invariants.discrepancies())
        head = sealing.head()
        if options["format"] == "json":
            self.stdout.write(
                json.dumps(
                    {
                        "checks": list(invariants.checks()),
                        "discrepancies": [
                            {"check": d.check, "place": d.place, "problem": d.problem}
                            for d in found
                        ],
                        "sequence": head.sequence if head else 0,
                        "hash": bytes(head.hash).hex() if head else None,
                    }
                )
            )
        else:
            for discrepancy in found:
                self.stdout.write(
                    f"{discrepancy.check:<15} {discrepancy.place}: {discrepancy.problem}"
                )
            position = f"seal {head.sequence}, {bytes(head.hash).hex()}" if head else "no seal yet"
            verdict = f"{len(found)} discrepancies" if found else "everything adds up"
            self.stdout.write(f"{len(invariants.checks())} checks, {verdict} ({position}).")
        if found:
            sys.exit(1)
