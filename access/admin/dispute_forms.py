"""Answering a dispute, giving it up, and saying who bears its loss."""

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from access.admin.dispute_tables import checklist, spent_coins, unused_coins, who_bears
from access.queries import dispute_evidence
from access.services import dispute_losses
from access.services.dispute_impact import Impact
from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.proposals import Confirmation, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section
from payments import audit
from payments.enums import BOOK_CURRENCY
from payments.gateways.values import Evidence
from payments.models import Dispute
from payments.services import dispute_answers

Policy = Dispute.Policy

MAX_TEXT = dispute_evidence.MAX_TEXT


class TextField(forms.CharField):
    """Several lines that a bank reads."""

    def __init__(self, rows: int, help_text: str) -> None:
        super().__init__(
            required=False,
            max_length=MAX_TEXT,
            help_text=help_text,
            widget=forms.Textarea(attrs={"rows": rows}),
        )


class EvidenceForm(ProposalForm):
    """What we answer; nothing of the reader's that is not needed."""

    told_at = {dispute_answers.EvidenceEmpty: "message"}

    product_description = TextField(4, "What was bought.")
    access_log = TextField(8, "When which chapter was opened with these coins.")
    message = TextField(4, "The receipt, and whatever else speaks for us.")
    terms = TextField(2, "What the reader had agreed to.")
    receipt_url = forms.URLField(
        required=False,
        max_length=500,
        label="Receipt",
        help_text="Address of the receipt, where the bank can open it.",
        assume_scheme="https",
    )
    customer_email = forms.EmailField(
        required=False,
        label="Reader's e-mail",
        help_text="Only where the bank needs it: it is kept with the answer.",
    )

    def arguments(self) -> dict[str, Any]:
        """All of it as one answer."""
        return self.folded("evidence", Evidence, but=())


class AcceptForm(ProposalForm):
    """Why a dispute is given up."""

    told_at = {audit.ReasonMissing: "reason"}

    reason = ReasonField()


class PolicyForm(ProposalForm):
    """Who bears the loss, and why."""

    told_at = {audit.ReasonMissing: "reason", dispute_losses.LossIsBooked: "policy"}

    policy = forms.TypedChoiceField(label="Who bears it", choices=Policy.choices, coerce=Policy)
    reason = ReasonField()


def answer(owner: RecordAdmin, request: HttpRequest, dispute: Dispute) -> HttpResponse:
    """Show what we know, let people complete it, and send it once."""
    known = dispute_evidence.of(dispute)
    return owner.proposal_page(
        request,
        EvidenceForm,
        initial=asdict(known.evidence),
        title=f"Answer the dispute of {_money(dispute)} by {dispute.purchase.user_id}",
        intro="Filled in from our books as far as they know; complete it, then look once more.",
        submit="Look at it once more",
        call=partial(dispute_answers.answer, dispute_id=dispute.pk),
        told=lambda found: f"The evidence is sent. The dispute: {found.get_status_display()}.",
        row=dispute,
        sections=[checklist(known)],
        confirm=partial(_what_is_sent, dispute),
    )


def _what_is_sent(dispute: Dispute, *, evidence: Evidence, **_rest: object) -> Confirmation:
    """Which parts go to the bank.

    Raises:
        dispute_answers.EvidenceEmpty: None.
    """
    parts = [name.replace("_", " ") for name, words in asdict(evidence).items() if words]
    if not parts:
        raise dispute_answers.EvidenceEmpty
    return Confirmation(
        words=f"This goes to the bank about {_money(dispute)}: {', '.join(parts)}."
        " It is the only answer we can give; nothing can be added later.",
        submit="Send this evidence",
    )


def accept(owner: RecordAdmin, request: HttpRequest, dispute: Dispute) -> HttpResponse:
    """Say what giving up would cost, and give up."""
    impact = dispute_losses.preview(dispute_id=dispute.pk, now=clock.now())
    cost = Confirmation(
        words="\n".join(_effects(dispute, impact)), submit=f"Give up {_money(dispute)}"
    )
    return owner.proposal_page(
        request,
        AcceptForm,
        title=f"Give up the dispute of {_money(dispute)} by {dispute.purchase.user_id}",
        intro="The payer keeps the money, and nobody can answer any more.",
        submit="See what giving up costs",
        call=partial(dispute_answers.accept, dispute_id=dispute.pk),
        told=lambda _given_up: f"Given up: {_money(dispute)} stay with the payer.",
        row=dispute,
        sections=_impact(dispute, impact),
        confirm=lambda **_typed: cost,
        is_danger=True,
    )


def choose_policy(owner: RecordAdmin, request: HttpRequest, dispute: Dispute) -> HttpResponse:
    """Show the loss under each policy, and choose one."""
    return owner.proposal_page(
        request,
        PolicyForm,
        initial={"policy": dispute.policy},
        title=f"Who bears a loss of {_money(dispute)}",
        intro="Counts when the dispute is lost, and can be changed until then.",
        submit="Choose",
        call=partial(dispute_losses.choose_policy, dispute_id=dispute.pk),
        told=lambda changed: f"If it is lost: {changed.get_policy_display()}.",
        row=dispute,
        sections=_impact(dispute, dispute_losses.preview(dispute_id=dispute.pk, now=clock.now())),
    )


def _impact(dispute: Dispute, impact: Impact) -> Iterable[Section]:
    return [who_bears(dispute, impact), unused_coins(impact), spent_coins(impact)]


def _effects(dispute: Dispute, impact: Impact) -> Iterable[str]:
    """What giving up means, sentence by sentence."""
    yield f"{_money(dispute)} stay with the payer. The bank's fee stays with the bank."
    taken = sum(impact.coins.values())
    if taken:
        whose = ", ".join(impact.coins)
        yield f"{cells.coins(taken)}, worth {_usd(impact.unused_micros)}, are taken from {whose}."
    if back := impact.writers_micros(dispute.policy):
        writers = sorted({part.earning.writer_id for part in impact.parts(dispute.policy)})
        yield f"{_usd(back)} of earnings are taken back from {', '.join(writers)}."
    if ours := impact.platform_micros(dispute.policy):
        yield f"{_usd(ours)} are our loss."
    if owed := impact.reader_micros(dispute.policy):
        yield f"{dispute.purchase.user_id} owes us {_usd(owed)}."
    if impact.spent_micros:
        yield f"{dispute.purchase.user_id} can spend nothing until that is settled."
    yield "This cannot be undone."


def _money(dispute: Dispute) -> Money:
    return Money(dispute.amount_micros, dispute.currency)


def _usd(micros: int) -> Money:
    return Money(micros, BOOK_CURRENCY)
