"""What gateways were asked, and whose outcome nobody knows."""

from collections.abc import Iterator, Mapping
from functools import partial

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.admin import VIEWS, RecordAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Advice, Section, Table, number
from legato_payments.lib.pages.views import SavedViews, View
from payments import audit
from payments.admin.audit import history_of
from payments.models import Attempt, Dispute, PaymentMethod, Purchase, Refund
from payments.models.attempts import PATIENCE
from payments.services import attempts

State = Attempt.State

TONES = {
    State.SENDING: Tone.BUSY,
    State.ANSWERED: Tone.GOOD,
    State.REFUSED: Tone.BAD,
    State.UNSENT: Tone.PLAIN,
    State.UNKNOWN: Tone.WARN,
    State.EXPLAINED: Tone.GOOD,
}

ABOUT: Mapping[str, type[Model]] = {
    "purchase": Purchase,
    "refund": Refund,
    "dispute": Dispute,
    "payment_method": PaymentMethod,
}

UNRESOLVED = Q(state__in=Attempt.UNRESOLVED)


UNKNOWN = (
    "The gateway may have done this, or not. Search its dashboard for our reference. What it shows"
    " decides whether money moved: write it down with “Explain…”, and correct the books where they"
    " say otherwise."
)


class AttemptViews(SavedViews):
    """By whether a person has to look."""

    views = (
        View("waiting", "To look at", lambda now: UNRESOLVED & Q(created_at__lte=now - PATIENCE)),
        View("unresolved", "Not known yet", lambda _now: UNRESOLVED),
    )


class ExplainForm(ProposalForm):
    """What a person found out."""

    told_at = {audit.ReasonMissing: "note"}

    note = ReasonField(
        max_length=500,
        label="What came of it",
        help_text="What the gateway's dashboard shows, and where. Kept in the audit log.",
    )


@admin.display(description="About")
def about(attempt: Attempt) -> str:
    """The row that it was asked for, as a link where it has a page."""
    row = cells.find(ABOUT, attempt.object_type, attempt.object_id)
    return cells.link(row) if row else f"{attempt.object_type} {attempt.object_id}"


@admin.display(description="Age")
def age(attempt: Attempt) -> str:
    """How long nobody has known, or had not."""
    return timesince(attempt.created_at, attempt.resolved_at or clock.now())


@admin.register(Attempt)
class AttemptAdmin(RecordAdmin):
    """Each operation at a gateway, written down before it was asked for."""

    list_display = [
        columns.moment("created_at", "First asked"),
        columns.text("operation"),
        columns.state("state", TONES),
        columns.choice("provider", "Gateway"),
        age,
        columns.count("tries"),
        columns.code("reference"),
        columns.words("error"),
    ]
    list_filter = [AttemptViews, "state", "provider"]
    list_before_template = VIEWS
    search_fields = ["object_id", "reference", "key"]
    search_help_text = "Our reference, the key, or the id of what it is about"
    ordering = ["-id"]
    nothing_yet = (
        "Nothing was asked of a gateway yet. Payments, refunds and answers to disputes are."
    )
    actions_detail = ["explain"]

    facts = (
        columns.text("operation"),
        columns.state("state", TONES),
        about,
        columns.choice("provider", "Gateway"),
        columns.count("tries"),
        columns.words("error"),
        columns.moment("created_at", "First asked"),
        columns.moment("sent_at", "Last asked"),
        columns.moment("resolved_at", "Known since"),
        age,
        columns.copyable("reference", "Our reference"),
        columns.copyable("key", "Idempotency key"),
        columns.copyable("request_hash", "SHA-256 of what was asked"),
        columns.words("note", "Explained"),
    )

    def usable(self, request: HttpRequest, row: Attempt) -> set[str]:
        """Only what nobody knows is explained."""
        return {"explain"} if row.state in Attempt.UNRESOLVED else set()

    def sections(self, obj: Attempt) -> Iterator[Section]:
        """What to do, and who explained it."""
        if obj.state in Attempt.UNRESOLVED and obj.created_at <= clock.now() - PATIENCE:
            yield Advice(advice=UNKNOWN)
        yield history_of("attempt", obj.pk)

    @button("Explain…", path="explain", right="change")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write down what a person found out; it moves no money."""
        attempt: Attempt = self.find(request, object_id)
        return self.proposal_page(
            request,
            ExplainForm,
            title=f"Explain: {attempt.operation} {attempt.reference}",
            intro="This closes the question and moves no money. Where the books are wrong by it,"
            " correct them as well.",
            submit="Explain it",
            call=partial(attempts.explain, attempt_id=attempt.pk),
            told="Explained: {}.".format,
            row=attempt,
            sections=[attempts_of(attempt.object_type, attempt.object_id)],
        )


def attempts_of(object_type: str, object_id: object) -> Table:
    """What gateways were asked about one object."""
    found = Attempt.objects.filter(object_type=object_type, object_id=str(object_id))
    return Table(
        title="Asked of the gateway",
        headings=["What", "State", "First asked", "Last asked", number("Tries"), "Error"],
        rows=[
            [
                cells.link(attempt, attempt.operation),
                cells.mark(attempt.get_state_display(), TONES[State(attempt.state)]),
                cells.moment(attempt.created_at),
                cells.moment(attempt.sent_at),
                f"{attempt.tries:,}",
                attempt.error or cells.EMPTY,
            ]
            for attempt in found.order_by("created_at", "pk")
        ],
        empty="The gateway was not asked yet.",
    )
