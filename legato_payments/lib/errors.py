"""Errors the business rules raise.

A service raises a subclass that sits beside it and is read as ``except wallets.InsufficientCoins``.
``lib.api.errors`` alone turns a category into an HTTP status; nothing else knows about HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input: where (a JSON pointer), a machine code, and words for people."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """The world said no: nothing moved, and the caller learns why.

    ``code`` is stable and part of the API contract; the message is for people. ``members`` are
    extra facts for the answer, such as ``required_coins``.
    """

    code: ClassVar[str] = "domain_error"
    title: ClassVar[str] = "The request was refused."

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        **members: Any,
    ) -> None:
        super().__init__(message or self.title)
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.members: Mapping[str, Any] = members


class Invalid(DomainError):
    """The request makes no sense (400)."""

    code = "validation_error"
    title = "The request is not valid."


class Unauthenticated(DomainError):
    """Nobody we know is asking (401)."""

    code = "unauthenticated"
    title = "A valid bearer token is required."


class Declined(DomainError):
    """The payment was declined (402)."""

    code = "payment_declined"
    title = "The payment was declined."


class Forbidden(DomainError):
    """The caller may not do this (403)."""

    code = "forbidden"
    title = "You may not do this."


class Missing(DomainError):
    """The thing does not exist, or not for this caller (404)."""

    code = "not_found"
    title = "Nothing was found here."


class Conflict(DomainError):
    """The request is sound but the current state refuses it (409)."""

    code = "conflict"
    title = "The current state refuses this."


class Refused(DomainError):
    """The request is well-formed but a rule forbids it (422)."""

    code = "refused"
    title = "A rule forbids this."


class Unavailable(DomainError):
    """Something we depend on did not answer; the same request may succeed later (503)."""

    code = "unavailable"
    title = "Temporarily unavailable. Try again."
