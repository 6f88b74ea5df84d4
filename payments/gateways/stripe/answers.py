"""Asks Stripe and reads its answers: the SDK's errors become ours (gateways.md, section 7)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import stripe

from payments.gateways import base
from payments.gateways.stripe.client import NotSent

CODE = "STRIPE"

type Object = Mapping[str, Any]
"""One of Stripe's objects, as JSON."""

MISSING = "resource_missing"

PAGE = 100
"""Objects per page of a list, the most there can be."""

_KINDS: dict[type[stripe.StripeError], type[base.GatewayError]] = {
    NotSent: base.Unavailable,
    stripe.CardError: base.Declined,
    stripe.RateLimitError: base.RateLimited,
    stripe.AuthenticationError: base.AuthenticationFailed,
    stripe.PermissionError: base.AuthenticationFailed,
    stripe.InvalidRequestError: base.InvalidRequest,
    # The same key with other parameters: a bug of ours.
    stripe.IdempotencyError: base.InvalidRequest,
}

_REFUSALS: dict[str, type[base.GatewayError]] = {
    "charge_already_refunded": base.Declined,
    "charge_disputed": base.Declined,
    "charge_not_refundable": base.Declined,
    "refund_disputed_payment": base.Declined,
    "balance_insufficient": base.InsufficientFunds,
    "insufficient_funds": base.InsufficientFunds,
}
"""Codes of bad requests that are no mistake of ours: https://docs.stripe.com/error-codes."""

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What the SDK and our parsers raise when an answer is not as described."""


def ask[T](send: Callable[[], stripe.StripeObject], read: Callable[[Object], T]) -> T:
    """What ``read`` makes of the answer.

    Raises:
        base.GatewayError: As ``translate`` says; ``Ambiguous`` when the answer cannot be read.
    """
    with _translated():
        return read(send().to_dict())


def find[T](send: Callable[[], stripe.StripeObject], read: Callable[[Object], T]) -> T | None:
    """As ``ask``; ``None`` when Stripe has no such object."""
    try:
        return ask(send, read)
    except base.InvalidRequest as error:
        if error.code == MISSING:
            return None
        raise


def walk[S: stripe.StripeObject, T](
    send: Callable[[], stripe.ListObject[S]], read: Callable[[Object], T | None]
) -> Iterator[T]:
    """What ``read`` makes of each object of a list, page after page, the newest first.

    What it makes nothing of is left out.
    """
    with _translated():
        items = iter(send().auto_paging_iter())
    while True:
        with _translated():
            item = next(items, None)
            if item is None:
                return
            made = read(item.to_dict())
        if made is not None:
            yield made


def translate(error: stripe.StripeError) -> base.GatewayError:
    """Our error for one of the SDK's."""
    code = error.code or (error.error.code if error.error else "") or ""
    kind = _kind(error, code)
    if isinstance(error, stripe.CardError) and error.error and error.error.decline_code:
        code = error.error.decline_code
    if isinstance(error, stripe.IdempotencyError):
        code = "idempotency_error"
    return kind(
        error.user_message or type(error).__name__,
        gateway=CODE,
        code=code,
        request_id=error.request_id or "",
    )


def _kind(error: stripe.StripeError, code: str) -> type[base.GatewayError]:
    if isinstance(error, stripe.CardError) and _wants_authentication(error):
        return base.ActionRequired
    if isinstance(error, stripe.InvalidRequestError) and code in _REFUSALS:
        return _REFUSALS[code]
    kinds = (kind for cls, kind in _KINDS.items() if isinstance(error, cls))
    # No connection, 409, 5xx, or nothing that can be read.
    return next(kinds, base.Ambiguous)


def _wants_authentication(error: stripe.CardError) -> bool:
    decline_code = error.error.decline_code if error.error else None
    return "authentication_required" in (error.code, decline_code)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except stripe.StripeError as error:
        raise translate(error) from error
    except _UNREADABLE as error:
        message = f"The answer cannot be read: {type(error).__name__}"
        raise base.Ambiguous(message, gateway=CODE, code="unreadable") from error
