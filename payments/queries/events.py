"""The stream of events, as other services read it."""

from typing import Any

from django.conf import settings

from payments import outbox
from payments.models import OutboxEvent


def published(*, after: int, limit: int) -> list[OutboxEvent]:
    """The events that come after a sequence number, in order, at most ``limit`` of them."""
    return list(OutboxEvent.objects.filter(sequence__gt=after).order_by("sequence")[:limit])


def envelope(event: OutboxEvent) -> dict[str, Any]:
    """A published event as CloudEvents 1.0 in JSON, with the extension ``sequence``.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    """
    assert event.sequence is not None, event.pk
    trace = {"traceid": event.trace_id} if event.trace_id else {}
    return {
        "specversion": "1.0",
        "id": str(event.pk),
        "source": settings.PUBLIC_URL,
        "type": f"com.legato.{event.type}.v1",
        "subject": event.subject,
        "time": outbox.moment(event.occurred_at),
        "datacontenttype": "application/json",
        # The extension wants strings that sort as the numbers do; 19 digits hold every bigint.
        "sequence": f"{event.sequence:019d}",
        **trace,
        "data": event.payload,
    }
