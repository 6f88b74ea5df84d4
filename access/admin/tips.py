"""Tips, and the tip that a transaction carried."""

from django.contrib import admin

from access.models import Tip
from legato_payments.lib.admin import RecordAdmin, section_of
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Transaction

TO = columns.related("recipient", "To", by="writer_id")


@admin.register(Tip)
class TipAdmin(RecordAdmin):
    """Coins a reader gave to a writer."""

    list_display = [
        columns.moment("sent_at"),
        columns.text("sender_id", "From"),
        TO,
        columns.count("coins"),
        columns.words("message"),
        columns.code("content_id", "Content"),
    ]
    list_select_related = ["recipient"]
    search_fields = ["pk", "sender_id", "recipient_id"]
    search_help_text = "Id, sender or recipient"
    ordering = ["-id"]
    nothing_yet = "No tips yet."

    facts = (
        columns.text("sender_id", "From"),
        TO,
        columns.count("coins"),
        columns.words("message"),
        columns.code("content_id", "Content"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("sent_at"),
        columns.copyable("id"),
    )


@section_of(Transaction, permission="access.view_tip")
def tip_of(transaction: Transaction) -> Section | None:
    """The tip that a transaction carried."""
    tip = Tip.objects.filter(transaction=transaction).select_related("recipient").first()
    if tip is None:
        return None
    return Table(
        title="Tip",
        headings=["Sent", "From", "To", "Message", number("Coins")],
        rows=[
            [
                cells.link(tip, cells.moment(tip.sent_at)),
                tip.sender_id,
                TO(tip),
                tip.message or cells.EMPTY,
                f"{tip.coins:,}",
            ]
        ],
    )
