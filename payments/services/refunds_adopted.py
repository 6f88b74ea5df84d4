"""Refunds that we learn of afterwards: made at the gateway's own dashboard, or ours and lost."""

from datetime import datetime

from django.db.transaction import atomic

from legato_payments.lib.ids import uuid7
from payments.gateways.values import Outcome, RefundState
from payments.models import Purchase, Refund
from payments.services import refund_outcomes, refunds

ACTOR = "system:gateway"

LONGEST = 40
"""Characters of a reference that a row holds; ours have 34."""


def adopt(*, purchase: Purchase, state: RefundState, now: datetime) -> Refund | None:
    """Write down a refund that we did not ask for, and bring it to where it is.

    It takes unused coins of the purchase up to its amount; what they are not worth was goodwill.

    Returns:
        The refund; nothing for one that failed before we knew of it, as nothing moved.

    Raises:
        refunds.AmountTooLarge: With it, more went back than was paid.
        AlreadyReversed, refunds.PurchaseNotPaid: It cannot be of this purchase.
    """
    known = Refund.objects.filter(purchase=purchase, gateway_id=state.gateway_id).first()
    if known is None and state.reference:
        known = Refund.objects.filter(reference=state.reference).first()
    if known is None:
        if state.outcome in (Outcome.FAILED, Outcome.CANCELLED):
            return None
        known = _write_down(purchase, state, now=now)
    return refund_outcomes.apply(refund_id=known.pk, state=state, now=now)


@atomic
def _write_down(purchase: Purchase, state: RefundState, *, now: datetime) -> Refund:
    # After a restore to an earlier point the gateway has refunds of ours that no row tells of.
    is_ours = 0 < len(state.reference) <= LONGEST
    request = refunds.Request(
        purchase_id=purchase.pk,
        reason="We had lost its row." if is_ours else "Made at the gateway.",
        actor=ACTOR,
        amount=state.amount,
        goodwill=True,
        gateway_id=state.gateway_id,
        reference=state.reference if is_ours else "",
    )
    return refunds.create(refund_id=uuid7(), request=request, now=now)
