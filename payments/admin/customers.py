"""Readers' payment profiles."""

from collections.abc import Iterator

from django.contrib import admin

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.audit import history_of
from payments.models import CoinBalance, Customer, Purchase

SHOWN = 20


@admin.display(description="E-mail")
def masked_email(customer: Customer) -> str:
    """Enough to recognise it, not enough to use it: ``r•••@example.com``."""
    name, at, domain = (customer.email or "").partition("@")
    if not at:
        return cells.EMPTY
    return f"{name[:1]}•••@{domain}"


@admin.display(description="Wallet")
def wallet(customer: Customer) -> str:
    """The reader's coins."""
    found = CoinBalance.objects.filter(user_id=customer.pk).first()
    return cells.link(found, cells.coins(found.coins)) if found else "No coins yet"


@admin.register(Customer)
class CustomerAdmin(RecordAdmin):
    """The profile is the reader's own: staff read it, with the address masked."""

    list_display = [
        "user_id",
        columns.text("country"),
        columns.text("region"),
        "currency",
        columns.text("preferred_gateway"),
        columns.moment("updated_at"),
    ]
    list_filter = ["currency"]
    search_fields = ["user_id__startswith"]
    search_help_text = "Reader id, or its beginning"
    ordering = ["user_id"]
    nothing_yet = "No profiles yet. A reader's own app writes them."

    facts = (
        "user_id",
        masked_email,
        columns.text("country"),
        columns.text("region"),
        "currency",
        columns.text("preferred_gateway"),
        columns.text("birth_year"),
        wallet,
        columns.count("version"),
        columns.moment("created_at"),
        columns.moment("updated_at"),
    )

    def sections(self, obj: Customer) -> Iterator[Section]:
        """Purchases, and who changed the profile."""
        purchases = Purchase.objects.filter(user_id=obj.pk).order_by("-id")
        shown, note = tables.newest(purchases[: SHOWN + 1], SHOWN)
        yield Table(
            title="Purchases",
            headings=["Started", "Status", number("Coins"), number("Total")],
            rows=[
                [
                    cells.link(purchase, cells.moment(purchase.created_at)),
                    purchase.get_status_display(),
                    f"{purchase.total_coins:,}",
                    cells.amount(purchase.total_micros, purchase.currency),
                ]
                for purchase in shown
            ],
            empty="This reader bought nothing yet.",
            note=note,
        )
        yield history_of("customer", obj.pk)
