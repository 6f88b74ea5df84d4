"""What writers earned, and the earnings of a transaction on its own page."""

from django.contrib import admin
from django.utils.html import format_html_join

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, section_of
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import Unit
from payments.models import Transaction
from revenue.models import Earning


@admin.display(description="State")
def state(earning: Earning) -> str:
    """Whether it can be taken back still, or counts for a payout."""
    if earning.reverses_id:
        return cells.mark("Reversal", Tone.WARN)
    if earning.claws_back_id:
        return cells.mark("Taken by a dispute", Tone.WARN)
    if earning.gives_back_id:
        return cells.mark("Given back", Tone.GOOD)
    if earning.matures_at > clock.now():
        return cells.mark("Pending", Tone.BUSY)
    return cells.mark("Available", Tone.GOOD)


@admin.display(description="Coins of the sale")
def coins(earning: Earning) -> str:
    """How many coins were spent, and how many of them nobody paid for."""
    promo = f", {earning.promo_coins:,} promotional" if earning.promo_coins else ""
    return f"{cells.coins(earning.coins)}{promo}"


@admin.display(description="Reversed by")
def reversed_by(earning: Earning) -> str:
    """The earning that took this one back."""
    return cells.link(getattr(earning, "reversed_by", None), "Reversal")


@admin.display(description="Reversal of")
def reversal_of(earning: Earning) -> str:
    """The earning that this one takes back."""
    return cells.link(earning.reverses, "Earning")


@admin.display(description="Taken by disputes")
def taken_by(earning: Earning) -> str:
    """The earnings by which lost disputes took a part of this one."""
    links = (
        (cells.page_of(part), cells.amount(-part.amount_micros, Unit.USD))
        for part in earning.clawbacks.order_by("id")
    )
    return format_html_join(" · ", '<a class="bo-link" href="{}">{}</a>', links) or cells.EMPTY


@admin.display(description="Taken from")
def taken_from(earning: Earning) -> str:
    """The earning that a lost dispute took this from, or that it gives this back to."""
    return cells.link(earning.claws_back or earning.gives_back, "Earning")


AMOUNT = columns.money("amount_micros", Unit.USD, "Earned")
RATE = columns.percent("rate_bps", "Writers' rate")
SHARE = columns.percent("share_bps", "Own share")


@admin.register(Earning)
class EarningAdmin(RecordAdmin):
    """Append-only: a reversal is a row of its own."""

    list_display = [
        columns.moment("occurred_at"),
        columns.related("writer", by="writer_id"),
        "stream",
        AMOUNT,
        RATE,
        SHARE,
        state,
        columns.code("content_id", "Content"),
        columns.moment("matures_at"),
    ]
    list_filter = ["stream"]
    list_select_related = ["writer"]
    search_fields = ["writer_id", "content_id", "transaction_id"]
    search_help_text = "Writer, content or transaction id"
    ordering = ["-id"]
    nothing_yet = "No earnings yet. They appear with the first chapter sold or tip sent."

    facts = (
        columns.related("writer", by="writer_id"),
        "stream",
        AMOUNT,
        state,
        RATE,
        columns.related("rule", "Rule"),
        SHARE,
        coins,
        columns.code("content_id", "Content"),
        columns.text("reader_country"),
        columns.related("transaction", by="get_kind_display"),
        reversal_of,
        reversed_by,
        taken_from,
        taken_by,
        columns.moment("occurred_at"),
        columns.moment("matures_at"),
    )


@section_of(Transaction, permission="revenue.view_earning")
def earnings_of(transaction: Transaction) -> Section | None:
    """Who earned from a transaction."""
    found = list(transaction.earnings.select_related("writer").order_by("writer_id"))
    if not found:
        return None
    total = sum(earning.amount_micros for earning in found)
    return Table(
        title="Earnings",
        headings=[
            "Writer",
            "Stream",
            "State",
            number("Writers' rate"),
            number("Own share"),
            number("Earned"),
            "Matures",
        ],
        rows=[
            [
                cells.link(earning.writer, earning.writer_id),
                earning.get_stream_display(),
                cells.link(earning, state(earning)),
                RATE(earning),
                SHARE(earning),
                AMOUNT(earning),
                cells.moment(earning.matures_at),
            ]
            for earning in found
        ],
        totals=["Total", "", "", "", "", cells.amount(total, Unit.USD), ""],
    )
