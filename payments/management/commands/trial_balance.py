"""``manage.py trial_balance``: what every account holds, now or at the end of a day."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandParser

from legato_payments.lib import arguments
from legato_payments.lib.pages import cells
from payments.enums import Unit
from payments.queries import statements
from payments.queries.statements import Balance

COLUMNS = ("account", "owner", "unit", "debit", "credit")


class Total(NamedTuple):
    """Both sides of one account, or of several in one unit."""

    unit: str
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class Report:
    """What is written: some accounts, and what all of them are out of balance by, per unit."""

    as_of: date | None
    shown: Sequence[Balance]
    differences: Mapping[str, int]

    def totals(self) -> list[Total]:
        """Of the accounts shown, per unit."""
        return [
            Total(unit, sum(b.debit for b in of_unit), sum(b.credit for b in of_unit))
            for unit in Unit.values
            if (of_unit := [balance for balance in self.shown if balance.unit == unit])
        ]


class Command(BaseCommand):
    """Debit balances on one side, credit balances on the other; per unit they are the same."""

    help = (
        "Print the balance of every account at the end of an accounting day. Exit code 1 when "
        "debits and credits of all accounts differ in a unit, whatever is shown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which day, which accounts, in which form."""
        parser.add_argument(
            "--as-of",
            type=arguments.day,
            help="Accounting day, YYYY-MM-DD; when not given, all that was posted counts.",
        )
        parser.add_argument(
            "--account", default="", help="Show accounts whose code begins so, such as writer."
        )
        parser.add_argument("--unit", choices=Unit.values, help="Show accounts of this unit.")
        parser.add_argument("--format", choices=["table", "csv", "json"], default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the balances; exit 1 when they do not sum to zero."""
        books = statements.trial_balance(on=options["as_of"])
        shown = [
            balance
            for balance in books
            if balance.code.startswith(options["account"])
            if options["unit"] in {None, balance.unit}
        ]
        report = Report(options["as_of"], shown, statements.differences(books))
        write = {"table": _as_table, "csv": _as_csv, "json": _as_json}[options["format"]]
        self.stdout.write(write(report))
        wrong = {unit: off for unit, off in report.differences.items() if off}
        for unit, off in wrong.items():
            self.stderr.write(f"Out of balance by {cells.amount(off, unit)}: see verify_ledger.")
        if wrong:
            sys.exit(1)


def _row(balance: Balance) -> dict[str, str]:
    return {
        "account": balance.code,
        "owner": balance.owner_id,
        "unit": balance.unit,
        "debit": _plain(balance.debit, balance.unit),
        "credit": _plain(balance.credit, balance.unit),
    }


def _plain(number: int, unit: str) -> str:
    # Without thousands separators: other programs read it.
    return cells.figure(number, unit).replace(",", "")


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "as_of": report.as_of.isoformat() if report.as_of else None,
            "accounts": [_row(balance) for balance in report.shown],
            "totals": [
                {
                    "unit": total.unit,
                    "debit": _plain(total.debit, total.unit),
                    "credit": _plain(total.credit, total.unit),
                }
                for total in report.totals()
            ],
            "differences": {unit: _plain(off, unit) for unit, off in report.differences.items()},
        }
    )


def _as_csv(report: Report) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(balance) for balance in report.shown)
    return out.getvalue().rstrip("\n")


def _as_table(report: Report) -> str:
    rows = [
        (f"{b.code} {b.owner_id}".rstrip(), Total(b.unit, b.debit, b.credit)) for b in report.shown
    ]
    rows += [("total of these", total) for total in report.totals()]
    width = max([len("account"), *(len(name) for name, _ in rows)])
    day = f"at the end of {report.as_of}" if report.as_of else "of all that was posted"
    off = ", ".join(cells.amount(n, unit) for unit, n in report.differences.items() if n)
    return "\n".join(
        [
            f"Trial balance {day}",
            f"{'account':<{width}}  unit  {'debit':>22}  {'credit':>22}",
            *(f"{name:<{width}}  {_figures(figures)}" for name, figures in rows),
            f"All accounts: {f'out by {off}' if off else 'debits equal credits'}.",
        ]
    )


def _figures(row: Total) -> str:
    debit, credit = (
        cells.figure(side, row.unit) if side else "" for side in (row.debit, row.credit)
    )
    return f"{row.unit:<4}  {debit:>22}  {credit:>22}"
