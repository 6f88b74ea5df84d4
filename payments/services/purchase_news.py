"""News of a purchase, whoever brings it: its payment first, then what is about the payment."""

from datetime import datetime

from payments.gateways.values import DisputeState
from payments.models import Dispute, Purchase
from payments.services import disputes, purchases


def take(purchase: Purchase, state: DisputeState, *, now: datetime) -> Dispute:
    """Bring a dispute to what the gateway says of it; the payment it is about comes first.

    Call it outside a transaction: a purchase that is not settled is read at the gateway.

    Raises:
        LookupError: The disputed purchase is not settled, or the gateway does not know it yet.
        disputes.DisputeMismatch: It is in another currency than the purchase.
        base.GatewayError: The gateway does not answer.
    """
    purchase = settled(purchase, now=now)
    return disputes.apply(purchase_id=purchase.pk, state=state, now=now)


def settled(purchase: Purchase, *, now: datetime) -> Purchase:
    """A purchase whose refund or dispute is told of, settled first if it is not yet.

    Raises:
        LookupError: It is not paid, or the gateway does not know it yet.
        base.GatewayError: The gateway does not answer.
    """
    if purchase.status != Purchase.Status.SUCCEEDED:
        purchase = read_again(purchase, now=now)
    if purchase.status != Purchase.Status.SUCCEEDED:
        raise LookupError(f"the purchase {purchase.pk} is not settled")
    return purchase


def read_again(purchase: Purchase, *, now: datetime) -> Purchase:
    """Bring a purchase to what the gateway says of its payment now.

    Raises:
        LookupError: The gateway does not know it yet.
        base.GatewayError: It does not answer.
    """
    state = purchases.read(purchase)
    if state is None:
        # Told of before it can be read: dropped now, it would be lost if the purchase has expired.
        raise LookupError(f"the gateway does not know {purchase.reference} yet")
    return purchases.apply(purchase_id=purchase.pk, state=state, now=now)
