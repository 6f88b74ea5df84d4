"""Money refunds: what is on its way back, and what a person has to look at."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, ViewList, button, section_of
from legato_payments.lib.pages import cells, columns, people
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Step, Steps, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments import audit
from payments.admin import contradictions, readers
from payments.admin.attempts import attempts_of
from payments.admin.audit import history_of
from payments.admin.transactions import posted_by
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRequest, Attempt, LotUse, Purchase, Refund
from payments.queries import purchase_coins
from payments.services import refund_care

Status = Refund.Status

TONES = {
    Status.REQUESTED: Tone.BUSY,
    Status.PENDING: Tone.BUSY,
    Status.NEEDS_ATTENTION: Tone.WARN,
    Status.SUCCEEDED: Tone.GOOD,
    Status.FAILED: Tone.BAD,
    Status.CONTRADICTED: Tone.BAD,
}

MONEY = columns.money("amount_micros", "currency", "Money")
GOODWILL = columns.money("goodwill_micros", "currency", "Goodwill")


class RefundViews(SavedViews):
    """By whether a person has to look."""

    views = (
        View(
            "waiting",
            "To look at",
            lambda _now: Q(status__in=[Status.NEEDS_ATTENTION, Status.CONTRADICTED]),
        ),
        View("open", "Open", lambda _now: Q(status__in=Refund.OPEN)),
    )


class GiveUpForm(ProposalForm):
    """Why a refund is given up."""

    told_at = {audit.ReasonMissing: "reason"}

    reason = ReasonField()


@admin.display(description="Reader")
def reader(refund: Refund) -> str:
    """Who paid, and gets it back."""
    return refund.purchase.user_id


@admin.display(description="Age")
def age(refund: Refund) -> str:
    """Since when the payer waits, or how long it took."""
    return timesince(refund.requested_at, refund.completed_at or clock.now())


@admin.display(description="What went wrong")
def what_went_wrong(refund: Refund) -> str:
    """The gateway's code, as the words that it is made of."""
    return refund.failure_code.replace("_", " ") or cells.EMPTY


@admin.display(description="Approval")
def approval(refund: Refund) -> str:
    """The proposal that another person agreed to."""
    if refund.approval_id is None:
        return cells.EMPTY
    found = ApprovalRequest.objects.filter(pk=refund.approval_id).first()
    return cells.link(found, "Approved request")


@admin.display(description="Gateway")
def provider(refund: Refund) -> str:
    """Where the money goes out."""
    return refund.purchase.get_provider_display()


@admin.display(description="Gateway's last word")
def gateway_says(refund: Refund) -> str:
    """Of one that it contradicts itself about: what it said last, and when."""
    if not refund.last_word:
        return cells.EMPTY
    return format_html("{}, {}", refund.get_last_word_display(), cells.moment(refund.last_word_at))


@admin.register(Refund)
class RefundAdmin(RecordAdmin):
    """Begun on the page of a purchase, by a reader, or at the gateway's own dashboard."""

    list_display = [
        columns.moment("requested_at", "Requested"),
        columns.state("status", TONES),
        reader,
        MONEY,
        GOODWILL,
        columns.count("coins"),
        "kind",
        age,
        columns.code("gateway_id", "Gateway's id"),
    ]
    list_filter = [RefundViews, "status", "kind", "currency", "purchase__provider"]
    list_select_related = ["purchase"]
    list_before_template = "admin/views.html"
    search_fields = ["pk", "reference", "gateway_id", "purchase", "purchase__user_id__exact"]
    search_help_text = "Id, purchase, reader, our reference or the gateway's id"
    ordering = ["-id"]
    nothing_yet = "No refunds yet. “Pay back” on the page of a purchase begins one."
    actions_detail = ["ask_again", "give_up", "close_contradiction"]

    facts = (
        columns.state("status", TONES),
        what_went_wrong,
        gateway_says,
        readers.of_purchase,
        columns.related("purchase"),
        MONEY,
        columns.money("tax_micros", "currency", "of this tax"),
        columns.money("goodwill_micros", "currency", "of this goodwill"),
        columns.count("coins", "Coins taken"),
        columns.money("value_micros", BOOK_CURRENCY, "Value of the coins"),
        "kind",
        columns.words("reason"),
        columns.person("requested_by"),
        approval,
        provider,
        columns.copyable("reference", "Our reference"),
        columns.copyable("gateway_id", "Gateway's id"),
        columns.copyable("id"),
        columns.moment("requested_at"),
        columns.moment("completed_at"),
        age,
        columns.moment("next_attempt_at", "Asked again"),
        columns.related("transaction", by="get_kind_display"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ViewList]:
        """The list with its saved views."""
        return ViewList

    def usable(self, request: HttpRequest, row: Refund) -> set[str]:
        """What is over is left alone; only what is stuck is given up."""
        if row.status == Status.CONTRADICTED:
            return {"ask-again", "close-contradiction"}
        found = {"ask-again"} if row.status in Refund.OPEN else set()
        return found | {"give-up"} if row.status == Status.NEEDS_ATTENTION else found

    def sections(self, obj: Refund) -> Iterator[Section]:
        """How far it is, then the coins, the books and the gateway."""
        yield steps_of(obj)
        if obj.last_word:
            yield from contradictions.waiting_of(obj)
            yield contradictions.closings_of(obj)
        yield coins_of(obj.purchase)
        yield posted_by("refund", obj.pk)
        yield attempts_of("refund", obj.pk)
        yield history_of("refund", obj.pk)

    @button("Ask again…", path="ask-again", right="change")
    def ask_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Find out how it stands; what never arrived is asked for once more."""
        refund: Refund = self.find(request, object_id)
        if refund.status == Status.CONTRADICTED:
            return contradictions.ask_page(self, request, refund)
        return self.proposal_page(
            request,
            ProposalForm,
            title=f"Ask the gateway about {MONEY(refund)} for {refund.purchase.user_id}",
            intro="With the same key and reference, so it is paid back once at the most.",
            submit="Ask now",
            call=partial(refund_care.ask_again, refund_id=refund.pk),
            told=lambda found: f"The gateway was asked. The refund: {found.get_status_display()}.",
            row=refund,
            sections=[attempts_of("refund", refund.pk)],
        )

    @button("Give it up…", path="give-up", right="change", is_danger=True)
    def give_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the coins back of a refund that the gateway does not have."""
        refund: Refund = self.find(request, object_id)
        return self.proposal_page(
            request,
            GiveUpForm,
            title=f"Give up the refund of {MONEY(refund)} to {refund.purchase.user_id}",
            intro=f"The gateway is asked once more. Where it does not have the refund, no money"
            f" goes back, and {cells.coins(refund.coins)} are the reader's again.",
            submit="Give it up",
            call=partial(refund_care.give_up, refund_id=refund.pk),
            told=lambda given_up: (
                f"Given up: {cells.coins(given_up.coins)} are the reader's again."
            ),
            row=refund,
            sections=[attempts_of("refund", refund.pk)],
            is_danger=True,
        )

    @button("Close it…", path="close-contradiction", right="closing", is_danger=True)
    def close_contradiction(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say who bears a refund that was paid after it had failed, or that it failed after all."""
        return contradictions.close_page(self, request, self.find(request, object_id))

    def has_propose_closing_permission(self, request: HttpRequest, *_: Any) -> bool:
        """It is care, and it may give money away: whoever may do both."""
        return self._has_right(request, "add") and self._has_right(request, "change")


def steps_of(refund: Refund) -> Steps:
    """Requested, at the gateway, done; each with who and when."""
    asked = Attempt.objects.filter(object_type="refund", object_id=str(refund.pk)).first()
    if refund.kind == Refund.Kind.GATEWAY:
        sent = Step("Made at the gateway", [cells.code(refund.gateway_id)], Tone.GOOD)
    elif asked:
        tries = f"{asked.tries:,} tries" if asked.tries > 1 else "1 try"
        words = [cells.moment(asked.sent_at), tries]
        sent = Step("At the gateway", words, Tone.GOOD if refund.gateway_id else Tone.BUSY)
    else:
        sent = Step("At the gateway", ["not asked yet"])
    begun = [cells.moment(refund.requested_at), people.name_of(refund.requested_by)]
    return Steps(
        title="How far it is",
        steps=[Step("Requested", begun, Tone.GOOD), sent, _last_step(refund)],
    )


def _last_step(refund: Refund) -> Step:
    tone = TONES[Status(refund.status)]
    match refund.status:
        case Status.SUCCEEDED:
            return Step("Paid back", [cells.moment(refund.completed_at)], tone)
        case Status.FAILED:
            came_back = "the coins came back"
            when = cells.moment(refund.completed_at)
            return Step("Failed", [when, came_back, what_went_wrong(refund)], tone)
        case Status.CONTRADICTED:
            paid = "The gateway now says that it paid what had failed."
            both = "The reader has the coins and the money: ask the gateway, and close it."
            return Step("Contradicted", [paid, both], tone)
        case Status.NEEDS_ATTENTION:
            return Step("Needs attention", [what_went_wrong(refund)], tone)
        case _:
            return Step("Done", ["not yet"])


def coins_of(purchase: Purchase) -> Table:
    """What became of the coins of a purchase: spent ones cannot be paid back."""
    coins = purchase_coins.of_purchase(purchase)
    rows = [[kind.label, f"{used:,}"] for kind in LotUse.Kind if (used := coins.used.get(kind, 0))]
    frozen = f", of these {coins.frozen:,} frozen" if coins.frozen else ""
    rows.append([f"Left{frozen}", f"{coins.left:,}"])
    if coins.elsewhere:
        rows.append(["Left with readers they were given to", f"{coins.elsewhere:,}"])
    return Table(
        title="Coins of the purchase",
        headings=["What", number("Coins")],
        rows=rows,
        totals=["Total", f"{coins.total:,}"],
    )


@section_of(Purchase, permission="payments.view_refund")
def refunds_of(purchase: Purchase) -> Table:
    """Every refund of one purchase."""
    found = purchase.refunds.order_by("id")
    return Table(
        title="Refunds",
        headings=["Requested", "State", "Kind", number("Money"), number("Coins"), "Reason"],
        rows=[
            [
                cells.link(refund, cells.moment(refund.requested_at)),
                cells.mark(refund.get_status_display(), TONES[Status(refund.status)]),
                refund.get_kind_display(),
                MONEY(refund),
                f"{refund.coins:,}",
                refund.reason,
            ]
            for refund in found
        ],
        empty="Nothing was paid back.",
    )
