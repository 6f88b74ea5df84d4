"""What Stripe's Checkout Sessions and PaymentIntents say of a payment."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from legato_payments.lib.money import Money
from payments.gateways.stripe.answers import Object
from payments.gateways.stripe.fields import (
    REFERENCE,
    id_of,
    is_ours,
    metadata_of,
    method_of,
    moment,
    money,
    object_of,
)
from payments.gateways.values import ChargeState, ClientAction, Outcome, SavedMethod

_INTENTS = {
    "requires_confirmation": Outcome.ACTION_REQUIRED,
    "requires_action": Outcome.ACTION_REQUIRED,
    "processing": Outcome.PENDING,
    "requires_capture": Outcome.PENDING,
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELLED,
}

_SESSIONS = {"open": Outcome.ACTION_REQUIRED, "expired": Outcome.CANCELLED}


@dataclass(frozen=True, slots=True)
class _Settled:
    """How a payment reached our balance."""

    fee: Money | None = None
    converted: Money | None = None


def of_intent(intent: Object) -> ChargeState:
    """A payment that we opened without a hosted page, or that somebody else opened."""
    outcome = _outcome(intent)
    is_open = outcome is Outcome.ACTION_REQUIRED and intent.get("client_secret")
    return _state(
        intent,
        gateway_id=intent["id"],
        outcome=outcome,
        action=ClientAction(
            "client_secret",
            client_secret=intent["client_secret"],
            publishable_key=settings.STRIPE_PUBLISHABLE_KEY or None,
        )
        if is_open
        else None,
    )


def of_session(session: Object) -> ChargeState:
    """A payment on a hosted page. The payment itself exists once the reader tried to pay."""
    outcome = _session_outcome(session)
    url = session.get("url")
    action = (
        ClientAction("redirect", url=url) if outcome is Outcome.ACTION_REQUIRED and url else None
    )
    reference = reference_of(session)
    if intent := object_of(session["payment_intent"]):
        return _state(
            intent, gateway_id=session["id"], outcome=outcome, action=action, reference=reference
        )
    return ChargeState(
        gateway_id=session["id"],
        reference=reference,
        outcome=outcome,
        amount=money(session["amount_total"], session["currency"]),
        action=action,
        payment_id=id_of(session["payment_intent"]),
        metadata=metadata_of(session),
    )


def reference_of(item: Object) -> str:
    """Our reference of a payment; empty when it was not opened by us."""
    return metadata_of(item).get(REFERENCE) or item.get("client_reference_id") or ""


def _state(
    intent: Object,
    *,
    gateway_id: str,
    outcome: Outcome,
    action: ClientAction | None,
    reference: str = "",
) -> ChargeState:
    is_paid = outcome is Outcome.SUCCEEDED
    settled = _settled(intent)
    return ChargeState(
        gateway_id=gateway_id,
        reference=reference or reference_of(intent),
        outcome=outcome,
        amount=money(intent["amount_received" if is_paid else "amount"], intent["currency"]),
        fee=settled.fee,
        settled=settled.converted,
        action=action,
        failure_code=_failure(intent),
        occurred_at=_ended_at(intent),
        payment_id=intent["id"],
        method=_saved_method(intent) if is_paid else None,
        metadata=metadata_of(intent),
    )


def _outcome(intent: Object) -> Outcome:
    if intent["status"] == "requires_payment_method":
        # Only a saved method is charged by us; otherwise the reader may try another card.
        return Outcome.FAILED if _is_of_saved_method(intent) else Outcome.ACTION_REQUIRED
    return _INTENTS[intent["status"]]


def _session_outcome(session: Object) -> Outcome:
    if session["status"] in _SESSIONS:
        return _SESSIONS[session["status"]]
    if session["payment_status"] == "paid":
        return Outcome.SUCCEEDED
    # A bank transfer or the like takes days, and may fail after the page was completed.
    intent = object_of(session["payment_intent"])
    if intent and intent["status"] == "requires_payment_method":
        return Outcome.FAILED
    return Outcome.CANCELLED if intent and intent["status"] == "canceled" else Outcome.PENDING


def _is_of_saved_method(intent: Object) -> bool:
    ways = intent.get("automatic_payment_methods") or {}
    return bool(ways.get("allow_redirects") == "never")


def _failure(intent: Object) -> str:
    error = intent.get("last_payment_error") or {}
    return error.get("decline_code") or error.get("code") or ""


def _ended_at(intent: Object) -> datetime | None:
    charge = object_of(intent["latest_charge"])
    if intent["status"] == "succeeded" and charge:
        return moment(charge["created"])
    if intent["status"] == "canceled" and intent.get("canceled_at"):
        return moment(intent["canceled_at"])
    return None


def _settled(intent: Object) -> _Settled:
    charge = object_of(intent["latest_charge"])
    line = object_of(charge["balance_transaction"]) if charge else None
    if not charge or not line or not is_ours(line["currency"]):
        return _Settled()
    is_converted = line["currency"] != charge["currency"]
    return _Settled(
        fee=money(line["fee"], line["currency"]),
        converted=money(line["amount"], line["currency"]) if is_converted else None,
    )


def _saved_method(intent: Object) -> SavedMethod | None:
    charge = object_of(intent["latest_charge"])
    token, customer_id = id_of(intent["payment_method"]), id_of(intent["customer"])
    is_kept = intent.get("setup_future_usage") and token and customer_id
    details = charge.get("payment_method_details") if charge else None
    return method_of(token, customer_id, details) if is_kept and details else None
