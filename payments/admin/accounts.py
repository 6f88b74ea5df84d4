"""Ledger accounts and what they hold."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, tables
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Account
from payments.queries import books

LINES = 50


@admin.display(description="Balance")
def number_balance(account: Account) -> str:
    """The sum of its entries, on its normal side: nothing is stored."""
    return cells.amount(getattr(account, "balance", 0), account.unit)


@admin.display(description="Owner")
def owner(account: Account) -> str:
    """Who the value belongs to."""
    return account.owner_id or account.get_owner_type_display()


@admin.display(description="Grows by")
def side(account: Account) -> str:
    """Its normal side."""
    return "debits" if account.normal_side > 0 else "credits"


@admin.register(Account)
class AccountAdmin(RecordAdmin):
    """Accounts open themselves when first posted to."""

    list_display = ["code", owner, "unit", "type", number_balance]
    list_filter = ["owner_type", "type", "unit"]
    search_fields = ["code__startswith", "owner_id"]
    search_help_text = "Beginning of the code, or the owner's id"
    ordering = ["code", "owner_type", "owner_id", "unit"]
    nothing_yet = "No accounts yet. An account opens with the first posting to it."

    facts = ("code", owner, "unit", number_balance, "type", side, "mode")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With the balance of each, in the same query."""
        return books.with_balance(super().get_queryset(request))

    def sections(self, obj: Account) -> Iterator[Section]:
        """The newest lines."""
        yield last_entries(obj)


def last_entries(account: Account) -> Table:
    """The newest lines of an account."""
    entries = account.entries.select_related("transaction").order_by("-transaction_id", "-line")
    shown, note = tables.newest(entries[: LINES + 1], LINES)
    unit = account.unit
    digits = cells.digits_for([entry.amount for entry in shown], unit)
    rows = []
    for entry in shown:
        figure = cells.figure(abs(entry.amount), unit, digits=digits)
        rows.append(
            [
                cells.moment(entry.transaction.occurred_at),
                cells.link(entry.transaction, entry.transaction.get_kind_display()),
                entry.transaction.memo or cells.EMPTY,
                figure if entry.amount > 0 else "",
                figure if entry.amount < 0 else "",
            ]
        )
    name = "Coins" if unit == cells.COIN else unit
    return Table(
        title="Last entries",
        headings=[
            "Occurred",
            "Transaction",
            "Memo",
            number(f"{name} debit"),
            number(f"{name} credit"),
        ],
        rows=rows,
        empty="Nothing was posted here yet.",
        note=note,
    )
