"""What every payment gateway offers, in one vocabulary (gateways.md, section 7).

No function here runs inside a database transaction: see ``registry``.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from payments.gateways.values import (
    BalanceState,
    ChargeRequest,
    ChargeState,
    CustomerRef,
    DisputeState,
    Evidence,
    GatewayEvent,
    LedgerLine,
    RefundRequest,
    RefundState,
    SettlementState,
    Window,
)


class ChargeGateway(Protocol):
    """Takes readers' payments and gives them back.

    Every read raises ``Unavailable`` or ``Ambiguous`` when there is no readable answer: for a read
    they are the same. ``since`` is when we first asked for the object: where the gateway cannot
    look a reference of ours up, it lists what was made from then on.
    """

    code: str
    currencies: frozenset[str]
    minimum_minor: Mapping[str, int]
    has_customers: bool
    """Whether a method is kept for a customer, who has to be made first."""
    needs_email: bool
    """Whether it opens no payment without the payer's e-mail."""

    def create_charge(self, request: ChargeRequest, *, key: str, now: datetime) -> ChargeState:
        """Open a payment. The same ``key`` again gives the same payment.

        Raises:
            Declined: The method was refused.
            DuplicateReference: It exists already; read it.
            InvalidRequest, AuthenticationFailed, RateLimited: Not executed.
            Unavailable: Certainly not executed.
            Ambiguous: Perhaps executed; ask with ``get_charge``, never with a new key.
        """
        ...

    def get_charge(
        self, *, reference: str, gateway_id: str = "", since: datetime | None = None
    ) -> ChargeState | None:
        """The payment with our reference; ``None`` when there certainly is none."""
        ...

    def cancel_charge(
        self,
        *,
        reference: str,
        now: datetime,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> ChargeState | None:
        """Close an unpaid payment, so that it cannot be paid any more; its state afterwards.

        Where the gateway cannot close one, its state is what it is.
        """
        ...

    def ensure_customer(self, customer: CustomerRef, *, key: str) -> str:
        """The gateway's id of a reader, to keep methods for; empty where it needs none.

        The same ``key`` again gives the same customer.
        """
        ...

    def detach_method(self, token: str, *, key: str) -> None:
        """Forget a kept method: it cannot be charged any more. One that is gone already is fine.

        Raises:
            InvalidRequest, AuthenticationFailed, RateLimited, Unavailable, Ambiguous: As above.
        """
        ...

    def refund(self, request: RefundRequest, *, key: str, now: datetime) -> RefundState:
        """Give money back. The same ``key`` or reference again gives the same refund.

        Raises:
            Declined: The gateway will never do it, for example disputed or refunded already.
            InsufficientFunds: Our balance there is too low now.
            InvalidRequest, AuthenticationFailed, RateLimited, Unavailable, Ambiguous: As above.
        """
        ...

    def get_refund(
        self,
        *,
        reference: str,
        payment_id: str,
        charge_reference: str,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> RefundState | None:
        """The refund with our reference, or with the gateway's id; ``None`` as ``get_charge``."""
        ...

    def get_dispute(self, *, gateway_id: str) -> DisputeState | None:
        """One dispute."""
        ...

    def submit_evidence(self, *, gateway_id: str, evidence: Evidence, key: str) -> DisputeState:
        """Answer a dispute; final."""
        ...

    def accept_dispute(self, *, gateway_id: str, key: str) -> DisputeState:
        """Give up a dispute: the payer has the money."""
        ...

    def list_charges(self, window: Window) -> Iterator[ChargeState]:
        """Payments opened in the window, paid or not."""
        ...

    def list_refunds(self, window: Window) -> Iterator[RefundState]:
        """Refunds made in the window."""
        ...

    def list_disputes(self, window: Window) -> Iterator[DisputeState]:
        """Disputes opened in the window."""
        ...

    def list_settlements(self, window: Window) -> Iterator[SettlementState]:
        """Transfers to our bank made in the window."""
        ...

    def ledger(self, window: Window) -> Iterator[LedgerLine]:
        """The gateway's own book for the window."""
        ...

    def settlement_lines(self, gateway_id: str) -> Iterator[LedgerLine]:
        """What one transfer to our bank pays out, the transfer's own line left out."""
        ...

    def balances(self) -> list[BalanceState]:
        """What the gateway holds for us, per currency."""
        ...


class WebhookVerifier(Protocol):
    """Turns a delivery into events, or refuses it."""

    def verify(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        now: datetime,
        remote: str = "",
    ) -> list[GatewayEvent]:
        """The events of an authentic delivery.

        Args:
            remote: The address it came from.

        Raises:
            SignatureInvalid: Forged, altered, too old, dated in the future, of the other mode
                (test, live) or of another account. ``code`` says which.
        """
        ...


class GatewayError(Exception):
    """A gateway did not do as asked. ``code`` is the gateway's own, for the operator."""

    def __init__(self, message: str, *, gateway: str, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.gateway = gateway
        self.code = code
        self.request_id = request_id


class Declined(GatewayError):
    """The payment method, or the refund, was refused for good."""


class ActionRequired(Declined):
    """An off-session payment needs the reader: bring them back on session."""


class InvalidRequest(GatewayError):
    """The gateway found our request wrong: a bug or a setting of ours."""


class DuplicateReference(GatewayError):
    """An object with our reference exists already: read it."""


class AuthenticationFailed(GatewayError):
    """The gateway does not accept our key, or does not let it do this."""


class RateLimited(GatewayError):
    """Not executed: too many calls."""


class InsufficientFunds(GatewayError):
    """Our balance at the gateway does not cover it now."""


class NotSupported(GatewayError):
    """The gateway cannot do that."""


class SignatureInvalid(GatewayError):
    """A delivery is not the gateway's. ``code`` says what is wrong with it."""


class Unavailable(GatewayError):
    """Certainly not executed: nothing was sent, or it was refused unread."""


class Ambiguous(GatewayError):
    """Perhaps executed: no readable answer after the request was sent."""
