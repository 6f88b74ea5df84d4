"""Gives money back, and finds what was given back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import stripe

from payments.gateways.stripe.answers import PAGE, Object, ask, find, walk
from payments.gateways.stripe.fields import (
    CHARGE_REFERENCE,
    REFERENCE,
    created,
    figures_of,
    id_of,
    is_ours,
    metadata_of,
    moment,
    money,
    object_of,
)
from payments.gateways.values import Outcome, RefundRequest, RefundState, Window

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams

type Reason = Literal["duplicate", "fraudulent", "requested_by_customer"]

_REASONS: dict[str, Reason] = {
    "duplicate": "duplicate",
    "fraudulent": "fraudulent",
    "requested_by_customer": "requested_by_customer",
}

_OUTCOMES = {
    "pending": Outcome.PENDING,
    "requires_action": Outcome.ACTION_REQUIRED,
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.CANCELLED,
}

_EXPAND = ["payment_intent", "balance_transaction", "failure_balance_transaction"]
_EXPAND_LIST = [f"data.{field}" for field in _EXPAND]


def create(client: stripe.StripeClient, request: RefundRequest, *, key: str) -> RefundState:
    """See ``ChargeGateway.refund``. The payment's refunds are looked at first."""
    # Stripe forgets keys after a day; the reference stays.
    if done := _of_payment(client, request.payment_id, reference=request.reference):
        return done
    params: RefundCreateParams = {
        "payment_intent": request.payment_id,
        "amount": request.amount.minor,
        "metadata": {REFERENCE: request.reference, CHARGE_REFERENCE: request.charge_reference},
        "expand": _EXPAND,
    }
    # Other reasons are ours alone.
    if request.reason in _REASONS:
        params["reason"] = _REASONS[request.reason]
    return ask(lambda: client.v1.refunds.create(params, {"idempotency_key": key}), state_of)


def get(
    client: stripe.StripeClient, *, reference: str, payment_id: str, gateway_id: str = ""
) -> RefundState | None:
    """See ``ChargeGateway.get_refund``."""
    if gateway_id:
        return find(lambda: client.v1.refunds.retrieve(gateway_id, {"expand": _EXPAND}), state_of)
    return _of_payment(client, payment_id, reference=reference)


def in_window(client: stripe.StripeClient, window: Window) -> Iterator[RefundState]:
    """See ``ChargeGateway.list_refunds``."""
    return walk(
        lambda: client.v1.refunds.list(
            {"created": created(window), "expand": _EXPAND_LIST, "limit": PAGE}
        ),
        lambda refund: state_of(refund) if is_ours(refund["currency"]) else None,
    )


def state_of(refund: Object) -> RefundState:
    """A refund of Stripe's."""
    metadata = metadata_of(refund)
    payment = refund["payment_intent"]
    figures = figures_of(_lines(refund), refund["currency"])
    return RefundState(
        gateway_id=refund["id"],
        reference=metadata.get(REFERENCE, ""),
        payment_id=id_of(payment),
        charge_reference=metadata.get(CHARGE_REFERENCE) or metadata_of(payment).get(REFERENCE, ""),
        outcome=_OUTCOMES[refund["status"]],
        amount=money(refund["amount"], refund["currency"]),
        failure_code=refund.get("failure_reason") or "",
        occurred_at=moment(refund["created"]),
        fee=figures.fee,
        settled=figures.settled,
    )


def _lines(refund: Object) -> list[Object]:
    """Of Stripe's own book: when the money left our balance, and when it came back."""
    found = (refund.get("balance_transaction"), refund.get("failure_balance_transaction"))
    return [line for line in map(object_of, found) if line]


def _of_payment(
    client: stripe.StripeClient, payment_id: str, *, reference: str
) -> RefundState | None:
    refunds = walk(
        lambda: client.v1.refunds.list(
            {"payment_intent": payment_id, "expand": _EXPAND_LIST, "limit": PAGE}
        ),
        state_of,
    )
    return next((refund for refund in refunds if refund.reference == reference), None)
