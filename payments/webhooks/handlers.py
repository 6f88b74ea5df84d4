"""What ``payments`` does about gateway events. Events are hints: the object is read again."""

from datetime import datetime, timedelta

import structlog

from payments.gateways import registry as gateways
from payments.gateways.values import EventKind, RefundState, Window
from payments.models import Purchase, Refund, WebhookEvent
from payments.services import (
    disputes,
    purchase_news,
    refund_outcomes,
    refunds_adopted,
    settlements,
)
from payments.webhooks.registry import handles

log = structlog.get_logger(__name__)

NEWS = timedelta(days=30)
"""How long before the last of its events a refund was made: banks take ten days. A list of all
refunds since an old purchase could have thousands of pages."""


@handles(
    EventKind.PAYMENT_SUCCEEDED,
    EventKind.PAYMENT_FAILED,
    EventKind.PAYMENT_CANCELLED,
    EventKind.PAYMENT_CHANGED,
)
def payment_changed(event: WebhookEvent, now: datetime) -> None:
    """Bring the purchase to what the gateway says of its payment now."""
    purchase = _purchase_of(event)
    if purchase is None and not event.reference:
        log.info("webhook_not_ours", event_id=event.pk, kind=event.kind)
        return
    if purchase is None:
        raise LookupError(f"no purchase has the reference {event.reference}")
    purchase_news.read_again(purchase, now=now)


@handles(EventKind.REFUND_CHANGED)
def refund_changed(event: WebhookEvent, now: datetime) -> None:
    """Bring the refund to what the gateway says of it now; write one down that we do not know."""
    purchase = _purchase_of(event)
    if purchase is None:
        raise LookupError(f"no purchase has the payment {event.payment_id or event.reference}")
    purchase = purchase_news.settled(purchase, now=now)
    known = purchase.refunds.all()
    if event.object_id:
        known = known.filter(gateway_id__in=[event.object_id, ""])
    for refund in known:
        state = _refund_state(purchase, refund)
        if state is not None:
            refund_outcomes.apply(refund_id=refund.pk, state=state, now=now)
    if not event.object_id:
        _adopt_all(purchase, event, now=now)
    elif not known.filter(gateway_id=event.object_id).exists():
        _adopt(purchase, event.object_id, now=now)


@handles(EventKind.DISPUTE_CHANGED)
def dispute_changed(event: WebhookEvent, now: datetime) -> None:
    """Bring the dispute to what the gateway says of it now."""
    state = gateways.charge_gateway(event.provider).get_dispute(gateway_id=event.object_id)
    if state is None:
        raise LookupError(f"the gateway does not know the dispute {event.object_id} yet")
    purchase = disputes.find_purchase(provider=event.provider, state=state)
    if purchase is None:
        raise LookupError(f"no purchase has the payment {state.payment_id}")
    purchase_news.take(purchase, state, now=now)


@handles(EventKind.SETTLEMENT_CHANGED)
def settlement_changed(event: WebhookEvent, now: datetime) -> None:
    """Bring a transfer to our bank to what the gateway says of it now."""
    settlements.hear_of(provider=event.provider, gateway_id=event.object_id, now=now)


def _purchase_of(event: WebhookEvent) -> Purchase | None:
    purchases_there = Purchase.objects.filter(provider=event.provider)
    found = None
    if event.reference:
        found = purchases_there.filter(reference=event.reference).first()
    if found is None and event.payment_id:
        found = purchases_there.filter(payment_id=event.payment_id).first()
    return found


def _refund_state(purchase: Purchase, refund: Refund) -> RefundState | None:
    return gateways.charge_gateway(purchase.provider).get_refund(
        reference=refund.reference,
        payment_id=purchase.payment_id,
        charge_reference=purchase.reference,
        gateway_id=refund.gateway_id,
        since=refund.requested_at,
    )


def _adopt_all(purchase: Purchase, event: WebhookEvent, *, now: datetime) -> None:
    """The event does not say which refund: what of the payment we do not know is written down."""
    gateway = gateways.charge_gateway(purchase.provider)
    start = max(purchase.created_at, event.received_at - NEWS)
    window = Window(start=start, end=now + timedelta(days=1))
    for state in gateway.list_refunds(window):
        if purchase.payment_id and state.payment_id == purchase.payment_id:
            refunds_adopted.adopt(purchase=purchase, state=state, now=now)


def _adopt(purchase: Purchase, gateway_id: str, *, now: datetime) -> None:
    state = gateways.charge_gateway(purchase.provider).get_refund(
        reference="",
        payment_id=purchase.payment_id,
        charge_reference=purchase.reference,
        gateway_id=gateway_id,
    )
    if state is not None:
        refunds_adopted.adopt(purchase=purchase, state=state, now=now)
