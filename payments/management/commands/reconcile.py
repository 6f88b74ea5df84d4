"""``manage.py reconcile``: what the gateways say of some days, against our books."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from legato_payments.lib import arguments, clock
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from payments.enums import Provider
from payments.gateways import base, registry
from payments.gateways.values import Window
from payments.models import Difference
from payments.services import reconciliation
from payments.services.reconciliation import DayReport, Report
from payments.services.reconciliation_findings import Finding, Side

NO_CURRENCY = "-"
"""Where differences without an amount are counted."""

FIGURES = (
    "gateway_gross",
    "gateway_fee",
    "gateway_net",
    "ledger_gross",
    "ledger_fee",
    "ledger_net",
    "elsewhere",
    "difference",
)
COLUMNS = ("provider", "day", "currency", *FIGURES, "matched", "repaired", *Difference.Kind.values)


class Command(BaseCommand):
    """Compare, repair, and say what is left, per gateway and day."""

    help = (
        "Compare what the gateways say with our books, repair what can be repaired, and list what "
        "differs. Exit code 0 when nothing is open, 1 when something is or a gateway does not "
        "answer, 2 on wrong use."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which gateway, which days, in which form."""
        parser.add_argument(
            "--provider",
            choices=Provider.values,
            type=str.upper,
            help="One gateway; all that are set up if not.",
        )
        parser.add_argument("--day", type=arguments.day, help="One day UTC, YYYY-MM-DD.")
        parser.add_argument(
            "--from",
            dest="first",
            type=arguments.day,
            help="First day; three days back when no day is given.",
        )
        parser.add_argument(
            "--to", dest="last", type=arguments.day, help="Last day, included; yesterday if not."
        )
        parser.add_argument("--format", choices=["table", "json", "csv"], default="table")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Not to standard output.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only report: repair and write down nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what differs; exit 1 when something does."""
        providers = [options["provider"]] if options["provider"] else registry.configured()
        if not providers:
            raise CommandError("no gateway is set up", returncode=2)
        window = _window(options)
        reports = [self._run(one, window, is_dry_run=options["dry_run"]) for one in providers]
        write = {"table": _as_table, "csv": _as_csv, "json": _as_json}[options["format"]]
        text = write(reports)
        if options["output"]:
            options["output"].write_text(f"{text}\n")
        else:
            self.stdout.write(text)
        if any(report.open for report in reports):
            sys.exit(1)

    def _run(self, provider: str, window: Window, *, is_dry_run: bool) -> Report:
        try:
            return reconciliation.reconcile(
                provider=provider,
                window=window,
                now=clock.now(),
                actor="system:reconcile",
                is_dry_run=is_dry_run,
                progress=lambda day: self.stderr.write(f"{provider} {day}"),
            )
        except registry.NotConfigured as error:
            raise CommandError(str(error), returncode=2) from error
        except (base.GatewayError, reconciliation.AlreadyRunning) as error:
            raise CommandError(f"{provider}: {error}", returncode=1) from error


def _window(options: dict[str, Any]) -> Window:
    day, first, last = options["day"], options["first"], options["last"]
    if day and (first or last):
        raise CommandError("--day goes without --from and --to", returncode=2)
    try:
        return reconciliation.window_of(now=clock.now(), first=day or first, last=day or last)
    except reconciliation.WindowUnsound as error:
        raise CommandError(str(error), returncode=2) from error


def _as_json(reports: Sequence[Report]) -> str:
    return json.dumps(
        [
            {
                "provider": report.provider,
                "from": report.window.start.isoformat(),
                "to": report.window.end.isoformat(),
                "matched": report.matched,
                "repaired": report.repaired,
                "explained": report.explained,
                "resolved": report.resolved,
                "days": list(_rows(report)),
                "open": [_difference(finding) for finding in report.open],
            }
            for report in reports
        ]
    )


def _as_csv(reports: Sequence[Report]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for report in reports:
        for row in _rows(report):
            counted = row.pop("open")
            writer.writerow(row | counted)
    return out.getvalue().rstrip("\n")


def _as_table(reports: Sequence[Report]) -> str:
    return "\n\n".join(_table_of(report) for report in reports)


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    """A row per day and currency, with how many differences of each class are open."""
    places = {(day.day, day.currency) for day in report.days}
    open_at: dict[tuple[date, str], dict[str, int]] = {}
    for finding in report.open:
        currency = finding.gap.currency if finding.gap else NO_CURRENCY
        by_kind = open_at.setdefault((finding.day, currency), {})
        by_kind[finding.kind] = by_kind.get(finding.kind, 0) + 1
    reports = {(day.day, day.currency): day for day in report.days}
    for day, currency in sorted(places | open_at.keys()):
        counted = {kind: open_at.get((day, currency), {}).get(kind, 0) for kind in _kinds()}
        yield {
            "provider": report.provider,
            "day": day.isoformat(),
            "currency": currency,
            **_figures(reports.get((day, currency))),
            "open": counted,
        }


def _kinds() -> list[str]:
    return list(Difference.Kind.values)


def _figures(report: DayReport | None) -> dict[str, Any]:
    if report is None:
        return {**dict.fromkeys(FIGURES, ""), "matched": 0, "repaired": 0}
    totals = report.totals
    their_net = totals.their_gross - totals.their_fee
    our_net = totals.our_gross - totals.our_fee
    numbers = (
        *(totals.their_gross, totals.their_fee, their_net),
        *(totals.our_gross, totals.our_fee, our_net),
        *(totals.elsewhere, totals.unexplained),
    )
    amounts = [Money(number, report.currency).amount() for number in numbers]
    figures: dict[str, Any] = dict(zip(FIGURES, amounts, strict=True))
    return {**figures, "matched": report.matched, "repaired": report.repaired}


def _difference(finding: Finding) -> dict[str, Any]:
    return {
        "day": finding.day.isoformat(),
        "subject": finding.subject,
        "class": finding.kind,
        "reference": finding.reference,
        "gateway_id": finding.gateway_id,
        "gap": finding.gap.to_json() if finding.gap else None,
        "ours": finding.ours,
        "theirs": finding.theirs,
        "repairable": finding.is_repairable,
    }


_COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("gateway", "gateway_net", 18),
    ("ledger", "ledger_net", 18),
    ("elsewhere", "elsewhere", 14),
    ("difference", "difference", 14),
)


def _table_of(report: Report) -> str:
    heading = "  ".join(f"{title:>{width}}" for title, _, width in _COLUMNS)
    lines = [
        f"{report.provider}, {_span(report)}",
        f"{'day':<10}  unit  {heading}  {'matched':>7}  {'repaired':>8}  open",
    ]
    for row in _rows(report):
        amounts = "  ".join(f"{_grouped(row[name]):>{width}}" for _, name, width in _COLUMNS)
        named = ", ".join(f"{kind} {count}" for kind, count in row["open"].items() if count)
        lines.append(
            f"{row['day']}  {row['currency']:<4}  {amounts}  {row['matched']:>7}"
            f"  {row['repaired']:>8}  {named or 'none'}"
        )
    lines += [_in_words(finding) for finding in report.open]
    verdict = f"{len(report.open)} open" if report.open else "nothing is open"
    explained = f", {report.explained} explained before" if report.explained else ""
    resolved = f", {report.resolved} gone by themselves" if report.resolved else ""
    return "\n".join(
        [
            *lines,
            f"{report.matched} matched, {report.repaired} repaired, "
            f"{verdict}{explained}{resolved}.",
        ]
    )


def _span(report: Report) -> str:
    first, last = report.window.start.date(), report.window.end
    return f"{first} to before {last:%Y-%m-%d %H:%M} UTC"


def _grouped(amount: str) -> str:
    whole, point, fraction = amount.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{fraction}" if whole else ""


def _in_words(finding: Finding) -> str:
    told = f"ours: {_side(finding.ours)}; theirs: {_side(finding.theirs)}"
    gap = f"  {finding.gap}" if finding.gap else ""
    named = finding.reference or finding.gateway_id or finding.key
    return f"{finding.day}  {finding.subject} {finding.kind}  {named}{gap}  {told}"


def _side(side: Side) -> str:
    if side is None:
        return "nothing"
    return ", ".join(f"{name} {cells.plain(value)}" for name, value in side.items())
