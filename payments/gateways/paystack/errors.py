"""What a call that did not succeed means for us: was it executed, and whose fault is it?

Paystack's codes are few and many refusals carry a message only, so some are told by their words.
"""

import re
from typing import Any

import requests
import urllib3

from payments.gateways.base import (
    Ambiguous,
    AuthenticationFailed,
    DuplicateReference,
    GatewayError,
    InsufficientFunds,
    InvalidRequest,
    RateLimited,
    Unavailable,
)

CODE = "PAYSTACK"

TIME_OUT = "timeout"
CONNECTION = "connection"
UNREADABLE = "unreadable"

MAX_MESSAGE = 200
"""Characters of Paystack's text that are kept: it ends in logs and error columns."""

_NOT_FOUND_CODES = {"not_found", "transaction_not_found"}
_NOT_FOUND = re.compile(r"transaction reference (was )?not found", re.IGNORECASE)
_LOW_BALANCE_CODES = {"insufficient_balance", "insufficient_funds"}
_LOW_BALANCE = re.compile(
    r"balance (is |was )?(not enough|not sufficient|insufficient|too low)"
    r"|(insufficient|not enough|low) (available |account )?balance",
    re.IGNORECASE,
)


class NotFound(InvalidRequest):
    """Paystack answered, and knows no such object."""


def unanswered(error: requests.RequestException) -> GatewayError:
    """The error of a request that got no complete answer.

    Only what failed before a byte of the request was written is ``Unavailable``.
    """
    kind = type(error).__name__
    if isinstance(error, requests.ConnectTimeout):
        return Unavailable(f"no connection: {kind}", gateway=CODE, code=TIME_OUT)
    if _was_never_connected(error):
        return Unavailable(f"no connection: {kind}", gateway=CODE, code=CONNECTION)
    code = TIME_OUT if isinstance(error, requests.Timeout) else CONNECTION
    return Ambiguous(f"no answer: {kind}", gateway=CODE, code=code)


def unreadable(what: str, *, request_id: str = "") -> Ambiguous:
    """An answer came, and does not say what it has to."""
    return Ambiguous(
        f"unreadable answer: {what}", gateway=CODE, code=UNREADABLE, request_id=request_id
    )


def refused(status: int, body: Any, *, request_id: str = "") -> GatewayError:
    """The error of an answer that is not a success.

    Args:
        status: Of HTTP.
        body: The JSON of the answer; ``None`` when it is none.
    """
    envelope = body if isinstance(body, dict) and "message" in body else None
    message = _text(envelope, "message")[:MAX_MESSAGE] or f"HTTP {status}"
    code = _text(envelope, "code")
    known = {"gateway": CODE, "code": code or f"http_{status}", "request_id": request_id}
    # An unknown key is refused with 400 on some routes (official samples), with 401 on others.
    if status in (401, 403) or message == "Invalid key":
        return AuthenticationFailed(message, **known)
    if status == 429:
        return RateLimited(message, **known)
    if envelope is None or not (status < 300 or status in (400, 404, 422)):
        return Ambiguous(message, **known)
    return _meaning(status, code, message)(message, **known)


def _meaning(status: int, code: str, message: str) -> type[GatewayError]:
    if code == "duplicate_reference" or "duplicate transaction reference" in message.lower():
        return DuplicateReference
    if code in _LOW_BALANCE_CODES or _LOW_BALANCE.search(message):
        return InsufficientFunds
    if status == 404 or code in _NOT_FOUND_CODES or _NOT_FOUND.search(message):
        return NotFound
    return InvalidRequest


def _text(envelope: dict[str, Any] | None, name: str) -> str:
    value = (envelope or {}).get(name)
    return value if isinstance(value, str) else ""


def _was_never_connected(error: requests.RequestException) -> bool:
    """Refused, unreachable, or no such host: urllib3 had no connection to write to."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
