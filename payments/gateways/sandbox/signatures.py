"""The sandbox signs its webhooks in Stripe's scheme, with its own header."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

HEADER = "Sandbox-Signature"

TOLERANCE = timedelta(seconds=300)
"""How far a delivery's clock may be from ours, either way (gateways.md, section 2)."""


def sign(body: bytes, *, secret: str, now: datetime) -> str:
    """``t=<unix>,v1=<hex>``, HMAC-SHA256 over ``<t>.<body>``."""
    timestamp = int(now.timestamp())
    return f"t={timestamp},v1={_digest(body, secret=secret, timestamp=timestamp)}"


def is_valid(header: str, body: bytes, *, secret: str, now: datetime) -> bool:
    """Whether ``header`` was made from these very bytes, with our secret, about now."""
    parts = [part.partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in parts if name == "t"]
    if len(timestamps) != 1 or not timestamps[0].isascii() or not timestamps[0].isdigit():
        return False
    # An own bound before the number is used: a timestamp of 400 digits is no date.
    if len(timestamps[0]) > 11:
        return False
    timestamp = int(timestamps[0])
    if abs(now - datetime.fromtimestamp(timestamp, UTC)) > TOLERANCE:
        return False
    expected = _digest(body, secret=secret, timestamp=timestamp)
    return any(
        hmac.compare_digest(value.encode(), expected.encode())
        for name, _, value in parts
        if name == "v1"
    )


def _digest(body: bytes, *, secret: str, timestamp: int) -> str:
    signed = f"{timestamp}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
