"""What waits for another person, and the buttons by which that person decides."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import VIEWS, RecordAdmin, actor_of, button
from legato_payments.lib.pages import cells, columns, people
from legato_payments.lib.pages.asking import FormOf
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table
from legato_payments.lib.pages.views import SavedViews, View
from payments import approvals, audit
from payments.admin import readers
from payments.admin.audit import compared, history_of
from payments.models import (
    ApprovalDecision,
    ApprovalRequest,
    CoinPackage,
    Difference,
    Purchase,
    Refund,
)
from payments.queries import approvals as approval_queries

Status = ApprovalRequest.Status
TONES = {
    Status.PENDING: Tone.BUSY,
    Status.APPROVED: Tone.BUSY,
    Status.EXECUTED: Tone.GOOD,
    Status.FAILED: Tone.BAD,
    Status.REJECTED: Tone.WARN,
}


ABOUT: Mapping[str, type[Model]] = {
    "coin_package": CoinPackage,
    "difference": Difference,
    "purchase": Purchase,
    "refund": Refund,
}
"""Targets that are rows with a page, by their key."""


def or_waiting(made: object, done: str) -> str:
    """What to tell who proposed something: that it waits, with a link, or that it is done.

    Args:
        done: With ``{}`` where the made row is named.
    """
    if not isinstance(made, ApprovalRequest):
        return done.format(made)
    return format_html(
        'Waiting for another person: <a class="bo-link" href="{}">{}</a>.',
        cells.page_of(made),
        made.summary,
    )


def waiting_on(kind: str, target_id: object) -> Table | None:
    """What somebody proposes for one object; nothing when nobody does."""
    found = approval_queries.open_requests(now=clock.now())
    found = found.filter(target_type=kind, target_id=str(target_id)).order_by("id")
    rows = [
        [
            cells.link(row, row.summary),
            people.name_of(row.maker),
            cells.moment(row.created_at),
            row.reason,
        ]
        for row in found
    ]
    if not rows:
        return None
    return Table(
        title="Waiting for another person", headings=["What", "By", "When", "Reason"], rows=rows
    )


class ApproveForm(ProposalForm):
    """An approval of the payload that the person saw."""

    payload_hash = forms.CharField(widget=forms.HiddenInput)
    reason = ReasonField(required=False, label="Note")


class RejectForm(ApproveForm):
    """A refusal, which says why."""

    told_at = {audit.ReasonMissing: "reason"}

    reason = ReasonField(help_text="Whoever proposed it reads this.")


@admin.display(description="State")
def state(request: ApprovalRequest) -> str:
    """Where it stands; too old counts as closed before the sweep says so."""
    if request.status == Status.PENDING and request.expires_at <= clock.now():
        return cells.mark(Status.EXPIRED.label)
    return cells.mark(request.get_status_display(), TONES.get(Status(request.status), Tone.PLAIN))


@admin.display(description="Waits for")
def waits_for(request: ApprovalRequest) -> str:
    """Whether the person who looks can decide it."""
    if getattr(request, "is_mine", False):
        return cells.mark("You", Tone.WARN)
    return "Others" if request.status == Status.PENDING else cells.EMPTY


@admin.display(description="Age")
def age(request: ApprovalRequest) -> str:
    """Since when it waits, or how long it waited."""
    return timesince(request.created_at, request.closed_at or clock.now())


@admin.display(description="Agreed")
def number_agreed(request: ApprovalRequest) -> str:
    """How many did, of how many it needs."""
    return f"{getattr(request, 'agreed', 0)} of {request.needed}"


@admin.display(description="About")
def target(request: ApprovalRequest) -> str:
    """What it changes, as a link where that is a row with a page; else its kind and id."""
    kind = request.target_type.replace("_", " ").capitalize()
    if request.target_type == "user":
        return readers.link(request.target_id)
    row = cells.find(ABOUT, request.target_type, request.target_id)
    return cells.link(row) if row else f"{kind} {request.target_id}"


@admin.display(description="Amount")
def number_amount(request: ApprovalRequest) -> str:
    """In US dollars, where it is about an amount."""
    if request.amount_micros is None:
        return cells.EMPTY
    return cells.amount(request.amount_micros, request.currency)


class ApprovalViews(SavedViews):
    """What is still to be decided, and by whom."""

    views = (View("open", "Open", lambda _now: Q(status=Status.PENDING)),)

    def views_of(self, request: HttpRequest) -> list[View]:
        """What this person can decide, and what this person asked for."""

        def mine(now: datetime) -> Q:
            return Q(pk__in=approval_queries.waiting_for(request.user, now=now).values("pk"))

        def own(_now: datetime) -> Q:
            return Q(maker=actor_of(request), status=Status.PENDING)

        return [View("mine", "Waiting for me", mine), View("own", "Proposed by me", own)]


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(RecordAdmin):
    """Requests, those that the person can decide first."""

    list_display = [
        columns.words("summary", "What"),
        state,
        waits_for,
        columns.person("maker", "By"),
        age,
        number_agreed,
        columns.moment("created_at", "Proposed"),
    ]
    list_before_template = VIEWS
    list_filter = [ApprovalViews, "status", "action"]
    search_fields = ["pk", "maker", "target_id"]
    search_help_text = "Request, login of its maker, or the id of what it is about"
    nothing_yet = "Nothing was proposed yet. Changes of prices, rates and limits come here."
    actions_detail = ["approve", "withdraw", "reject"]

    facts = (
        columns.words("summary", "What"),
        state,
        columns.person("maker", "By"),
        columns.words("reason"),
        age,
        number_agreed,
        number_amount,
        target,
        columns.code("action", "Job"),
        columns.moment("created_at", "Proposed"),
        columns.moment("expires_at", "Expires"),
        columns.moment("closed_at", "Closed"),
        columns.words("error"),
        columns.copyable("payload_hash", "SHA-256 of the payload"),
        columns.copyable("id"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        """With whether each waits for this person, and how many agreed."""
        mine = approval_queries.waiting_for(request.user, now=clock.now())
        agreed = Q(decisions__word=ApprovalDecision.Word.APPROVE)
        # Not from super(), which would sort by what is only annotated here.
        rows = ApprovalRequest.objects.annotate(
            is_mine=Q(pk__in=mine.values("pk")), agreed=Count("decisions", filter=agreed)
        )
        return rows.order_by(*self.get_ordering(request))

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What waits for this person first, then the newest."""
        return ["-is_mine", "-id"]

    def sections(self, obj: ApprovalRequest) -> Iterator[Section]:
        """What would change, and who said what."""
        yield what_changes(obj)
        yield decisions_of(obj)
        yield history_of("approval_request", obj.pk)

    def usable(self, request: HttpRequest, row: ApprovalRequest) -> set[str]:
        """What this person can do with this request, as long as it is open."""
        if row.status != Status.PENDING or row.expires_at <= clock.now():
            return set()
        if row.maker == actor_of(request):
            return {"withdraw"}
        return {"approve", "reject"} if getattr(row, "is_mine", False) else set()

    @button("Approve", path="approve", right="change")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Agree, on a page that shows what would happen."""

        def told(decided: ApprovalRequest) -> str:
            if decided.status == Status.APPROVED:
                return f"Approved: {decided.summary}. It is carried out in a moment."
            return f"Approved: {decided.summary}. It needs another person still."

        call = partial(_deciding, approvals.approve, _person(request))
        return self._confirm(request, object_id, ApproveForm, verb="Approve", call=call, told=told)

    @button("Reject…", path="reject", right="change")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse, with a reason."""
        call = partial(_deciding, approvals.reject, _person(request))
        return self._confirm(request, object_id, RejectForm, verb="Reject", call=call)

    @button("Withdraw…", path="withdraw", right="add")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take one's own proposal back."""
        return self._confirm(request, object_id, ProposalForm, verb="Withdraw", call=_withdrawing)

    def _confirm(
        self,
        request: HttpRequest,
        object_id: str,
        form: FormOf,
        *,
        verb: str,
        call: Callable[..., ApprovalRequest],
        told: Callable[[ApprovalRequest], str] | None = None,
    ) -> HttpResponse:
        row: ApprovalRequest = self.find(request, object_id)
        done = "Withdrawn" if verb == "Withdraw" else f"{verb}ed"
        return self.proposal_page(
            request,
            form,
            title=f"{verb}: {row.summary}",
            intro=format_html(
                "Proposed by {}, {} ago. Reason: {}. About: {}",
                people.name_of(row.maker),
                age(row),
                row.reason or "none given",
                target(row),
            ),
            submit=verb,
            call=partial(call, request_id=row.pk),
            told=told or (lambda decided: f"{done}: {decided.summary}."),
            row=row,
            initial={"payload_hash": row.payload_hash},
            sections=[what_changes(row), decisions_of(row)],
        )


def what_changes(request: ApprovalRequest) -> Table:
    """The payload: what is, beside what would be."""
    payload = request.payload
    if "after" in payload:
        return compared(payload.get("before"), payload["after"])
    return compared(None, payload)


def decisions_of(request: ApprovalRequest) -> Table:
    """Who said what."""
    return Table(
        title="Decisions",
        headings=["When", "Who", "Word", "Reason"],
        rows=[
            [
                cells.moment(one.decided_at),
                people.name_of(one.decided_by),
                one.get_word_display(),
                one.reason or cells.EMPTY,
            ]
            for one in request.decisions.order_by("id")
        ],
        empty="Nobody decided yet.",
    )


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user


def _deciding(
    decide: Callable[..., ApprovalRequest], person: User, *, actor: str, **words: Any
) -> ApprovalRequest:
    """A decision of a person, whose rights count; the name alone does not do."""
    assert actor == f"staff:{person.pk}"
    return decide(approver=person, **words)


def _withdrawing(*, actor: str, **words: Any) -> ApprovalRequest:
    return approvals.withdraw(maker=actor, **words)
