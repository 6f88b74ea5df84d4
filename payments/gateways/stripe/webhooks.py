"""Stripe's deliveries: whether they are Stripe's, and what they are about."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import stripe
from django.conf import settings

from payments.gateways.base import SignatureInvalid
from payments.gateways.stripe.answers import CODE, Object
from payments.gateways.stripe.charge_states import reference_of
from payments.gateways.stripe.fields import CHARGE_REFERENCE, id_of, metadata_of, moment
from payments.gateways.values import EventKind, GatewayEvent

HEADER = "Stripe-Signature"

TOLERANCE = timedelta(seconds=300)
"""How far the time of a delivery may be from ours, either way. The SDK looks at the past alone."""

MAX_ID = 100
"""Characters of an event's id that we take; Stripe's have about 30."""

_KINDS = {
    "payment_intent.succeeded": EventKind.PAYMENT_SUCCEEDED,
    "payment_intent.payment_failed": EventKind.PAYMENT_FAILED,
    "payment_intent.canceled": EventKind.PAYMENT_CANCELLED,
    "checkout.session.async_payment_succeeded": EventKind.PAYMENT_SUCCEEDED,
    "checkout.session.async_payment_failed": EventKind.PAYMENT_FAILED,
    "checkout.session.expired": EventKind.PAYMENT_CANCELLED,
    "charge.updated": EventKind.PAYMENT_CHANGED,
    "charge.refunded": EventKind.REFUND_CHANGED,
}

_FAMILIES = {
    "payment_intent.": EventKind.PAYMENT_CHANGED,
    "checkout.session.": EventKind.PAYMENT_CHANGED,
    "refund.": EventKind.REFUND_CHANGED,
    "charge.refund.": EventKind.REFUND_CHANGED,
    "charge.dispute.": EventKind.DISPUTE_CHANGED,
    "payout.": EventKind.SETTLEMENT_CHANGED,
}
"""By the beginning of the type, for those that are not above."""

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


def verify(body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[GatewayEvent]:
    """See ``WebhookVerifier.verify``.

    Raises:
        SignatureInvalid: ``code`` is ``signature``, ``too_old``, ``future``, ``body``, ``mode`` or
            ``account``.
    """
    header = headers.get(HEADER, "")
    _check_signature(body, header)
    _check_time(header, now)
    try:
        event = _read(body)
        made = _event(event)
    except _UNREADABLE as error:
        # Stripe's, but no event that we can read: whoever looks after it learns of it.
        raise _refused("body", "The body is not an event.") from error
    _check_owner(event)
    return [made]


def kind_of(event_type: str, item: Object) -> EventKind:
    """What an event of Stripe's means to us."""
    if event_type == "checkout.session.completed" and item.get("payment_status") == "paid":
        return EventKind.PAYMENT_SUCCEEDED
    if known := _KINDS.get(event_type):
        return known
    families = (kind for start, kind in _FAMILIES.items() if event_type.startswith(start))
    return next(families, EventKind.OTHER)


def _check_signature(body: bytes, header: str) -> None:
    if not any(_is_signed(body, header, secret) for secret in settings.STRIPE_WEBHOOK_SECRETS):
        raise _refused("signature", "The signature does not match.")


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    # compare_digest takes no other text, and Stripe sends none.
    if not header.isascii():
        return False
    try:
        # Time is checked by our own clock.
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _check_time(header: str, now: datetime) -> None:
    times = [
        value
        for name, _, value in (part.partition("=") for part in header.split(","))
        if name == "t"
    ]
    # The SDK signs the first; a second one would be nobody's.
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > 11:
        raise _refused("signature", "The signature has not one time.")
    late_by = now - moment(int(times[0]))
    if late_by > TOLERANCE:
        raise _refused("too_old", "The delivery is too old.")
    if late_by < -TOLERANCE:
        raise _refused("future", "The delivery is dated in the future.")


def _check_owner(event: Object) -> None:
    if event["livemode"] is not ("_live_" in settings.STRIPE_SECRET_KEY):
        raise _refused("mode", "The event is of the other mode, test or live.")
    account = event.get("account")
    if account and account != settings.STRIPE_ACCOUNT_ID:
        raise _refused("account", "The event is of another account.")


def _read(body: bytes) -> Object:
    event = json.loads(body)
    if event["object"] != "event" or not isinstance(event["type"], str):
        raise ValueError("no event")
    if not isinstance(event["id"], str) or not 0 < len(event["id"]) <= MAX_ID:
        raise ValueError("no id")
    if not event["id"].isprintable() or not isinstance(event["livemode"], bool):
        raise ValueError("no id, or no mode")
    return dict(event)


def _event(event: Object) -> GatewayEvent:
    item = event["data"]["object"]
    kind = kind_of(event["type"], item)
    payment_id = _payment_of(item)
    return GatewayEvent(
        dedupe_key=event["id"],
        kind=kind,
        reference=_reference_of(item),
        occurred_at=moment(event["created"]),
        raw_kind=event["type"],
        raw=event,
        object_id=_object_of(item, kind, payment_id),
        payment_id=payment_id,
    )


def _reference_of(item: Object) -> str:
    if item["object"] == "refund":
        return metadata_of(item).get(CHARGE_REFERENCE, "")
    return reference_of(item)


def _payment_of(item: Object) -> str:
    if item["object"] == "payment_intent":
        return str(item["id"])
    return id_of(item.get("payment_intent"))


def _object_of(item: Object, kind: EventKind, payment_id: str) -> str:
    if item["object"] != "charge":
        return id_of(item)
    # Of a payment we know the PaymentIntent. That it was refunded does not say by which refund.
    return "" if kind is EventKind.REFUND_CHANGED else payment_id


def _refused(code: str, message: str) -> SignatureInvalid:
    return SignatureInvalid(message, gateway=CODE, code=code)
