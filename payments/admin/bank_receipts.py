"""Lines of bank statements, and the buttons by which a person says what one is."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Abs
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import VIEWS, RecordAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.asking import FormOf
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments.admin.audit import history_of
from payments.models import BankReceipt, Settlement
from payments.services import bank_receipts

CHOICES = 50


amount = columns.money("amount_micros", "currency", "Amount")


class MatchForm(ProposalForm):
    """The settlement that a line is."""

    told_at = {
        bank_receipts.ReceiptAmountDiffers: "allow_difference",
        bank_receipts.SettlementReceived: "settlement_id",
        bank_receipts.SettlementNotPaid: "settlement_id",
        bank_receipts.ReceiptCurrencyDiffers: "settlement_id",
    }

    settlement_id = forms.ChoiceField(label="Settlement")
    allow_difference = forms.BooleanField(
        label="The amounts differ",
        required=False,
        help_text="Needed when they do, for example because the bank kept a fee.",
    )
    reason = ReasonField(max_length=300)

    def __init__(self, *, candidates: QuerySet[Settlement], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields["settlement_id"].choices = [  # type: ignore[attr-defined]
            (str(row.pk), f"{amount(row)}, arrives {row.arrives_on}, {row.gateway_id}")
            for row in candidates
        ]


class ExplainForm(ProposalForm):
    """What a line is, if no settlement."""

    explained_as = forms.ChoiceField(label="It is", choices=BankReceipt.Reason.choices)
    reason = ReasonField(max_length=300)


class ReopenForm(ProposalForm):
    """Why a decision was wrong."""

    reason = ReasonField(max_length=300)


@admin.display(description="State")
def state(receipt: BankReceipt) -> str:
    """Whether anybody knows what it is."""
    if receipt.settlement_id:
        is_off = bank_receipts.difference(receipt)
        word = "Taken back" if receipt.is_return else "Matched"
        return cells.mark(word, Tone.WARN if is_off else Tone.GOOD)
    if receipt.explained_as:
        return cells.mark("Explained")
    return cells.mark("Open", Tone.WARN)


@admin.display(description="Booked")
def booked_on(receipt: BankReceipt) -> str:
    """The bank's day."""
    return receipt.booked_on.isoformat()


@admin.display(description="Off by")
def number_difference(receipt: BankReceipt) -> str:
    """What it has more than its settlement."""
    off = bank_receipts.difference(receipt)
    return cells.EMPTY if off is None else cells.amount(off, receipt.currency)


@admin.display(description="How matched")
def how_matched(receipt: BankReceipt) -> str:
    """By what, or by whom."""
    return receipt.get_matched_display() or cells.EMPTY


@admin.display(description="Explained as")
def explained_as(receipt: BankReceipt) -> str:
    """What a person says it is."""
    return receipt.get_explained_as_display() or cells.EMPTY


@admin.display(description="Statement")
def statement(receipt: BankReceipt) -> str:
    """The file it came with."""
    return cells.link(receipt.statement)


class State(SavedViews):
    """Lines by what is known of them."""

    title = "state"
    parameter_name = "state"
    views = (
        View("open", "Open", lambda _now: Q(settlement=None, explained_as="")),
        View("matched", "Matched", lambda _now: ~Q(settlement=None), is_counted=False),
        View("explained", "Explained", lambda _now: ~Q(explained_as=""), is_counted=False),
    )


@admin.register(BankReceipt)
class BankReceiptAdmin(RecordAdmin):
    """What the bank booked, line by line, of all statements."""

    list_display = [
        booked_on,
        columns.money("amount_micros", "currency", "Amount"),
        state,
        columns.code("reference"),
        columns.words("description"),
        columns.related("settlement", by="gateway_id"),
        columns.words("note"),
    ]
    list_before_template = VIEWS
    list_filter = [State, "matched", "explained_as", "currency"]
    list_select_related = ["settlement", "statement"]
    search_fields = ["pk", "reference"]
    search_help_text = "Id or the bank's reference"
    ordering = ["-booked_on", "-id"]
    nothing_yet = "No lines yet. They come with the bank's statements."
    actions_detail = ["match", "explain", "reopen"]

    facts = (
        state,
        columns.money("amount_micros", "currency", "Amount"),
        booked_on,
        columns.copyable("reference", "Bank's reference"),
        columns.words("description"),
        statement,
        columns.count("line"),
        columns.related("settlement", by="gateway_id"),
        number_difference,
        how_matched,
        explained_as,
        columns.words("note"),
        columns.person("decided_by", "Decided by"),
        columns.moment("decided_at", "Decided"),
        columns.copyable("id"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankReceipt]:
        """Without the files that they came with."""
        rows: QuerySet[BankReceipt] = super().get_queryset(request)
        return rows.select_related("settlement", "statement").defer("statement__content")

    def sections(self, obj: BankReceipt) -> Iterator[Section]:
        """What was decided about it, and when."""
        yield history_of("bank_receipt", obj.pk)

    def usable(self, request: HttpRequest, row: BankReceipt) -> set[str]:
        """What is open is decided; what is decided can be opened again."""
        is_open = row.settlement_id is None and not row.explained_as
        return {"match", "explain"} if is_open else {"reopen"}

    @button("Match…", path="match", right="change")
    def match(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say which settlement it is."""
        row: BankReceipt = self.find(request, object_id)
        candidates = candidates_for(row)
        return self._decide(
            request,
            row,
            partial(MatchForm, candidates=candidates),
            verb="Match",
            call=bank_receipts.match,
            told=lambda matched: f"{matched.reference} is {matched.settlement}.",
            sections=[shown(candidates)],
        )

    @button("Explain…", path="explain", right="change")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what it is, if no settlement."""
        return self._decide(
            request,
            self.find(request, object_id),
            ExplainForm,
            verb="Explain",
            call=bank_receipts.explain,
            told=lambda explained: f"{explained.reference} is explained.",
        )

    @button("Open again…", path="reopen", right="change")
    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a match or an explanation back."""
        return self._decide(
            request,
            self.find(request, object_id),
            ReopenForm,
            verb="Open again",
            call=bank_receipts.reopen,
            told=lambda opened: f"{opened.reference} is open again.",
        )

    def _decide(
        self,
        request: HttpRequest,
        row: BankReceipt,
        form: FormOf,
        *,
        verb: str,
        call: Callable[..., BankReceipt],
        told: Callable[[BankReceipt], str],
        sections: Iterable[Section] = (),
    ) -> HttpResponse:
        return self.proposal_page(
            request,
            form,
            title=f"{verb}: {cells.amount(row.amount_micros, row.currency)} of {row.booked_on}",
            intro=f"{row.reference} {row.description}".strip(),
            submit=verb,
            call=partial(call, receipt_id=row.pk),
            told=told,
            row=row,
            sections=sections,
        )


def candidates_for(receipt: BankReceipt) -> QuerySet[Settlement]:
    """Settlements that may be this line, those of the nearest amount first."""
    found = Settlement.objects.with_a_line_to_come().filter(currency=receipt.currency)
    off = Abs(Abs(F("amount_micros")) - abs(receipt.amount_micros))
    return found.order_by(off, "arrives_on", "pk")[:CHOICES]


def shown(candidates: QuerySet[Settlement]) -> Table:
    """What a person chooses from."""
    return Table(
        title="Settlements without a line of the bank",
        headings=["Settlement", number("Amount"), "Status", "Arrives", "Bank's reference"],
        rows=[
            [
                cells.link(row, row.gateway_id),
                cells.amount(row.amount_micros, row.currency),
                row.get_status_display(),
                row.arrives_on.isoformat(),
                row.bank_reference or cells.EMPTY,
            ]
            for row in candidates
        ],
        empty="Every settlement in this currency has its line.",
        note="The nearest amounts stand first.",
    )
