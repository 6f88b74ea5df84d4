"""What ``payments`` does about gateway events. Events are hints: the payment is read again."""

from datetime import datetime

from payments.gateways import registry as gateways
from payments.gateways.base import EventKind
from payments.models import Purchase, WebhookEvent
from payments.services import purchases
from payments.webhooks.registry import handles


@handles(EventKind.PAYMENT_SUCCEEDED, EventKind.PAYMENT_FAILED, EventKind.PAYMENT_CANCELLED)
def payment_changed(event: WebhookEvent, now: datetime) -> None:
    """Bring the purchase to what the gateway says of its payment now."""
    purchase = Purchase.objects.filter(provider=event.provider, reference=event.reference).first()
    if purchase is None:
        raise LookupError(f"no purchase has the reference {event.reference}")
    state = gateways.charge_gateway(event.provider).get_charge(reference=event.reference)
    if state is None:
        # Told of before it can be read: dropped now, it would be lost if the purchase has expired.
        raise LookupError(f"the gateway does not know {event.reference} yet")
    purchases.apply(purchase_id=purchase.pk, state=state, now=now)
