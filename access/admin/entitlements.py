"""Rights to read, and the right that a transaction paid for."""

from django.contrib import admin

from access.models import Entitlement
from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, section_of
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Transaction


@admin.display(description="State")
def state(entitlement: Entitlement) -> str:
    """Whether it opens the content now."""
    if entitlement.revoked_at:
        return cells.mark("Revoked", Tone.BAD)
    if entitlement.expires_at and entitlement.expires_at <= clock.now():
        return cells.mark("Lapsed")
    return cells.mark("In force", Tone.GOOD)


CONTENT = columns.related("content", by="content_id")


@admin.register(Entitlement)
class EntitlementAdmin(RecordAdmin):
    """At most one is in force for a reader and a piece of content."""

    list_display = [
        columns.moment("granted_at"),
        "user_id",
        CONTENT,
        "ground",
        columns.count("coins"),
        state,
    ]
    list_filter = ["ground"]
    list_select_related = ["content"]
    search_fields = ["pk", "user_id", "content_id"]
    search_help_text = "Id, reader or content"
    ordering = ["-id"]
    nothing_yet = "No rights to read yet. The first chapter bought gives one."

    facts = (
        "user_id",
        CONTENT,
        "ground",
        state,
        columns.count("coins", "Coins paid"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("granted_at"),
        columns.moment("expires_at"),
        columns.moment("revoked_at"),
        columns.copyable("id"),
    )


@section_of(Transaction, permission="access.view_entitlement")
def entitlement_of(transaction: Transaction) -> Section | None:
    """The right to read that a transaction paid for."""
    right = Entitlement.objects.filter(transaction=transaction).select_related("content").first()
    if right is None:
        return None
    return Table(
        title="Right to read",
        headings=["Right", "Reader", "Content", "State", number("Coins")],
        rows=[
            [
                cells.link(right, right.get_ground_display()),
                right.user_id,
                CONTENT(right),
                state(right),
                f"{right.coins:,}",
            ]
        ],
    )
