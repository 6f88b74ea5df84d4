"""The inbox: verified deliveries stored once, answered at once, processed by a job."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db.transaction import atomic

from legato_payments.lib.errors import Invalid, Missing
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.jobs import backoff, enqueue
from legato_payments.lib.metrics import WEBHOOK_EVENTS
from payments.gateways import registry as gateways
from payments.gateways.base import SignatureInvalid
from payments.models import WebhookEvent
from payments.webhooks.registry import handler_for

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 20
"""With the back-off of ``lib.jobs``, most of a day; then a person looks at it."""


class ProviderUnknown(Missing):
    title = "No gateway sends webhooks here."


class SignatureRefused(Invalid):
    code = "signature_invalid"
    title = "The delivery is not authentic."


def receive(
    *, provider: str, body: bytes, headers: Mapping[str, str], now: datetime, remote: str = ""
) -> int:
    """Store the events of one authentic delivery; those known already are left alone.

    Args:
        remote: The address it came from.

    Returns:
        How many events are new.

    Raises:
        ProviderUnknown: The provider is not set up.
        SignatureRefused: Forged, altered, too old or dated in the future; nothing was read.
    """
    try:
        events = gateways.verifier(provider).verify(body, headers, now=now, remote=remote)
    except gateways.NotConfigured as error:
        raise ProviderUnknown from error
    except SignatureInvalid as error:
        _count(provider, "unread", f"refused_{error.code or 'signature'}")
        log.warning("webhook_refused", provider=provider, code=error.code, reason=str(error))
        raise SignatureRefused from error

    fresh = 0
    with atomic():
        for event in events:
            row, created = WebhookEvent.objects.get_or_create(
                provider=provider,
                dedupe_key=event.dedupe_key,
                defaults={
                    "kind": event.kind,
                    "reference": event.reference[:128],
                    "object_id": event.object_id[:128],
                    "payment_id": event.payment_id[:128],
                    "body": body,
                    "received_at": now,
                    "next_attempt_at": now,
                },
            )
            result = "stored" if created else "duplicate"
            _count(provider, event.kind, result)
            if created:
                fresh += 1
                enqueue("payments.process_webhook", event_id=row.pk)
    return fresh


def process(*, event_id: int, now: datetime) -> None:
    """Act on one stored event. Safe to run twice; does nothing when it is not due."""
    event = WebhookEvent.objects.claim(pk=event_id, now=now, lease=LEASE)
    if event is None:
        return
    handler = handler_for(event.kind)
    if handler is None:
        _finish(event, WebhookEvent.Status.IGNORED, now=now)
        return
    failpoint("webhook.claimed")
    try:
        handler(event, now)
    except Exception as error:
        # Whatever went wrong, the event stays in the inbox and is tried again.
        log.exception("webhook_failed", event_id=event_id, kind=event.kind)
        _retry_later(event, error, now=now)
    else:
        failpoint("webhook.handled")
        _finish(event, WebhookEvent.Status.PROCESSED, now=now)


def _count(provider: str, kind: str, result: str) -> None:
    # A kind is one of ours: gateways have names by the hundred.
    WEBHOOK_EVENTS.labels(gateway=provider.lower(), type=kind.lower(), result=result).inc()


def _finish(event: WebhookEvent, status: WebhookEvent.Status, *, now: datetime) -> None:
    event.status = status
    event.processed_at = now
    event.error = ""
    event.finish()
    event.save()


def _retry_later(event: WebhookEvent, error: Exception, *, now: datetime) -> None:
    event.error = f"{type(error).__name__}: {error}"[:300]
    if event.attempts >= MAX_ATTEMPTS:
        event.status = WebhookEvent.Status.FAILED
        event.finish()
    else:
        event.postpone(until=now + backoff(event.attempts))
    event.save()
