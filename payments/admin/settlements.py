"""Settlements: what gateways sent to our bank, by their word, by their lines, and by the bank's."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from legato_payments.lib import clock
from legato_payments.lib.admin import VIEWS, RecordAdmin
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Advice, Section, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments.admin.audit import history_of
from payments.models import Settlement
from payments.queries import settlements
from payments.services import bank_receipts

Status = Settlement.Status

TONES = {
    Status.PENDING: Tone.BUSY,
    Status.PAID: Tone.GOOD,
    Status.FAILED: Tone.BAD,
    Status.RETURNED: Tone.BAD,
}


OVERDUE = (
    "No bank statement shows this money, although it should by now. Import the statement of these"
    " days, or match the bank's line with this settlement. If the bank has nothing, ask the gateway"
    " with its id and the bank's reference."
)


@admin.display(description="At the bank")
def at_the_bank(settlement: Settlement) -> str:
    """What our statements show of it."""
    today = clock.now().date()
    if settlements.is_overdue(settlement, on=today):
        days = (today - settlement.arrives_on).days
        return cells.mark(f"Overdue, {days:,} days", Tone.BAD)
    if settlement.has_come_back:
        return cells.mark("Came back", Tone.PLAIN)
    if settlement.has_arrived:
        return cells.mark("Received", Tone.GOOD)
    return cells.mark("Not yet", Tone.BUSY) if settlement.status == Status.PAID else cells.EMPTY


@admin.display(description="Lines differ by")
def number_difference(settlement: Settlement) -> str:
    """What the amount has more than the gateway's own lines."""
    off = settlement.difference_micros
    if off is None:
        return cells.EMPTY
    words = cells.amount(off, settlement.currency)
    return cells.mark(words, Tone.BAD) if off else words


@admin.display(description="Arrives")
def arrives_on(settlement: Settlement) -> str:
    """The day the gateway promised."""
    return settlement.arrives_on.isoformat()


class ToLookAt(SavedViews):
    """What a person should look at."""

    parameter_name = "look"
    views = (
        View(
            "bank",
            "Overdue at the bank",
            lambda now: Q(pk__in=settlements.overdue(on=now.date()).values("pk")),
        ),
        View(
            "lines",
            "Lines differ",
            lambda _now: Q(pk__in=Settlement.objects.with_other_lines().values("pk")),
        ),
    )


@admin.register(Settlement)
class SettlementAdmin(RecordAdmin):
    """Written by what the gateways say, never by hand."""

    list_display = [
        columns.moment("created_at", "Made"),
        columns.choice("provider", "Gateway"),
        columns.state("status", TONES),
        columns.money("amount_micros", "currency", "Amount"),
        arrives_on,
        at_the_bank,
        number_difference,
        columns.code("gateway_id", "Gateway's id"),
    ]
    list_before_template = VIEWS
    list_filter = [ToLookAt, "status", "provider", "currency"]
    search_fields = ["pk", "gateway_id", "bank_reference"]
    search_help_text = "Id, the gateway's id or the bank's reference"
    ordering = ["-created_at", "-id"]
    nothing_yet = (
        "No settlements yet. Each appears here when a gateway sends its balance to our bank."
    )

    facts = (
        columns.state("status", TONES),
        columns.money("amount_micros", "currency", "Amount"),
        columns.choice("provider", "Gateway"),
        arrives_on,
        at_the_bank,
        number_difference,
        columns.state("lines_status", {}, "The gateway's lines"),
        columns.copyable("bank_reference", "Bank's reference"),
        columns.copyable("gateway_id", "Gateway's id"),
        columns.copyable("id"),
        columns.moment("created_at", "Made"),
        columns.moment("seen_at", "Heard of"),
        columns.related("transaction", "Paid by", by="get_kind_display"),
        columns.related("return_transaction", "Returned by", by="get_kind_display"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Settlement]:
        """With whether the bank shows each."""
        return Settlement.objects.at_the_bank().order_by(*self.ordering)

    def sections(self, obj: Settlement) -> Iterator[Section]:
        """What it is made of, where the bank has it, and what happened to it."""
        if settlements.is_overdue(obj, on=clock.now().date()):
            yield Advice(advice=OVERDUE)
        yield lines_of(obj)
        yield receipts_of(obj)
        yield history_of("settlement", obj.pk)


def lines_of(settlement: Settlement) -> Table:
    """The gateway's own lines, summed up; they should come to the amount."""
    parts = [
        ("Charges", settlement.charges_micros),
        ("Refunds", settlement.refunds_micros),
        ("Disputes", settlement.disputes_micros),
        ("Fees", settlement.fees_micros),
        ("Other", settlement.other_micros),
    ]
    is_read = settlement.lines_status == Settlement.Lines.READ
    return Table(
        title="The gateway's own lines",
        headings=["What", number(settlement.currency)],
        rows=[[name, cells.figure(part, settlement.currency, digits=2)] for name, part in parts]
        if is_read
        else [],
        totals=["Net", cells.figure(settlement.lines_net_micros, settlement.currency, digits=2)],
        empty="The gateway has not told what this settlement is made of.",
        note=f"{settlement.line_count:,} lines." if is_read else "",
    )


def receipts_of(settlement: Settlement) -> Table:
    """The lines of our statements that are this settlement."""
    receipts = settlement.receipts.select_related("statement").defer("statement__content")
    return Table(
        title="At the bank",
        headings=["Line", "Booked", number("Amount"), number("Off by"), "Matched", "Statement"],
        rows=[
            [
                cells.link(receipt, receipt.reference),
                receipt.booked_on.isoformat(),
                cells.amount(receipt.amount_micros, receipt.currency),
                cells.amount(bank_receipts.difference(receipt) or 0, receipt.currency),
                receipt.get_matched_display(),
                cells.link(receipt.statement),
            ]
            for receipt in receipts.order_by("booked_on", "pk")
        ],
        empty="No line of a statement is this settlement, so far.",
    )
