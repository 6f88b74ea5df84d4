"""Reconciliation: what differs from the gateways, and what people do about it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, actor_of, button
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.enums import Currency
from payments.models import Difference, Dispute, Purchase, Refund
from payments.models.reconciliation import LONG_OPEN
from payments.queries import differences as difference_queries
from payments.services import differences, gateway_corrections, reconciliation_again

Status = Difference.Status
OBJECTS = {"purchase": Purchase, "refund": Refund, "dispute": Dispute}
PAGES = (Purchase,)
"""Objects that have a page of their own."""


class Queue(admin.SimpleListFilter):
    """What somebody has to look at."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Open, mine, and those that have waited for too long."""
        return [("open", "Open"), ("mine", "Mine"), ("nobody", "Nobody's"), ("old", "Over 48 h")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows of the queue."""
        match self.value():
            case "open":
                return queryset.open()
            case "mine":
                return queryset.open().filter(owner=actor_of(request))
            case "nobody":
                return queryset.open().filter(owner="")
            case "old":
                return queryset.long_open(clock.now())
            case _:
                return queryset


class AssignForm(ProposalForm):
    """Who looks into it."""

    login = forms.CharField(
        max_length=150, required=False, help_text="Of a member of staff; empty: nobody."
    )

    def clean_login(self) -> str:
        """The person as actors are written."""
        login = self.cleaned_data["login"]
        if not login:
            return ""
        person = User.objects.filter(username=login, is_staff=True, is_active=True).first()
        if person is None:
            raise forms.ValidationError("Nobody of the staff has this login.")
        return f"staff:{person.pk}"


class NoteForm(ProposalForm):
    """Some words."""

    text = forms.CharField(max_length=500, label="Note", widget=forms.Textarea(attrs={"rows": 4}))


class MatchForm(ProposalForm):
    """The other side of a difference."""

    told_at = {
        differences.MatchRefused: "other",
        differences.DifferenceUnknown: "other",
    }

    other = forms.RegexField(
        regex=r"^((purchase|refund|dispute|transaction):)?[0-9A-Fa-f-]{32,36}\Z",
        label="With",
        help_text="The id of another difference, or purchase:, refund:, dispute: or transaction:"
        " and its id.",
    )
    reason = ReasonField()


class ExplainForm(ProposalForm):
    """Why a difference is none."""

    code = forms.ChoiceField(choices=Difference.Reason.choices, label="Why")
    reason = ReasonField(label="Note")


class CorrectionForm(ProposalForm):
    """What our books are to say."""

    told_at = {gateway_corrections.CorrectionEmpty: "amount"}

    amount = forms.DecimalField(
        max_digits=16,
        decimal_places=6,
        help_text="What the gateway holds beyond our books; minus: less.",
    )
    currency = forms.ChoiceField(choices=Currency.choices)
    reason = ReasonField()


@admin.display(description="State")
def state(row: Difference) -> str:
    """Open, or how it was closed."""
    if row.status == Status.OPEN:
        is_old = row.first_seen_at <= clock.now() - LONG_OPEN
        return cells.mark("Open", Tone.BAD if is_old else Tone.WARN)
    return cells.mark(row.get_closing_display(), Tone.GOOD)


@admin.display(description="Age")
def age(row: Difference) -> str:
    """Since when it is open, or how long it was."""
    return timesince(row.first_seen_at, row.closed_at or clock.now())


@admin.display(description="Owner")
def owner(row: Difference) -> str:
    """Who looks into it."""
    return row.owner or cells.EMPTY


@admin.display(description="They hold more by")
def number_gap(row: Difference) -> str:
    """What the gateway holds for us beyond our books."""
    if row.gap_micros is None:
        return cells.EMPTY
    return cells.amount(row.gap_micros, row.currency)


@admin.display(description="Class")
def kind(row: Difference) -> str:
    """In what they differ."""
    return f"{row.get_subject_display()}: {row.get_kind_display().lower()}"


@admin.display(description="Ours")
def our_object(row: Difference) -> str:
    """The row of ours that it is about."""
    model = OBJECTS.get(row.object_type)
    found = model._default_manager.filter(pk=row.object_id).first() if model else None  # noqa: SLF001
    if found is None:
        return f"{row.object_type} {row.object_id}".strip() or cells.EMPTY
    return cells.link(found) if isinstance(found, PAGES) else str(found)


@admin.display(description="Matched with")
def matched_with(row: Difference) -> str:
    """What makes up for it."""
    return cells.link(row.matched_with) if row.matched_with else row.matched_object or cells.EMPTY


@admin.display(description="Explanation")
def explanation(row: Difference) -> str:
    """Why it is none."""
    return row.get_reason_code_display() if row.reason_code else cells.EMPTY


@admin.register(Difference)
class DifferenceAdmin(RecordAdmin):
    """Differences: nothing is deleted, each is closed once."""

    list_display = [
        columns.moment("first_seen_at", "First seen"),
        kind,
        state,
        "provider",
        columns.text("day"),
        number_gap,
        columns.code("reference"),
        age,
        owner,
    ]
    list_filter = [Queue, "status", "kind", "subject", "provider"]
    search_fields = ["pk", "reference", "gateway_id", "object_id"]
    search_help_text = "Id, our reference, the gateway's id, or the id of ours it is about"
    ordering = ["-id"]
    nothing_yet = "No differences. Every morning the gateways are compared with our books."
    actions_detail = ["assign", "note", "fetch", "match", "explain", "correct"]

    facts = (
        kind,
        state,
        "provider",
        columns.text("day", "Day (UTC)"),
        number_gap,
        our_object,
        columns.copyable("reference", "Our reference"),
        columns.copyable("gateway_id", "Gateway's id"),
        age,
        owner,
        columns.moment("first_seen_at", "First seen"),
        columns.moment("last_seen_at", "Last seen"),
        explanation,
        matched_with,
        columns.related("approval"),
        columns.related("transaction", "Correction"),
        columns.moment("closed_at", "Closed"),
        columns.text("closed_by", "Closed by"),
        columns.copyable("id"),
    )

    def sections(self, obj: Difference) -> Iterator[Section]:
        """Both sides, what may match, what people said."""
        yield both_sides(obj)
        if obj.status == Status.OPEN:
            yield may_match(obj)
        yield notes_of(obj)
        if waiting := waiting_on("difference", obj.pk):
            yield waiting
        yield history_of("difference", obj.pk)

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> list[Any]:
        """The buttons that its state allows."""
        row = self.get_object(request, str(object_id))
        buttons: list[Any] = super().get_actions_detail(request, object_id)
        if row and row.status == Status.OPEN:
            return buttons
        return [one for one in buttons if one.path.rpartition("/")[2] == "note"]

    @button("Assign…", path="assign", right="change")
    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say who looks into it."""
        row: Difference = self.find(request, object_id)
        form = AssignForm(_sent(request), initial={"login": request.user.get_username()})

        def call(data: Mapping[str, Any]) -> str:
            differences.take(
                difference_id=row.pk,
                owner=data["login"],
                actor=actor_of(request),
                now=clock.now(),
            )
            return f"{data['login'] or 'Nobody'} looks into it."

        return self._act(
            request, row, form, submit="Assign", intro="Who looks into it from now on.", call=call
        )

    @button("Note…", path="note", right="change")
    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write down what somebody learnt."""
        row: Difference = self.find(request, object_id)

        def call(data: Mapping[str, Any]) -> str:
            differences.note(
                difference_id=row.pk, text=data["text"], actor=actor_of(request), now=clock.now()
            )
            return "The note is kept."

        intro = "Notes are kept for ever and never changed."
        return self._act(
            request, row, NoteForm(_sent(request)), submit="Keep the note", intro=intro, call=call
        )

    @button("Fetch again", path="fetch", right="change")
    def fetch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the gateway how it stands now."""
        row: Difference = self.find(request, object_id)

        def call(_data: Mapping[str, Any]) -> str:
            found = reconciliation_again.fetch_again(
                difference_id=row.pk, actor=actor_of(request), now=clock.now()
            )
            if found.status != Status.OPEN:
                return "It is gone: both sides agree now."
            return "It is as it was, unless its whole day is being compared: look in a moment."

        intro = (
            "The gateway is asked about it once more. What can be repaired is repaired; a line or a"
            " balance has its whole day compared, by a job."
        )
        return self._act(
            request, row, ProposalForm(_sent(request)), submit="Fetch again", intro=intro, call=call
        )

    @button("Match…", path="match", right="change")
    def match(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close it together with what makes up for it."""
        row: Difference = self.find(request, object_id)
        first = next(difference_queries.suggestions(row), None)
        form = MatchForm(_sent(request), initial={"other": first.key if first else ""})

        def call(data: Mapping[str, Any]) -> str:
            _match(row, data, actor=actor_of(request))
            return "Matched and closed."

        intro = "Both are closed. The amounts of two differences must come to nothing."
        return self._act(request, row, form, submit="Match", intro=intro, call=call)

    @button("Explain…", path="explain", right="change")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close it without money moving."""
        row: Difference = self.find(request, object_id)

        def call(data: Mapping[str, Any]) -> str:
            differences.explain(
                difference_id=row.pk,
                code=Difference.Reason(data["code"]),
                words=data["reason"],
                actor=actor_of(request),
                now=clock.now(),
            )
            return "Explained and closed."

        intro = "It is closed without a posting. When it changes, it is a new one."
        form = ExplainForm(_sent(request))
        return self._act(request, row, form, submit="Explain and close", intro=intro, call=call)

    @button("Propose a correction…", path="correct", right="change")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask another person for a posting that makes it good."""
        row: Difference = self.find(request, object_id)
        gap = Money(row.gap_micros or 0, row.currency or Currency.USD)
        form = CorrectionForm(
            _sent(request), initial={"amount": gap.amount(), "currency": gap.currency}
        )

        def call(data: Mapping[str, Any]) -> str:
            made = gateway_corrections.propose(
                difference_id=row.pk,
                amount=Money.parse(str(data["amount"]), data["currency"]),
                actor=actor_of(request),
                reason=data["reason"],
                now=clock.now(),
            )
            return or_waiting(made, "{} is corrected.")

        intro = (
            "Our books will say that the gateway holds this much more, against the account of"
            " adjustments, when another person has agreed."
        )
        return self._act(request, row, form, submit="Propose it", intro=intro, call=call)

    def _act(
        self,
        request: HttpRequest,
        row: Difference,
        form: ProposalForm,
        *,
        submit: str,
        intro: str,
        call: Callable[[Mapping[str, Any]], str],
    ) -> HttpResponse:
        return self.ask(
            request,
            form,
            title=f"{kind(row)}: {row.reference or row.gateway_id or row.key}",
            intro=intro,
            submit=submit,
            call=call,
            back=cells.page_of(row),
            sections=[both_sides(row), may_match(row), notes_of(row)],
        )


def both_sides(row: Difference) -> Table:
    """What we have beside what the gateway has; where they differ is marked."""
    ours, theirs = row.ours or {}, row.theirs or {}
    rows = []
    for name in dict.fromkeys([*ours, *theirs]):
        here, there = ours.get(name), theirs.get(name)
        is_other = here is not None and there is not None and here != there
        rows.append(
            [
                name,
                cells.plain(here),
                cells.plain(there),
                cells.mark("differs", Tone.WARN) if is_other else "",
            ]
        )
    missing = "our books" if row.ours is None else "the gateway" if row.theirs is None else ""
    return Table(
        title="Both sides",
        headings=["What", "Ours", "Theirs", ""],
        rows=rows,
        note=f"There is nothing in {missing}." if missing else "",
    )


def may_match(row: Difference) -> Table:
    """What may make up for it."""
    return Table(
        title="May match",
        headings=["What", "Why", "To match with it"],
        rows=[
            [cells.link(one.row), one.why, cells.copyable(one.key)]
            for one in difference_queries.suggestions(row)
        ],
        empty="Nothing of ours, and no other difference, makes up for it.",
    )


def notes_of(row: Difference) -> Table:
    """What people said."""
    return Table(
        title="Notes",
        headings=["When", "Who", "What"],
        rows=[
            [cells.moment(one.written_at), one.written_by, one.text]
            for one in row.notes.order_by("pk")
        ],
        empty="Nobody said anything yet.",
    )


def _match(row: Difference, data: Mapping[str, Any], *, actor: str) -> None:
    target, _, object_id = data["other"].rpartition(":")
    if target:
        differences.match_object(
            difference_id=row.pk,
            kind=target,
            object_id=object_id,
            words=data["reason"],
            actor=actor,
            now=clock.now(),
        )
    else:
        differences.match(
            difference_id=row.pk,
            other_id=_uuid(object_id),
            words=data["reason"],
            actor=actor,
            now=clock.now(),
        )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise differences.DifferenceUnknown from error


def _sent(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None
