"""``manage.py package_margins``: whether the packages on sale pay for themselves."""

import csv
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from revenue.queries import package_margins
from revenue.queries.package_margins import Margin

COLUMNS = (
    "package",
    "currency",
    "price",
    "gateway_fee",
    "stream",
    "writers_bps",
    "left",
    "is_loss",
)


class Command(BaseCommand):
    help = (
        "Print what is left of each package's price after the gateway's list fee and the writers' "
        "part, when all coins are spent so. A loss is marked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--format", dest="form", choices=["table", "json", "csv"], default="table"
        )

    def handle(self, *args: Any, form: str, **options: Any) -> None:
        """Print a line per package, currency and rate."""
        margins = package_margins.of_packages(on=clock.now())
        write = {"table": _as_table, "json": _as_json, "csv": _as_csv}[form]
        self.stdout.write(write(margins))


def _row(margin: Margin) -> dict[str, Any]:
    return {
        "package": margin.package.name,
        "currency": margin.price.currency,
        "price": margin.price.amount(),
        "gateway_fee": margin.fee.amount(),
        "stream": margin.stream.lower(),
        "writers_bps": margin.writers_bps,
        "left": margin.left.amount(),
        "is_loss": margin.is_loss,
    }


def _as_json(margins: Sequence[Margin]) -> str:
    return json.dumps([_row(margin) for margin in margins])


def _as_csv(margins: Sequence[Margin]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows({**_row(m), "is_loss": str(m.is_loss).lower()} for m in margins)
    return out.getvalue()


def _as_table(margins: Sequence[Margin]) -> str:
    width = max((len(margin.package.name) for margin in margins), default=7)
    lines = [
        f"{'package':<{width}}  {'price':>14}  {'gateway fee':>14}  spent on  writers  {'left':>16}"
    ]
    for margin in margins:
        figures = f"{margin.price!s:>14}  {margin.fee!s:>14}"
        rate = f"{margin.stream.lower():<8}  {cells.percent(margin.writers_bps):>7}"
        loss = "  LOSS" if margin.is_loss else ""
        lines.append(
            f"{margin.package.name:<{width}}  {figures}  {rate}  {margin.left!s:>16}{loss}"
        )
    return "\n".join(lines)
