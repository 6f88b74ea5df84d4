"""The inbox of the gateways' webhooks."""

import json
from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from legato_payments.lib.admin import VIEWS, RecordAdmin, section_of
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Advice, Section, Text
from legato_payments.lib.pages.views import SavedViews, View
from legato_payments.lib.redaction import redact
from payments.models import Purchase, WebhookEvent

Status = WebhookEvent.Status

TONES = {
    Status.RECEIVED: Tone.BUSY,
    Status.PROCESSED: Tone.GOOD,
    Status.IGNORED: Tone.PLAIN,
    Status.FAILED: Tone.BAD,
}

FAILED = (
    "It is not tried again. No money depends on it: open purchases, refunds and disputes are asked"
    " about, and the reconciliation finds the rest. Show the error to whoever looks after the"
    " service."
)

SEE_BODIES = "payments.view_webhookevent_body"
"""Deliveries hold personal data. Superusers have the right, others when a role is given it."""

MAX_BODY = 100_000


@admin.display(description="Purchase")
def purchase(event: WebhookEvent) -> str:
    """What it is about, when it is about one of ours."""
    found = Purchase.objects.filter(reference=event.reference).first() if event.reference else None
    return cells.link(found) if found else cells.EMPTY


class WebhookViews(SavedViews):
    """What failed, and what is still to be done."""

    views = (
        View("failed", "Failed", lambda _now: Q(status=Status.FAILED)),
        View("waiting", "Waiting", lambda _now: Q(status=Status.RECEIVED)),
    )


@admin.register(WebhookEvent)
class WebhookAdmin(RecordAdmin):
    """Verified deliveries, each stored once; a job acts on them."""

    list_display = [
        columns.moment("received_at"),
        columns.choice("provider", "Gateway"),
        columns.code("kind"),
        columns.state("status", TONES),
        columns.code("reference"),
        columns.count("attempts"),
        columns.words("error"),
    ]
    list_before_template = VIEWS
    list_filter = [WebhookViews, "status", "provider"]
    search_fields = ["reference", "dedupe_key"]
    search_help_text = "Our reference, or the gateway's event id"
    ordering = ["-id"]
    nothing_yet = "No webhooks yet. What a gateway sends appears here at once."

    facts = (
        columns.choice("provider", "Gateway"),
        columns.code("kind"),
        columns.state("status", TONES),
        columns.words("error"),
        purchase,
        columns.copyable("reference", "Our reference"),
        columns.copyable("dedupe_key", "Gateway's event id"),
        columns.moment("received_at"),
        columns.moment("processed_at"),
        columns.count("attempts"),
        columns.moment("next_attempt_at", "Tried again"),
    )

    def sections(self, obj: WebhookEvent) -> Iterator[Section]:
        """What to do about one that failed."""
        if obj.status == Status.FAILED:
            yield Advice(advice=FAILED)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        """Without the bodies, which no list shows."""
        events: QuerySet[WebhookEvent] = super().get_queryset(request)
        return events.defer("body")


@section_of(WebhookEvent, permission=SEE_BODIES)
def body(event: WebhookEvent) -> Section:
    """The delivery, indented; what looks like a secret, an address or a card number is blanked."""
    raw = bytes(event.body)
    try:
        document = json.loads(raw)
    except ValueError:
        text = raw.decode(errors="replace")
    else:
        text = json.dumps(redact(document), indent=2, ensure_ascii=False)
    note = f"{len(raw):,} bytes as it arrived. Secrets and personal data are blanked."
    return Text(title="Body", text=text[:MAX_BODY], note=note)
