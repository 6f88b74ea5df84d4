"""Reconciliation: what differs from the gateways, and what people do about it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import VIEWS, RecordAdmin, actor_of, button, section_of
from legato_payments.lib.money import Money
from legato_payments.lib.pages import columns
from legato_payments.lib.pages.asking import FormOf
from legato_payments.lib.pages.proposals import ProposalForm
from legato_payments.lib.pages.tables import Section, Table
from legato_payments.lib.pages.views import SavedViews, View
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.admin.difference_forms import (
    AssignForm,
    CorrectionForm,
    ExplainForm,
    MatchForm,
    NoteForm,
)
from payments.admin.difference_tables import (
    age,
    both_sides,
    explanation,
    kind,
    matched_with,
    may_match,
    notes_of,
    number_gap,
    our_object,
    owner,
    state,
)
from payments.enums import Currency
from payments.models import ApprovalRequest, Difference
from payments.models.reconciliation import LONG_OPEN
from payments.queries import differences as difference_queries
from payments.services import differences, gateway_corrections, reconciliation_again

Status = Difference.Status
OPEN = Q(status=Status.OPEN)


class Queue(SavedViews):
    """What somebody has to look at."""

    parameter_name = "queue"
    views = (
        View("open", "Open", lambda _now: OPEN),
        View("old", "Over 48 h", lambda now: OPEN & Q(first_seen_at__lte=now - LONG_OPEN)),
        View("nobody", "Nobody's", lambda _now: OPEN & Q(owner="")),
    )

    def views_of(self, request: HttpRequest) -> list[View]:
        """Those that the person looks into."""
        return [View("mine", "Mine", lambda _now: OPEN & Q(owner=actor_of(request)))]


CLOSING = (
    columns.moment("closed_at", "Closed"),
    columns.person("closed_by", "Closed by"),
    explanation,
    matched_with,
    columns.related("approval"),
    columns.related("transaction", "Correction", by="get_kind_display"),
)
"""How a difference was closed."""


@admin.register(Difference)
class DifferenceAdmin(RecordAdmin):
    """Differences: nothing is deleted, each is closed once."""

    list_display = [
        kind,
        number_gap,
        state,
        age,
        owner,
        columns.choice("provider", "Gateway"),
        columns.text("day", "Day (UTC)"),
        columns.code("reference"),
    ]
    list_before_template = VIEWS
    list_filter = [Queue, "status", "kind", "subject", "provider"]
    search_fields = ["pk", "reference", "gateway_id", "object_id"]
    search_help_text = "Id, our reference, the gateway's id, or the id of ours it is about"
    ordering = ["-id"]
    nothing_yet = "No differences. Every morning the gateways are compared with our books."
    actions_detail = ["assign", "note", "fetch", "match", "explain", "correct"]

    facts = (
        kind,
        state,
        number_gap,
        our_object,
        columns.choice("provider", "Gateway"),
        columns.text("day", "Day (UTC)"),
        columns.copyable("reference", "Our reference"),
        columns.copyable("gateway_id", "Gateway's id"),
        age,
        owner,
        columns.moment("first_seen_at", "First seen"),
        columns.moment("last_seen_at", "Last seen"),
        columns.copyable("id"),
        *CLOSING,
    )

    def get_fields(self, request: HttpRequest, obj: Difference | None = None) -> list[Any]:
        """How it was closed, once it is."""
        is_open = obj is not None and obj.status == Status.OPEN
        return [fact for fact in self.facts if not (is_open and fact in CLOSING)]

    def sections(self, obj: Difference) -> Iterator[Section]:
        """Both sides, what may match, what people said."""
        yield both_sides(obj)
        if obj.status == Status.OPEN:
            yield may_match(obj)
        yield notes_of(obj)
        if waiting := waiting_on("difference", obj.pk):
            yield waiting
        yield history_of("difference", obj.pk)

    def usable(self, request: HttpRequest, row: Difference) -> set[str] | None:
        """Everything while it is open; afterwards only notes."""
        return None if row.status == Status.OPEN else {"note"}

    @button("Assign…", path="assign", right="change")
    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say who looks into it."""
        return self._act(
            request,
            self.find(request, object_id),
            AssignForm,
            submit="Assign",
            intro="Who looks into it from now on.",
            call=differences.take,
            told=lambda row: f"{owner(row) if row.owner else 'Nobody'} looks into it.",
            initial={"login": request.user.get_username()},
        )

    @button("Note…", path="note", right="change")
    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write down what somebody learnt."""
        return self._act(
            request,
            self.find(request, object_id),
            NoteForm,
            submit="Keep the note",
            intro="Notes are kept for ever and never changed.",
            call=differences.note,
            told=lambda _note: "The note is kept.",
        )

    @button("Fetch again", path="fetch", right="change")
    def fetch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the gateway how it stands now."""

        def told(found: Difference) -> str:
            if found.status != Status.OPEN:
                return "It is gone: both sides agree now."
            return "It is as it was, unless its whole day is being compared: look in a moment."

        return self._act(
            request,
            self.find(request, object_id),
            ProposalForm,
            submit="Fetch again",
            intro="The gateway is asked about it once more. What can be repaired is repaired; a"
            " line or a balance has its whole day compared, by a job.",
            call=reconciliation_again.fetch_again,
            told=told,
        )

    @button("Match…", path="match", right="change")
    def match(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close it together with what makes up for it."""
        row: Difference = self.find(request, object_id)
        first = next(difference_queries.suggestions(row), None)
        return self._act(
            request,
            row,
            MatchForm,
            submit="Match",
            intro="Both are closed. The amounts of two differences must come to nothing.",
            call=matching,
            told=lambda _matched: "Matched and closed.",
            initial={"other": first.key if first else ""},
        )

    @button("Explain…", path="explain", right="change")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close it without money moving."""
        return self._act(
            request,
            self.find(request, object_id),
            ExplainForm,
            submit="Explain and close",
            intro="It is closed without a posting. When it changes, it is a new one.",
            call=differences.explain,
            told=lambda _explained: "Explained and closed.",
        )

    @button("Propose a correction…", path="correct", right="change")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask another person for a posting that makes it good."""
        row: Difference = self.find(request, object_id)
        gap = Money(row.gap_micros or 0, row.currency or Currency.USD)
        return self._act(
            request,
            row,
            CorrectionForm,
            submit="Propose it",
            intro="Our books will say that the gateway holds this much more, against the account"
            " of adjustments, when another person has agreed.",
            call=gateway_corrections.propose,
            told=partial(or_waiting, done="{} is corrected."),
            initial={"amount": gap.amount(), "currency": gap.currency},
        )

    def _act(
        self,
        request: HttpRequest,
        row: Difference,
        form: FormOf,
        *,
        submit: str,
        intro: str,
        call: Callable[..., Any],
        told: Callable[[Any], str],
        initial: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self.proposal_page(
            request,
            form,
            title=f"{kind(row)}: {row.reference or row.gateway_id or row.key}",
            intro=intro,
            submit=submit,
            call=partial(call, difference_id=row.pk),
            told=told,
            row=row,
            initial=initial,
            sections=[both_sides(row), may_match(row), notes_of(row)],
        )


@section_of(ApprovalRequest, permission="payments.view_difference")
def corrected(request: ApprovalRequest) -> Table | None:
    """Both sides of the difference that a correction is proposed for."""
    if request.target_type != "difference":
        return None
    row = Difference.objects.filter(pk=request.target_id).first()
    return both_sides(row) if row else None


def matching(*, other: tuple[str, Any], **words: Any) -> Difference:
    """Match a difference with another one, or with something of ours.

    Args:
        other: The kind of ours, empty for another difference; and its id.
    """
    target, object_id = other
    if target:
        return differences.match_object(kind=target, object_id=object_id, **words)
    return differences.match(other_id=object_id, **words)
