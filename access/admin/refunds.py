"""Chapters given back and coins given away, and the transactions that did it."""

from django.contrib import admin

from access.models import CoinGift, ContentRefund
from legato_payments.lib.admin import RecordAdmin, section_of
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Transaction


@admin.display(description="Reader")
def reader(refund: ContentRefund) -> str:
    """Who gave it back."""
    return refund.entitlement.user_id


@admin.display(description="Content")
def chapter(refund: ContentRefund) -> str:
    """What was given back."""
    return cells.code(refund.entitlement.content_id)


@admin.display(description="Coins")
def number_coins(refund: ContentRefund) -> str:
    """What came back for it."""
    return f"{refund.entitlement.coins:,}"


@admin.display(description="Read")
def number_read(refund: ContentRefund) -> str:
    """How much of it was read, as far as anybody told."""
    return f"{refund.read_percent} %"


@admin.register(ContentRefund)
class ContentRefundAdmin(RecordAdmin):
    """Bought chapters that were given back for their coins."""

    list_display = [
        columns.moment("refunded_at"),
        reader,
        chapter,
        number_coins,
        number_read,
        columns.words("reason"),
        columns.person("refunded_by", "By"),
    ]
    list_select_related = ["entitlement"]
    search_fields = ["pk", "entitlement__user_id"]
    search_help_text = "Id or reader"
    ordering = ["-id"]
    nothing_yet = "No chapter was given back yet."

    facts = (
        reader,
        chapter,
        number_coins,
        number_read,
        columns.words("reason"),
        columns.related("entitlement", "Right"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("refunded_at"),
        columns.person("refunded_by", "By"),
        columns.copyable("id"),
    )


@admin.register(CoinGift)
class CoinGiftAdmin(RecordAdmin):
    """Coins a reader gave to another reader."""

    list_display = [
        columns.moment("given_at"),
        columns.text("sender_id", "From"),
        columns.text("recipient_id", "To"),
        columns.count("coins"),
        columns.words("message"),
    ]
    search_fields = ["pk", "sender_id", "recipient_id"]
    search_help_text = "Id, giver or recipient"
    ordering = ["-id"]
    nothing_yet = "No reader gave coins to another yet."

    facts = (
        columns.text("sender_id", "From"),
        columns.text("recipient_id", "To"),
        columns.count("coins"),
        columns.words("message"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("given_at"),
        columns.copyable("id"),
    )


@section_of(Transaction, permission="access.view_coingift")
def gift_of(transaction: Transaction) -> Section | None:
    """The gift that a transaction carried."""
    gift = CoinGift.objects.filter(transaction=transaction).first()
    if gift is None:
        return None
    return Table(
        title="Gift",
        headings=["Given", "From", "To", "Message", number("Coins")],
        rows=[
            [
                cells.link(gift, cells.moment(gift.given_at)),
                gift.sender_id,
                gift.recipient_id,
                gift.message or cells.EMPTY,
                f"{gift.coins:,}",
            ]
        ],
    )


@section_of(Transaction, permission="access.view_contentrefund")
def refund_of(transaction: Transaction) -> Section | None:
    """Why a transaction took a chapter back."""
    refund = ContentRefund.objects.filter(transaction=transaction).first()
    if refund is None:
        return None
    return Table(
        title="Content refund",
        headings=["Given back", "Reason", "By", number("Read")],
        rows=[
            [
                cells.link(refund, cells.moment(refund.refunded_at)),
                refund.reason,
                refund.refunded_by,
                number_read(refund),
            ]
        ],
    )
