"""Disputes: by when each has to be answered, what losing it would cost, and the answers."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Case, F, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timesince import timesince, timeuntil

from access.admin import dispute_forms
from access.admin.dispute_tables import evidence_of, losses_of, preview, steps_of
from access.services import dispute_losses
from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, ViewList, button, section_of
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm
from legato_payments.lib.pages.tables import Section, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments.admin import readers
from payments.admin.attempts import attempts_of
from payments.admin.audit import history_of
from payments.admin.transactions import posted_by
from payments.models import Dispute, Purchase
from payments.queries.overview import DUE_SOON
from payments.services import dispute_answers

Booked = Dispute.Booked
Status = Dispute.Status

RIGHTS = ("payments.view_dispute", "payments.view_purchase", "revenue.view_earning")
"""All of them: the page shows readers' money and writers' earnings at once."""

TO_LOSE = "payments.add_disputeloss"
"""To give a dispute up, and to say who bears its loss."""

TONES = {
    Status.NEEDS_RESPONSE: Tone.WARN,
    Status.UNDER_REVIEW: Tone.BUSY,
    Status.WON: Tone.GOOD,
    Status.WITHDRAWN: Tone.GOOD,
    Status.LOST: Tone.BAD,
}
BOOKED_TONES = {Booked.NONE: Tone.PLAIN, Booked.HELD: Tone.BUSY, Booked.LOST: Tone.BAD}

MONEY = columns.money("amount_micros", "currency", "Disputed")


class DisputeViews(SavedViews):
    """By what is to be done, and by what came of it."""

    views = (
        View(
            "due",
            "Due in 72 hours",
            lambda now: Q(status=Status.NEEDS_RESPONSE, evidence_due_at__lt=now + DUE_SOON),
        ),
        View("answer", "To answer", lambda _now: Q(status=Status.NEEDS_RESPONSE)),
        View("review", "Under review", lambda _now: Q(status=Status.UNDER_REVIEW)),
        View("lost", "Lost", lambda _now: Q(status=Status.LOST), is_counted=False),
        View(
            "won",
            "Won",
            lambda _now: Q(status__in=[Status.WON, Status.WITHDRAWN]),
            is_counted=False,
        ),
    )


@admin.display(description="Reader")
def reader(dispute: Dispute) -> str:
    """Whose payment it is."""
    return dispute.purchase.user_id


@admin.display(description="Evidence due")
def due(dispute: Dispute) -> str:
    """By when it has to be answered, and how long that is."""
    when = dispute.evidence_due_at
    if when is None or dispute.status != Status.NEEDS_RESPONSE:
        return cells.EMPTY
    now = clock.now()
    if when <= now:
        mark = cells.mark(f"{timesince(when, now)} late", Tone.BAD)
    else:
        tone = Tone.BAD if when - now < timedelta(days=1) else Tone.WARN
        soon = tone if when - now < DUE_SOON else Tone.PLAIN
        mark = cells.mark(f"in {timeuntil(when, now)}", soon)
    return format_html("{} {}", cells.moment(when), mark)


@admin.display(description="Who bears a loss")
def policy(dispute: Dispute) -> str:
    """The policy that is chosen."""
    return dispute.get_policy_display()


@admin.display(description="Bank's fee")
def fees(dispute: Dispute) -> str:
    """What the gateway took for it and did not give back."""
    amounts = [Money(micros, unit) for unit, micros in dispute.fees.items() if micros]
    return " · ".join(map(str, amounts)) or cells.EMPTY


@admin.register(Dispute)
class DisputeAdmin(RecordAdmin):
    """Those that wait for us first, by the time they have to be answered."""

    list_display = [
        columns.moment("opened_at", "Opened"),
        columns.state("status", TONES),
        due,
        reader,
        MONEY,
        columns.text("reason"),
        columns.state("booked", BOOKED_TONES, "In the books"),
        columns.code("gateway_id", "Gateway's id"),
    ]
    list_filter = [DisputeViews, "status", "booked", "policy", "provider", "currency"]
    list_select_related = ["purchase"]
    list_before_template = "admin/views.html"
    search_fields = ["pk", "gateway_id", "purchase", "purchase__user_id__exact"]
    search_help_text = "Id, purchase, reader or the gateway's id"
    nothing_yet = "No disputes. One appears here as soon as a payer's bank asks for a payment back."
    actions_detail = ["answer", "ask_again", "choose_policy", "accept"]

    facts = (
        columns.state("status", TONES),
        due,
        columns.state("booked", BOOKED_TONES, "In the books"),
        readers.of_purchase,
        columns.related("purchase"),
        MONEY,
        columns.money("tax_micros", "currency", "of this tax"),
        fees,
        columns.words("reason"),
        policy,
        columns.choice("provider", "Gateway"),
        columns.copyable("gateway_id", "Gateway's id"),
        columns.copyable("id"),
        columns.moment("opened_at", "Opened"),
        columns.moment("answered_at", "Answered"),
        columns.person("answered_by", "Answered by"),
        columns.moment("closed_at", "Closed"),
        columns.moment("next_attempt_at", "Asked again"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ViewList]:
        """The list with its saved views."""
        return ViewList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        """With the purchase, which every cell about the reader needs."""
        found: QuerySet[Dispute] = super().get_queryset(request)
        return found.select_related("purchase")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """What can be answered first, by its time; then what is open; then the newest."""
        to_answer = Q(status=Status.NEEDS_RESPONSE)
        return [
            Case(
                When(to_answer, then=0), When(status=Status.UNDER_REVIEW, then=1), default=2
            ).asc(),
            Case(When(to_answer, then=F("evidence_due_at"))).asc(nulls_last=True),
            "-id",
        ]

    def has_view_permission(self, request: HttpRequest, obj: Dispute | None = None) -> bool:
        """Whoever may see readers' money and writers' earnings."""
        return request.user.has_perms(RIGHTS)

    def has_propose_loss_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may decide that something is lost, and who bears it."""
        return request.user.has_perm(TO_LOSE)

    def usable(self, request: HttpRequest, row: Dispute) -> set[str]:
        """An answer while one is awaited; the policy until the loss is known."""
        found = set()
        if row.status == Status.NEEDS_RESPONSE:
            found |= {"answer", "accept"}
        if row.status in Dispute.OPEN:
            found.add("ask-again")
        if row.status != Status.LOST and row.booked != Booked.LOST:
            found.add("choose-policy")
        return found

    def sections(self, obj: Dispute) -> Iterator[Section]:
        """How far it is, what it costs or would cost, what we answered, the books."""
        yield steps_of(obj)
        if obj.status in Dispute.OPEN:
            yield from preview(obj, dispute_losses.preview(dispute_id=obj.pk, now=clock.now()))
        if obj.losses.exists():
            yield losses_of(obj)
        yield evidence_of(obj)
        yield posted_by("dispute", obj.pk)
        yield attempts_of("dispute", obj.pk)
        yield history_of("dispute", obj.pk)

    @button("Answer…", path="answer", right="change")
    def answer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send evidence to the payer's bank, once."""
        return dispute_forms.answer(self, request, self.find(request, object_id))

    @button("Ask again…", path="ask-again", right="change")
    def ask_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Find out how it stands."""
        dispute: Dispute = self.find(request, object_id)
        return self.proposal_page(
            request,
            ProposalForm,
            title=f"Ask the gateway about the dispute of {MONEY(dispute)}",
            intro="It is asked every hour anyway, and tells us by itself when something changes.",
            submit="Ask now",
            call=partial(_asked_again, dispute),
            told=lambda found: f"The gateway was asked. The dispute: {found.get_status_display()}.",
            row=dispute,
        )

    @button("Who bears it…", path="choose-policy", right="loss")
    def choose_policy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say who bears the loss, before there is one."""
        return dispute_forms.choose_policy(self, request, self.find(request, object_id))

    @button("Accept (give up)…", path="accept", right="loss", is_danger=True)
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the payer keep the money."""
        return dispute_forms.accept(self, request, self.find(request, object_id))


def _asked_again(dispute: Dispute, *, now: datetime, **_actor: object) -> Dispute:
    """As the sweep asks every hour, so nobody is named for it."""
    return dispute_answers.ask_again(dispute_id=dispute.pk, now=now)


@section_of(Purchase, permission="payments.view_dispute")
def disputes_of(purchase: Purchase) -> Table:
    """Every dispute of one purchase."""
    return Table(
        title="Disputes",
        headings=["Opened", "State", "In the books", "Reason", number("Disputed")],
        rows=[
            [
                cells.link(dispute, cells.moment(dispute.opened_at)),
                cells.mark(dispute.get_status_display(), TONES[Status(dispute.status)]),
                dispute.get_booked_display(),
                dispute.reason,
                MONEY(dispute),
            ]
            for dispute in purchase.disputes.order_by("id")
        ],
        empty="The payer's bank disputed nothing.",
    )
