"""``manage.py settlements``: what gateways sent to our bank, and whether the bank has it."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from legato_payments.lib import arguments, clock, spreadsheets
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from payments.enums import Provider
from payments.models import BankReceipt, Settlement
from payments.queries import settlements

COLUMNS = (
    *("provider", "gateway_id", "status", "amount", "currency", "created_at", "arrives_on"),
    *("bank_reference", "charges", "refunds", "disputes", "fees", "other", "lines_net"),
    *("difference", "bank"),
)

OURS = frozenset(COLUMNS) - {"gateway_id", "bank_reference"}
"""Columns whose text does not come from outside."""


@dataclass(frozen=True, slots=True)
class Report:
    """Settlements, the bank's lines that nobody has placed, and the day of both."""

    rows: Sequence[Settlement]
    receipts: Sequence[BankReceipt]
    on: date

    def wrong(self) -> list[str]:
        """What a person has to look at, in words."""
        late = [row for row in self.rows if settlements.is_overdue(row, on=self.on)]
        off = [row for row in self.rows if row.difference_micros]
        return [
            *(f"{row.gateway_id} is overdue at the bank." for row in late),
            *(
                f"{row.gateway_id} differs from its own lines by"
                f" {Money(row.difference_micros or 0, row.currency)}."
                for row in off
            ),
        ]


class Command(BaseCommand):
    """Each settlement by the gateway's word, by its own lines, and by our statements."""

    help = (
        "List the settlements and the bank's lines that are not matched or explained. Exit code 1 "
        "when a listed settlement is overdue at the bank or differs from its own lines."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones, in which form."""
        parser.add_argument("--provider", choices=Provider.values, type=str.upper, default="")
        parser.add_argument(
            "--from", dest="since", type=arguments.day, help="First day, YYYY-MM-DD."
        )
        parser.add_argument(
            "--to", dest="until", type=arguments.day_after, help="Last day, included."
        )
        parser.add_argument("--format", choices=["table", "json", "csv"], default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them; what is wrong goes to standard error."""
        since, until = options["since"], options["until"]
        report = Report(
            list(settlements.listed(provider=options["provider"], since=since, until=until)),
            list(settlements.open_lines(since=since, until=until)),
            clock.now().date(),
        )
        write = {"table": _as_table, "json": _as_json, "csv": _as_csv}[options["format"]]
        self.stdout.write(write(report))
        for words in report.wrong():
            self.stderr.write(words)
        if report.wrong():
            sys.exit(1)


def _row(row: Settlement, on: date) -> dict[str, str | None]:
    is_read = row.lines_status == Settlement.Lines.READ
    off = row.difference_micros

    def plain(micros: int) -> str:
        return Money(micros, row.currency).amount()

    return {
        "provider": row.provider,
        "gateway_id": row.gateway_id,
        "status": row.status,
        "amount": plain(row.amount_micros),
        "currency": row.currency,
        "created_at": row.created_at.isoformat(),
        "arrives_on": row.arrives_on.isoformat(),
        "bank_reference": row.bank_reference,
        "charges": plain(row.charges_micros) if is_read else None,
        "refunds": plain(row.refunds_micros) if is_read else None,
        "disputes": plain(row.disputes_micros) if is_read else None,
        "fees": plain(row.fees_micros) if is_read else None,
        "other": plain(row.other_micros) if is_read else None,
        "lines_net": plain(row.lines_net_micros) if is_read else None,
        "difference": None if off is None else plain(off),
        "bank": _bank(row, on),
    }


def _bank(row: Settlement, on: date) -> str:
    if settlements.is_overdue(row, on=on):
        return "OVERDUE"
    if row.has_come_back:
        return "CAME_BACK"
    return "RECEIVED" if row.has_arrived else "NOT_YET"


def _line(receipt: BankReceipt) -> dict[str, str]:
    return {
        "booked_on": receipt.booked_on.isoformat(),
        "amount": Money(receipt.amount_micros, receipt.currency).amount(),
        "currency": receipt.currency,
        "reference": receipt.reference,
        "description": receipt.description,
        "statement": receipt.statement.name,
        "line": str(receipt.line),
    }


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "settlements": [_row(row, report.on) for row in report.rows],
            "open_lines": [_line(receipt) for receipt in report.receipts],
        }
    )


def _as_csv(report: Report) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in report.rows:
        writer.writerow(
            {
                name: value if name in OURS else spreadsheets.text(value or "")
                for name, value in _row(row, report.on).items()
            }
        )
    return out.getvalue().rstrip("\n")


def _as_table(report: Report) -> str:
    lines = [
        f"{row.created_at:%Y-%m-%d}  {row.provider:<8}  {row.status:<8}"
        f"  {cells.amount(row.amount_micros, row.currency):>20}  {_bank(row, report.on):<9}"
        f"  {row.gateway_id}"
        for row in report.rows
    ]
    if report.receipts:
        lines.append(f"Open lines of the bank: {len(report.receipts)}")
    lines += [
        f"{receipt.booked_on}  {cells.amount(receipt.amount_micros, receipt.currency):>20}"
        f"  {receipt.reference}  {receipt.description}".rstrip()
        for receipt in report.receipts
    ]
    return "\n".join(lines) or "No settlements, and no open line of the bank."
