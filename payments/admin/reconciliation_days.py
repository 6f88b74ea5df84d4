"""Both books of each gateway, day by day."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, button
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import DayField, ProposalForm
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import Provider
from payments.models import Difference, ReconciliationDay, ReconciliationRun
from payments.services import reconciliation

SHOWN = 50
RUNS = 10

Status = ReconciliationRun.Status
TONES = {Status.RUNNING: Tone.BUSY, Status.DONE: Tone.GOOD, Status.FAILED: Tone.BAD}


class DaysForm(ProposalForm):
    """Which days of which gateway."""

    told_at = {reconciliation.WindowUnsound: "last"}

    provider = forms.ChoiceField(choices=Provider.choices, label="Gateway")
    first = DayField(label="From", help_text="UTC.")
    last = DayField(label="To", help_text="Included.")


@admin.display(description="Differs by")
def number_difference(row: ReconciliationDay) -> str:
    """What is left to be explained."""
    words = cells.amount(row.difference_micros, row.currency)
    return cells.mark(words, Tone.WARN) if row.difference_micros else words


@admin.display(description="Open")
def number_open(row: ReconciliationDay) -> str:
    """Differences of that gateway, day and currency."""
    count = getattr(row, "open_differences", 0)
    return cells.mark(f"{count:,}", Tone.WARN) if count else "0"


@admin.register(ReconciliationDay)
class ReconciliationDayAdmin(RecordAdmin):
    """Both books of each gateway, a row per day and currency."""

    list_display = [
        columns.text("day", "Day (UTC)"),
        columns.choice("provider", "Gateway"),
        columns.text("currency"),
        columns.money("their_net_micros", "currency", "Gateway says"),
        columns.money("our_net_micros", "currency", "Our books say"),
        columns.money("elsewhere_micros", "currency", "Elsewhere"),
        number_difference,
        columns.count("matched"),
        columns.count("repaired"),
        number_open,
    ]
    list_filter = ["provider", "currency"]
    search_fields = ["day"]
    search_help_text = "Day, YYYY-MM-DD"
    ordering = ["-day", "provider", "currency"]
    nothing_yet = "Nothing was compared yet. It is done every morning at 04:00 UTC."
    actions_list = ["compare"]

    facts = (
        columns.text("day", "Day (UTC)"),
        columns.choice("provider", "Gateway"),
        columns.text("currency"),
        columns.money("their_gross_micros", "currency", "Gateway: moved"),
        columns.money("their_fee_micros", "currency", "Gateway: fees"),
        columns.money("their_net_micros", "currency", "Gateway: balance changed by"),
        columns.money("our_gross_micros", "currency", "Our books: moved"),
        columns.money("our_fee_micros", "currency", "Our books: fees"),
        columns.money("our_net_micros", "currency", "Our books: balance changed by"),
        columns.money("elsewhere_micros", "currency", "On another day, on its way or explained"),
        number_difference,
        columns.count("matched"),
        columns.count("repaired"),
        number_open,
        columns.moment("compared_at", "Compared"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationDay]:
        """With how many differences are open, and when it was compared."""
        rows: QuerySet[ReconciliationDay] = super().get_queryset(request)
        found = Difference.objects.open().filter(
            of_currency(OuterRef("currency")), provider=OuterRef("provider"), day=OuterRef("day")
        )
        counted = found.order_by().values("day").annotate(rows=Count("pk")).values("rows")
        return rows.annotate(
            open_differences=Coalesce(Subquery(counted), 0), compared_at=F("run__started_at")
        )

    def sections(self, obj: ReconciliationDay) -> Iterator[Section]:
        """What differs, by class, then one by one; and the newest runs."""
        yield by_class(obj)
        yield differences_of(obj)
        yield runs_of(obj.provider)

    @button("Compare days…", path="compare", right="change")
    def compare(self, request: HttpRequest) -> HttpResponse:
        """Have some days compared by a job."""
        today = clock.now().date()
        return self.proposal_page(
            request,
            DaysForm,
            title="Compare days",
            intro="A job asks the gateway, repairs what can be repaired, and writes down the rest.",
            submit="Compare",
            call=reconciliation.ask_for,
            told=lambda _asked: "They are being compared, day by day.",
            initial={"first": today, "last": today},
        )


def of_currency(currency: Any) -> Q:
    """Differences in a currency, and those about no amount, which count for each."""
    return Q(currency=currency) | Q(currency="")


def of_day(day: ReconciliationDay) -> QuerySet[Difference]:
    """Differences of a gateway, a day and a currency."""
    return Difference.objects.filter(of_currency(day.currency), provider=day.provider, day=day.day)


def by_class(day: ReconciliationDay) -> Table:
    """How many differences of each class there are, open and closed."""
    found = of_day(day).values("kind", "status")
    rows = found.order_by("kind", "status").annotate(rows=Count("pk"))
    counts = {(row["kind"], row["status"]): row["rows"] for row in rows}
    return Table(
        title="Differences by class",
        headings=["Class", number("Open"), number("Closed")],
        rows=[
            [
                kind.label,
                f"{counts.get((kind, Difference.Status.OPEN), 0):,}",
                f"{counts.get((kind, Difference.Status.CLOSED), 0):,}",
            ]
            for kind in Difference.Kind
            if any((kind, status) in counts for status in Difference.Status)
        ],
        empty=f"None in {day.currency}.",
    )


def differences_of(day: ReconciliationDay) -> Table:
    """The newest of them."""
    found = of_day(day).order_by("status", "-pk")
    shown, note = tables.newest(found[: SHOWN + 1], SHOWN)
    return Table(
        title="Differences",
        headings=["What", "Class", "State", number("Gateway less books"), "Age"],
        rows=[
            [
                cells.link(row),
                row.get_kind_display(),
                row.get_closing_display() if row.closing else "Open",
                cells.EMPTY
                if row.gap_micros is None
                else cells.amount(row.gap_micros, row.currency),
                timesince(row.first_seen_at, row.closed_at or clock.now()),
            ]
            for row in shown
        ],
        empty="Both books agree.",
        note=note or "Fetched, matched, explained and corrected on their own pages.",
    )


def runs_of(provider: str) -> Table:
    """The newest comparisons of a gateway."""
    runs = ReconciliationRun.objects.filter(provider=provider).order_by("-started_at", "-pk")
    return Table(
        title="Newest runs",
        headings=[
            "Started",
            "Days",
            "State",
            number("Matched"),
            number("Repaired"),
            number("Open"),
            "Error",
        ],
        rows=[
            [
                cells.moment(run.started_at),
                f"{run.starts_at:%Y-%m-%d} to before {run.ends_at:%Y-%m-%d %H:%M} UTC",
                cells.mark(run.get_status_display(), TONES[Status(run.status)]),
                f"{run.matched:,}",
                f"{run.repaired:,}",
                f"{run.found:,}",
                run.error or cells.EMPTY,
            ]
            for run in runs[:RUNS]
        ],
    )
