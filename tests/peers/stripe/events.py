"""Events, and the signature of their deliveries by Stripe's scheme."""

import hashlib
import hmac
from collections.abc import Sequence

from tests.peers.store import Json
from tests.peers.stripe import lists
from tests.peers.stripe.calls import Call, routes


def signature(body: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """The header ``Stripe-Signature``, with a ``v1`` for each secret while one is replaced."""
    signed = f"{timestamp}.".encode() + body
    parts = [f"t={timestamp}"]
    parts += [
        "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets
    ]
    return ",".join(parts)


@routes.add("GET", "/v1/events", "events.list")
def listing(call: Call) -> Json:
    """What happened, by kind and time."""
    params = call.params
    found = call.store.find("event")
    kinds = {params["type"]} if "type" in params else set(params.get("types", []))
    return lists.page_of(
        call, "/v1/events", [event for event in found if not kinds or event["type"] in kinds]
    )


@routes.add("GET", "/v1/events/{id}", "events.retrieve")
def retrieve(call: Call) -> Json:
    """One event."""
    return call.load("event", call.ids["id"])
