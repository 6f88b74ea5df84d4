"""What every payment gateway offers, in one vocabulary (gateways.md, section 7).

Amounts cross this border as ``lib.money.Money``; an adapter turns them into the gateway's own
integers. No function here runs inside a database transaction: see ``registry``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from legato_payments.lib.money import Money


class Outcome(StrEnum):
    """How far a charge is."""

    SUCCEEDED = "SUCCEEDED"
    PENDING = "PENDING"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """Ambiguous: asked, but not answered. Never final."""


class EventKind(StrEnum):
    """What a webhook says happened. A hint: the handler reads the object again."""

    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_CANCELLED = "payment.cancelled"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CustomerRef:
    """Who pays. The e-mail is asked for by some gateways."""

    user_id: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """A payment to be made.

    Args:
        reference: Ours, unique for ever, in every gateway's alphabet (``lib.ids``).
        return_url: Where the reader comes back to from a hosted page.
        saved_method: A stored payment method to charge without the reader.
    """

    reference: str
    amount: Money
    customer: CustomerRef
    description: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    return_url: str | None = None
    saved_method: str | None = None


@dataclass(frozen=True, slots=True)
class ClientAction:
    """What the reader has to do: follow ``url``, or confirm with ``client_secret``."""

    type: str
    url: str | None = None
    client_secret: str | None = None
    publishable_key: str | None = None

    def to_json(self) -> dict[str, str]:
        """The members that are set."""
        members = {
            "type": self.type,
            "url": self.url,
            "client_secret": self.client_secret,
            "publishable_key": self.publishable_key,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChargeState:
    """A payment as the gateway knows it now."""

    gateway_id: str
    reference: str
    outcome: Outcome
    amount: Money
    fee: Money | None = None
    action: ClientAction | None = None
    failure_code: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One verified webhook delivery.

    Args:
        dedupe_key: The same for every delivery of the same event.
        reference: Ours, of the object it is about; empty when it is about none of ours.
    """

    dedupe_key: str
    kind: EventKind
    reference: str
    occurred_at: datetime | None
    raw_kind: str
    raw: Mapping[str, Any]


class ChargeGateway(Protocol):
    """Takes readers' payments."""

    code: str
    currencies: frozenset[str]
    minimum_minor: Mapping[str, int]

    def create_charge(self, request: ChargeRequest, *, key: str, now: datetime) -> ChargeState:
        """Open a payment. The same ``key`` again gives the same payment.

        Raises:
            Declined: The method was refused.
            Unavailable: Certainly not executed.
            Ambiguous: Perhaps executed; ask with ``get_charge``, never with a new key.
        """
        ...

    def get_charge(self, *, reference: str) -> ChargeState | None:
        """The payment with our reference; ``None`` when there certainly is none.

        Raises:
            Unavailable: No answer.
        """
        ...

    def cancel_charge(self, *, reference: str, now: datetime) -> ChargeState | None:
        """Close an unpaid payment, so that it cannot be paid any more; its state afterwards.

        Raises:
            Unavailable: No answer.
        """
        ...


class WebhookVerifier(Protocol):
    """Turns a delivery into events, or refuses it."""

    def verify(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> list[GatewayEvent]:
        """The events of an authentic delivery.

        Raises:
            SignatureInvalid: Forged, altered, too old or dated in the future.
        """
        ...


class GatewayError(Exception):
    """A gateway did not do as asked. ``code`` is the gateway's own, for the operator."""

    def __init__(self, message: str, *, gateway: str, code: str = "") -> None:
        super().__init__(message)
        self.gateway = gateway
        self.code = code


class Declined(GatewayError):
    """The payment method was refused."""


class InvalidRequest(GatewayError):
    """The gateway found our request wrong: a bug or a setting of ours."""


class SignatureInvalid(GatewayError):
    """A delivery is not the gateway's."""


class Unavailable(GatewayError):
    """Certainly not executed: nothing was sent, or it was refused unread."""


class Ambiguous(GatewayError):
    """Perhaps executed: no readable answer after the request was sent."""
