"""Ledger accounts and what they hold, now and at the end of any day."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from legato_payments.lib.admin import ChangeList, RecordAdmin
from legato_payments.lib.pages import cells, tables
from legato_payments.lib.pages.proposals import DayField
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Account
from payments.queries import statements

LINES = 50
MONTHS = 36


class AsOfForm(forms.Form):
    """The day at whose end the list shows the balances."""

    as_of = DayField(label="Balances at the end of", required=False)

    def __init__(self, day: str | None) -> None:
        super().__init__(None if day is None else {"as_of": day}, label_suffix="")

    def day(self) -> date | None:
        """What was typed; nothing of what is no day, which the form then says beside the field."""
        return self.cleaned_data.get("as_of") if self.is_valid() else None


class AsOf(admin.SimpleListFilter):
    """Lets the address of the list name the day. It hides no row; the form is above the list."""

    title = "day"
    parameter_name = "as_of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Nothing to choose from: any day can be typed."""
        return []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Every account."""
        return queryset


class BalanceList(ChangeList):
    """A page of accounts with their balances, which one more query reads for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page."""
        super().get_results(request)
        self.as_of_form = AsOfForm(request.GET.get(AsOf.parameter_name))
        balances = statements.balances(self.result_list, on=self.as_of_form.day())
        for account in self.result_list:
            account.balance = balances[account.pk]


@admin.display(description="Balance")
def number_balance(account: Account) -> str:
    """What it holds, on its normal side: nothing is stored."""
    return cells.amount(getattr(account, "balance", 0), account.unit)


@admin.display(description="Balance")
def number_balance_now(account: Account) -> str:
    """The same on the page of one account, of all that was posted."""
    return cells.amount(statements.balances([account])[account.pk], account.unit)


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
    list_filter = ["owner_type", "type", "unit", AsOf]
    list_before_template = "admin/as_of.html"
    search_fields = ["code__startswith", "owner_id"]
    search_help_text = "Beginning of the code, or the owner's id"
    ordering = ["code", "owner_type", "owner_id", "unit"]
    nothing_yet = "No accounts yet. An account opens with the first posting to it."

    facts = ("code", owner, "unit", number_balance_now, "type", side, "mode")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that knows balances."""
        return BalanceList

    def sections(self, obj: Account) -> Iterator[Section]:
        """The months, then the newest lines."""
        yield months_of(obj)
        yield last_entries(obj)


def months_of(account: Account) -> Table:
    """The newest months, each from its opening to its closing balance."""
    newest_first = list(statements.months(account))[::-1]
    shown, note = tables.newest(newest_first, MONTHS)
    figures = [(month.opening, month.debits, month.credits, month.closing) for month in shown]
    digits = cells.digits_for([figure for row in figures for figure in row], account.unit)
    name = "Coins" if account.unit == cells.COIN else account.unit
    return Table(
        title="Months",
        headings=[
            "Month",
            *(number(f"{name} {what}") for what in ("opening", "debits", "credits", "closing")),
        ],
        rows=[
            [
                cells.month(month.month),
                *(cells.figure(figure, account.unit, digits=digits) for figure in row),
            ]
            for month, row in zip(shown, figures, strict=True)
        ],
        empty="Nothing was posted here yet.",
        note=note or "Accounting months, UTC. Those in which nothing moved are left out.",
    )


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
