"""The pages on which finance closes a gateway's contradiction about a refund."""

from datetime import datetime
from functools import partial

from django import forms
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, people
from legato_payments.lib.pages.proposals import Confirmation, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, number
from payments import audit
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.attempts import attempts_of
from payments.enums import BOOK_CURRENCY, Unit
from payments.models import Refund, RefundClosing
from payments.services import refund_contradictions

Decision = RefundClosing.Decision


class CloseForm(ProposalForm):
    """What is done about it, and why."""

    told_at = {
        audit.ReasonMissing: "reason",
        refund_contradictions.GatewayDisagrees: "decision",
    }

    decision = forms.TypedChoiceField(label="What to do", choices=Decision.choices, coerce=Decision)
    reason = ReasonField(help_text="Kept with the closing, in the books and in the audit log.")


def ask_page(owner: RecordAdmin, request: HttpRequest, refund: Refund) -> HttpResponse:
    """Ask the gateway whether it paid, and tell what it says."""
    money = Money(refund.amount_micros, refund.currency)
    return owner.proposal_page(
        request,
        ProposalForm,
        title=f"Ask the gateway about {money} for {refund.purchase.user_id}",
        intro="It said that this refund failed, and then that it was paid. It is only asked.",
        submit="Ask now",
        call=partial(refund_contradictions.ask, refund_id=refund.pk),
        told=lambda found: f"The gateway says now: {found.get_last_word_display().lower()}.",
        row=refund,
        sections=[attempts_of("refund", refund.pk)],
    )


def close_page(owner: RecordAdmin, request: HttpRequest, refund: Refund) -> HttpResponse:
    """Choose what is done, see what it comes to, and do it or propose it."""
    return owner.proposal_page(
        request,
        CloseForm,
        title=f"Close the contradiction about {Money(refund.amount_micros, refund.currency)}"
        f" for {refund.purchase.user_id}",
        intro="The gateway is asked once more; only what agrees with its answer can be done.",
        submit="See what it comes to",
        call=partial(refund_contradictions.propose, refund_id=refund.pk),
        told=partial(
            or_waiting, done="Closed: what the gateway says and what our books say agree."
        ),
        row=refund,
        sections=[*waiting_of(refund), closings_of(refund), attempts_of("refund", refund.pk)],
        confirm=partial(_confirmation, refund),
        is_danger=True,
    )


def waiting_of(refund: Refund) -> list[Section]:
    """What somebody proposes to close it by."""
    waiting = waiting_on("refund", refund.pk)
    return [waiting] if waiting else []


def closings_of(refund: Refund) -> Table:
    """How it was closed before, each with what it came to."""
    found = refund.closings.select_related("transaction", "undone_by").order_by("id")
    return Table(
        title="Closed",
        headings=[
            "When",
            "What was done",
            "By",
            "Reason",
            number("Coins taken"),
            number("Reader owes"),
            number("We bear"),
            "Undone",
        ],
        rows=[
            [
                cells.link(row.transaction, cells.moment(row.closed_at))
                if row.transaction
                else cells.moment(row.closed_at),
                row.get_decision_display(),
                people.name_of(row.closed_by),
                row.reason,
                f"{row.coins:,}",
                cells.amount(row.owed_micros, Unit.USD),
                cells.amount(row.goodwill_micros, Unit.USD),
                cells.link(row.undone_by, "by the gateway") if row.undone_by else cells.EMPTY,
            ]
            for row in found
        ],
        empty="Not closed yet.",
    )


def _confirmation(
    refund: Refund,
    *,
    decision: RefundClosing.Decision,
    actor: str,
    now: datetime,
    **_reason: object,
) -> Confirmation:
    """What the gateway says now, what would be done about it, and who has to agree.

    Raises:
        refund_contradictions.GatewayDisagrees: That cannot be done.
    """
    found = refund_contradictions.ask(refund_id=refund.pk, actor=actor, now=now)
    refund_contradictions.check(found, decision)
    others = refund_contradictions.people_needed(
        refund=found, decision=decision, actor=actor, now=now
    )
    how = "Another person has to agree first." if others else "This is done at once."
    says = found.get_last_word_display().lower()
    return Confirmation(
        words=f"The gateway says: {says}. {_effect(found, decision)} {how}",
        submit="Propose to close it so" if others else "Close it so",
    )


def _effect(refund: Refund, decision: RefundClosing.Decision) -> str:
    """What it would come to, in a sentence."""
    money = Money(refund.amount_micros, refund.currency)
    if decision == Decision.FAILED:
        return f"Nothing moves: {cells.coins(refund.coins)} stay with the reader."
    plan = refund_contradictions.preview(refund=refund, decision=decision)
    ours = Money(plan.goodwill_micros, BOOK_CURRENCY)
    if decision == Decision.GOODWILL:
        return f"{money} are out at our cost ({ours}); the reader keeps the coins."
    owed = Money(plan.owed_micros, BOOK_CURRENCY)
    words = f"{money} are out, and {cells.coins(plan.coins)} are taken again"
    if plan.owed_micros:
        words += f"; the reader owes {owed} and can spend nothing until that is settled"
    if plan.goodwill_micros:
        words += f"; {ours} are goodwill as before"
    return f"{words}."
