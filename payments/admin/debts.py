"""What readers owe: who, how much, since when, what for; and the proposal to write it off."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, ViewList, button, section_of
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import MICRO_DIGITS, Tone
from legato_payments.lib.pages.proposals import MoneyField, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments import audit
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.enums import BOOK_CURRENCY, Unit
from payments.models import ApprovalRequest, CoinBalance, Debt, Dispute, Refund
from payments.services import debt_write_offs

RIGHT = "payments.add_debtreduction"
"""To ask another person for a write-off."""

TO_OPEN = "payments.view_debt"


class WriteOffForm(ProposalForm):
    """How much of what a reader owes is given up, and why."""

    told_at = {
        audit.ReasonMissing: "reason",
        debt_write_offs.DebtSmaller: "amount",
        debt_write_offs.WriteOffEmpty: "amount",
    }

    amount = MoneyField(
        BOOK_CURRENCY,
        digits=MICRO_DIGITS,
        required=False,
        help_text="Left empty: all that the reader owes.",
    )
    reason = ReasonField(help_text="Kept with the write-off, in the books and in the audit log.")


class DebtViews(SavedViews):
    """What is still owed, and what is not."""

    views = (
        View("open", "Open", lambda _now: Q(open_micros__gt=0)),
        View("over", "Over", lambda _now: Q(open_micros=0), is_counted=False),
    )


@admin.display(description="State")
def state(debt: Debt) -> str:
    """Whether something is still owed."""
    if debt.voided_by_id is not None:
        return cells.mark("Void", Tone.PLAIN)
    if not debt.open_micros:
        return cells.mark("Covered", Tone.GOOD)
    words = "Open" if debt.open_micros == debt.amount_micros else "Open in part"
    return cells.mark(words, Tone.WARN)


@admin.display(description="For")
def cause(debt: Debt) -> str:
    """The dispute or the refund that it comes from."""
    if debt.loss is not None:
        return cells.link(debt.loss.dispute, "Lost dispute")
    assert debt.closing is not None, debt
    return cells.link(debt.closing.refund, "Refund paid after it had failed")


@admin.display(description="Reader")
def reader(debt: Debt) -> str:
    """Who owes."""
    return cells.link(debt.wallet, debt.wallet.user_id)


@admin.display(description="Age")
def age(debt: Debt) -> str:
    """How long it has been owed."""
    return timesince(debt.owed_at, clock.now())


OWED = columns.money("amount_micros", Unit.USD, "Owed at first")
OPEN = columns.money("open_micros", Unit.USD, "Still owed")


@admin.register(Debt)
class DebtAdmin(RecordAdmin):
    """A row per cause; a reader pays all of them together, the oldest first."""

    list_display = [columns.moment("owed_at", "Since"), reader, state, OPEN, OWED, cause, age]
    list_filter = [DebtViews]
    list_select_related = ["wallet", "loss__dispute", "closing__refund"]
    list_before_template = "admin/views.html"
    search_fields = ["pk", "wallet__user_id__exact"]
    search_help_text = "Number or reader"
    ordering = ["-id"]
    nothing_yet = "Nobody owes anything. A lost dispute that the reader is to bear comes here."
    actions_detail = ["write_off"]

    facts = (
        reader,
        state,
        OWED,
        OPEN,
        cause,
        columns.moment("owed_at", "Since"),
        columns.related("transaction", "Charged by", by="get_kind_display"),
        columns.related("voided_by", "Void by", by="get_kind_display"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ViewList]:
        """The list with its saved views."""
        return ViewList

    def usable(self, request: HttpRequest, row: Debt) -> set[str]:
        """Only while something is owed."""
        return {"write-off"} if row.open_micros else set()

    def sections(self, obj: Debt) -> Iterator[Section]:
        """Everything the reader owes, and what covered it."""
        yield from sections_of(obj.wallet)
        yield history_of("user", obj.wallet.user_id)

    @button("Write off…", path="write-off", right="reduction")
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask another person to give up what the reader owes, or a part of it."""
        debt: Debt = self.find(request, object_id)
        return write_off_page(self, request, debt.wallet, row=debt)

    def has_propose_reduction_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may ask for a write-off."""
        return request.user.has_perm(RIGHT)


def write_off_page(
    owner: RecordAdmin, request: HttpRequest, wallet: CoinBalance, *, row: Debt | CoinBalance
) -> HttpResponse:
    """Ask how much and why, and propose it.

    Args:
        row: Whose page it was asked on.
    """
    owed = Money(wallet.debt_micros, BOOK_CURRENCY)
    return owner.proposal_page(
        request,
        WriteOffForm,
        title=f"Write off what {wallet.user_id} owes",
        intro=f"{owed} are owed. What is given up is our loss when another person has agreed; who"
        " owes nothing any more can spend again.",
        submit="Propose it",
        call=partial(debt_write_offs.propose, user_id=wallet.user_id),
        told=partial(or_waiting, done="{} is done."),
        row=row,
        sections=list(sections_of(wallet)),
    )


def sections_of(wallet: CoinBalance) -> Iterator[Section]:
    """What a reader owes, what covered it, and what waits for another person."""
    yield _debts_of(wallet)
    yield _reductions_of(wallet)
    waiting = waiting_on("user", wallet.user_id)
    if waiting:
        yield waiting


@section_of(CoinBalance, permission=TO_OPEN)
def debts_of(wallet: CoinBalance) -> Section | None:
    """What a reader owes or owed, on the page of the wallet."""
    return _debts_of(wallet) if wallet.debts.exists() else None


@section_of(CoinBalance, permission=TO_OPEN)
def reductions_of(wallet: CoinBalance) -> Section | None:
    """What covered it, on the same page."""
    return _reductions_of(wallet) if wallet.reductions.exists() else None


@section_of(Refund, permission=TO_OPEN)
def debts_of_refund(refund: Refund) -> Section | None:
    """What a reader owes because a refund was paid after it had failed."""
    return _one_table(Debt.objects.filter(closing__refund=refund))


@section_of(Dispute, permission=TO_OPEN)
def debts_of_dispute(dispute: Dispute) -> Section | None:
    """What a reader owes because a dispute was lost."""
    return _one_table(Debt.objects.filter(loss__dispute=dispute))


def _one_table(debts: QuerySet[Debt]) -> Section | None:
    found = debts.select_related("loss__dispute", "closing__refund").order_by("id")
    return _table([*found], title="Debt of the reader") if found else None


def _debts_of(wallet: CoinBalance) -> Table:
    found = wallet.debts.select_related("wallet", "loss__dispute", "closing__refund")
    return _table([*found.order_by("id")], title="Debts")


def _table(debts: list[Debt], *, title: str) -> Table:
    total = sum(debt.open_micros for debt in debts)
    return Table(
        title=title,
        headings=["Since", "For", "State", number("Owed at first"), number("Still owed")],
        rows=[
            [
                cells.link(debt, cells.moment(debt.owed_at)),
                cause(debt),
                state(debt),
                OWED(debt),
                OPEN(debt),
            ]
            for debt in debts
        ],
        totals=["", "", "Total", "", cells.amount(total, Unit.USD)],
        empty="This reader owes nothing.",
    )


def _reductions_of(wallet: CoinBalance) -> Table:
    found = wallet.reductions.select_related("purchase", "transaction").order_by("id")
    approved = ApprovalRequest.objects.in_bulk(
        [row.approval_id for row in found if row.approval_id is not None]
    )
    return Table(
        title="What covered them",
        headings=["When", "How", "Reason", number("Amount"), number("Taken back since")],
        rows=[
            [
                cells.link(row.transaction, cells.moment(row.reduced_at)),
                cells.link(row.purchase, "Paid by a purchase")
                if row.purchase is not None
                else cells.link(approved.get(row.approval_id), "Written off"),
                row.reason or cells.EMPTY,
                cells.amount(row.amount_micros, Unit.USD),
                cells.amount(row.undone_micros, Unit.USD),
            ]
            for row in found
        ],
        empty="Nothing was paid or written off yet.",
    )
