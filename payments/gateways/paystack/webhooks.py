"""Deliveries of Paystack: is it theirs, and what does it say?

They are signed with our secret key and carry no time and no id: a replay is known by its bytes, and
every event is a hint to read the object again.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings

from payments.gateways.base import SignatureInvalid
from payments.gateways.paystack import errors, fields
from payments.gateways.paystack.fields import Row, members, text
from payments.gateways.values import EventKind, GatewayEvent

HEADER = "x-paystack-signature"

MODES = {"sk_test_": "test", "sk_live_": "live"}
"""What a key begins with, and the ``domain`` of what happens under it."""

MAX_NAME = 100


def verify(body: bytes, headers: Mapping[str, str], *, remote: str) -> list[GatewayEvent]:
    """The event of an authentic delivery; see ``WebhookVerifier``.

    Raises:
        SignatureInvalid: ``signature``, ``address``, ``mode`` or ``body`` is wrong.
    """
    key = _signing_key(body, _header(headers))
    if key is None:
        raise _invalid("signature", "The signature does not match.")
    addresses = settings.PAYSTACK_WEBHOOK_ADDRESSES
    # A server that listens on both families shows an IPv4 address inside an IPv6 one.
    if addresses and remote and remote.removeprefix("::ffff:") not in addresses:
        raise _invalid("address", f"{remote} is not one of Paystack's addresses.")
    raw = _parse(body)
    domain = members(raw["data"]).get("domain")
    mode = next((mode for prefix, mode in MODES.items() if key.startswith(prefix)), None)
    if domain is not None and mode is not None and domain != mode:
        raise _invalid("mode", f"The delivery is not of {mode} mode.")
    return [_event(raw, dedupe_key=sha256(body).hexdigest())]


def sign(body: bytes, key: str) -> str:
    """What Paystack puts into the header: HMAC-SHA512 of the raw body, in hex."""
    return hmac.new(key.encode(), body, "sha512").hexdigest()


def _signing_key(body: bytes, signature: str) -> str | None:
    keys = [settings.PAYSTACK_SECRET_KEY, settings.PAYSTACK_OLD_SECRET_KEY]
    given = signature.encode("utf-8", "replace")
    # An empty key would make everybody Paystack.
    found = [key for key in keys if key and hmac.compare_digest(sign(body, key).encode(), given)]
    return found[0] if found else None


def _header(headers: Mapping[str, str]) -> str:
    found = [value for name, value in headers.items() if name.lower() == HEADER]
    return found[0] if len(found) == 1 else ""


def _parse(body: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid("body", "The body is no JSON.") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("data"), dict | list):
        raise _invalid("body", "The body is no event.")
    name = raw.get("event")
    if not isinstance(name, str) or not _is_name(name):
        raise _invalid("body", "The event has no name.")
    return raw


def _event(raw: dict[str, Any], *, dedupe_key: str) -> GatewayEvent:
    name = raw["event"]
    # The data of subscription.expiring_cards is a list.
    data = members(raw["data"])
    kind, reference, payment_id = EventKind.OTHER, data.get("reference"), ""
    if name == "charge.success":
        kind, payment_id = EventKind.PAYMENT_SUCCEEDED, _name(data.get("id"))
    elif name.startswith("charge.dispute."):
        payment = members(data.get("transaction"))
        kind, reference = EventKind.DISPUTE_CHANGED, payment.get("reference")
        payment_id = _name(payment.get("id") or data.get("transaction"))
    elif name.startswith("refund."):
        # refund_reference is the bank's, and most of these events lack the refund's id.
        kind, reference = EventKind.REFUND_CHANGED, data.get("transaction_reference")
    return GatewayEvent(
        dedupe_key=dedupe_key,
        kind=kind,
        reference=_name(reference),
        occurred_at=_occurred_at(data),
        raw_kind=name,
        raw=raw,
        object_id=_name(data.get("id")),
        payment_id=payment_id,
    )


def _occurred_at(data: Row) -> datetime | None:
    return fields.moment(
        data,
        *("resolvedAt", "paid_at", "paidAt", "updated_at", "updatedAt"),
        *("transferred_at", "created_at", "createdAt"),
    )


def _name(value: object) -> str:
    """A reference or an id; what cannot be one of ours or theirs is none."""
    name = text(value)
    return name if _is_name(name) else ""


def _is_name(value: str) -> bool:
    return 0 < len(value) <= MAX_NAME and value.isprintable()


def _invalid(code: str, message: str) -> SignatureInvalid:
    return SignatureInvalid(message, gateway=errors.CODE, code=code)
