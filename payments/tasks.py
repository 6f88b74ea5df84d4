"""Jobs of ``payments``: read the clock, call one service. Each is safe to run twice."""

from typing import Any
from uuid import UUID

import structlog
from celery import shared_task

from legato_payments.lib import clock, jobs
from payments import idempotency
from payments.gateways.rates import registry as rates
from payments.ledger import sealing
from payments.models import Purchase, SandboxDelivery, WebhookEvent
from payments.services import currency_rates, events, purchases, sandbox_deliveries
from payments.webhooks import inbox

log = structlog.get_logger(__name__)

SWEEP_LIMIT = 500
"""Rows of a kind that one sweep drives; the next one comes 30 seconds later."""


@shared_task(name="payments.process_webhook")
def process_webhook(*, event_id: int, **_future: Any) -> None:
    """Act on one stored webhook event."""
    inbox.process(event_id=event_id, now=clock.now())


@shared_task(name="payments.poll_purchase")
def poll_purchase(*, purchase_id: str, **_future: Any) -> None:
    """Ask the gateway about one purchase nobody reported on."""
    purchases.poll(purchase_id=UUID(purchase_id), now=clock.now())


@shared_task(name="payments.deliver_sandbox_webhook")
def deliver_sandbox_webhook(*, delivery_id: int, **_future: Any) -> None:
    """Send one webhook of the sandbox gateway."""
    sandbox_deliveries.deliver(delivery_id=delivery_id, now=clock.now())


@shared_task(name="payments.refresh_rates")
def refresh_rates(**_future: Any) -> None:
    """Fetch today's exchange rates."""
    result = currency_rates.refresh(provider=rates.rate_provider(), now=clock.now())
    for refusal in result.refused:
        log.error("rate_refused", detail=refusal)


@shared_task(name="payments.seal")
def seal(**_future: Any) -> None:
    """Seal what waits: transactions and audit entries."""
    now = clock.now()
    sealing.seal_all(now=now, most=50_000)
    sealing.seal_audit(now=now)


@shared_task(name="payments.publish_events")
def publish_events(**_future: Any) -> None:
    """Give committed events their place in the stream."""
    events.publish(now=clock.now())


@shared_task(name="payments.sweep")
def sweep(**_future: Any) -> None:
    """Drive again whatever is due: the rows are the truth, earlier wake-ups may be lost."""
    now = clock.now()
    for event_id in _due(WebhookEvent.objects.due(now)):
        jobs.enqueue("payments.process_webhook", event_id=event_id)
    for purchase_id in _due(Purchase.objects.due(now)):
        jobs.enqueue("payments.poll_purchase", purchase_id=str(purchase_id))
    for delivery_id in _due(SandboxDelivery.objects.due(now)):
        jobs.enqueue("payments.deliver_sandbox_webhook", delivery_id=delivery_id)
    idempotency.purge(now)


def _due(rows: Any) -> list[Any]:
    return list(rows.order_by("next_attempt_at").values_list("pk", flat=True)[:SWEEP_LIMIT])
