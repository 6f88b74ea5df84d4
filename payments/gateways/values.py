"""What crosses the border between our services and the payment gateways (gateways.md, section 7).

Amounts are ``lib.money.Money``; an adapter turns them into the gateway's own integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from legato_payments.lib.money import Money


class Outcome(StrEnum):
    """How far a charge or a refund is."""

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
    PAYMENT_CHANGED = "payment.changed"
    """Something else about a payment, for example its fee is known now."""
    REFUND_CHANGED = "refund.changed"
    DISPUTE_CHANGED = "dispute.changed"
    SETTLEMENT_CHANGED = "settlement.changed"
    """A transfer of our balance to the bank."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CustomerRef:
    """Who pays. The e-mail is asked for by some gateways.

    Args:
        gateway_id: The gateway's id of the customer; empty when it knows none.
    """

    user_id: str
    email: str | None = None
    gateway_id: str = ""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """A payment to be made.

    Args:
        reference: Ours, unique for ever, in every gateway's alphabet (``lib.ids``).
        return_url: Where the reader comes back to from a hosted page.
        saved_method: The token of a kept payment method to charge.
        off_session: The reader is not here to answer the bank.
        save_method: Keep the method for later charges, with the reader's consent.
        inline: The reader pays on our own page with a client secret, not on a hosted page.
        expires_at: When the payment page closes, where the gateway can do that.
    """

    reference: str
    amount: Money
    customer: CustomerRef
    description: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    return_url: str | None = None
    saved_method: str | None = None
    off_session: bool = False
    save_method: bool = False
    inline: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A payment method the gateway keeps for a customer; ``token`` charges it again."""

    token: str
    customer_id: str
    kind: str
    brand: str = ""
    last4: str = ""
    expires: str = ""
    """``YYYY-MM``; empty for what does not expire."""
    email: str = ""
    """The payer's address, where the gateway charges it with that one alone."""


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
    """A payment as the gateway knows it now.

    Args:
        gateway_id: Of what we opened: the hosted page or the payment.
        payment_id: Of the payment itself, which refunds and disputes name; empty before there is
            one. May be equal to ``gateway_id``.
        amount: What was asked for; once it succeeded, what was paid.
        fee: By the gateway's own figures, perhaps in another currency; ``None`` when not known yet.
        settled: The amount as it reached our balance, where the gateway converted it.
        metadata: What we gave when we opened it.
    """

    gateway_id: str
    reference: str
    outcome: Outcome
    amount: Money
    fee: Money | None = None
    action: ClientAction | None = None
    failure_code: str = ""
    occurred_at: datetime | None = None
    payment_id: str = ""
    settled: Money | None = None
    method: SavedMethod | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to be given back.

    Args:
        reference: Ours, of the refund.
        charge_reference: Ours, of the payment.
        payment_id: The gateway's, of the payment.
    """

    reference: str
    charge_reference: str
    payment_id: str
    amount: Money
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefundState:
    """A refund as the gateway knows it now.

    Args:
        reference: Ours; empty when it was made at the gateway's dashboard.
        outcome: ACTION_REQUIRED when a person has to give the payer's bank details.
        fee: What the gateway kept for it, less what it gave back; ``None`` when not known.
        settled: What left our balance for it, less what came back, where that is another currency.
    """

    gateway_id: str
    reference: str
    payment_id: str
    charge_reference: str
    outcome: Outcome
    amount: Money
    failure_code: str = ""
    occurred_at: datetime | None = None
    fee: Money | None = None
    settled: Money | None = None


class DisputeStatus(StrEnum):
    """How far a dispute is."""

    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class DisputeState:
    """A payer's bank wants a payment back; what the gateway knows of it now.

    Args:
        amount: Disputed, in the payment's currency.
        holds_funds: Whether the gateway has taken the money from our balance.
        is_inquiry: The bank only asks so far; it is no dispute yet.
        is_withdrawn: WON because the payer took it back, or the bank asked only.
        fee: What the gateway charged for it so far, by its own figures.
        fee_returned: What of the fee it gave back.
        settled: What left our balance for it, less what came back, where that is another currency.
        evidence_due_at: Until when we can answer.
    """

    gateway_id: str
    payment_id: str
    charge_reference: str
    status: DisputeStatus
    amount: Money
    reason: str = ""
    holds_funds: bool = True
    is_inquiry: bool = False
    is_withdrawn: bool = False
    fee: Money | None = None
    fee_returned: Money | None = None
    settled: Money | None = None
    evidence_due_at: datetime | None = None
    opened_at: datetime | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What we answer to a dispute. Texts are ours; nothing of the reader's that is not needed."""

    customer_email: str = ""
    product_description: str = ""
    access_log: str = ""
    """When which chapter was opened with the coins."""
    receipt_url: str = ""
    terms: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` (included) to ``end`` (excluded), UTC."""

    start: datetime
    end: datetime


class LineKind(StrEnum):
    """What a line of the gateway's own book is about."""

    CHARGE = "CHARGE"
    REFUND = "REFUND"
    REFUND_FAILURE = "REFUND_FAILURE"
    DISPUTE = "DISPUTE"
    DISPUTE_REVERSAL = "DISPUTE_REVERSAL"
    SETTLEMENT = "SETTLEMENT"
    SETTLEMENT_FAILURE = "SETTLEMENT_FAILURE"
    FEE = "FEE"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of the gateway's own book: ``net`` = ``gross`` - ``fee``, all in one currency.

    Args:
        gross: Above zero when our balance grew.
        source_id: The gateway's id of the payment, refund, dispute or settlement.
        settlement_id: The transfer to the bank that paid it out; empty when not yet, or unknown.
        is_net: The gateway tells no fee here: it is off the gross amount already.
    """

    id: str
    kind: LineKind
    gross: Money
    fee: Money
    source_id: str
    reference: str
    occurred_at: datetime
    settlement_id: str = ""
    description: str = ""
    is_net: bool = False

    @property
    def net(self) -> Money:
        """What our balance changed by."""
        return self.gross - self.fee


class SettlementStatus(StrEnum):
    """How far a transfer to our bank is."""

    PENDING = "PENDING"
    PAID = "PAID"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class SettlementState:
    """A transfer of our balance at the gateway to our bank account."""

    gateway_id: str
    amount: Money
    status: SettlementStatus
    arrives_on: date
    created_at: datetime
    bank_reference: str = ""
    """What the bank's statement may show of it."""


@dataclass(frozen=True, slots=True)
class BalanceState:
    """What the gateway holds for us in one currency."""

    available: Money
    pending: Money


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One verified webhook delivery.

    Args:
        dedupe_key: The same for every delivery of the same event.
        reference: Ours, of the payment it is about; empty when the event does not say.
        object_id: The gateway's, of the object it is about: payment, refund, dispute, settlement.
        payment_id: The gateway's, of the payment behind a refund or dispute.
    """

    dedupe_key: str
    kind: EventKind
    reference: str
    occurred_at: datetime | None
    raw_kind: str
    raw: Mapping[str, Any]
    object_id: str = ""
    payment_id: str = ""
