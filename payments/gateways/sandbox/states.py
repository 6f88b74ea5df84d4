"""The sandbox's rows in the words of ``payments.gateways.values``."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from legato_payments.lib.money import Money
from payments.gateways.values import (
    ChargeState,
    ClientAction,
    DisputeState,
    DisputeStatus,
    EventKind,
    GatewayEvent,
    LedgerLine,
    LineKind,
    Outcome,
    RefundState,
    SavedMethod,
    SettlementState,
    SettlementStatus,
)
from payments.models import (
    SandboxCharge,
    SandboxDispute,
    SandboxLine,
    SandboxMethod,
    SandboxRefund,
    SandboxSettlement,
)

CHARGES = {
    SandboxCharge.Status.OPEN: Outcome.ACTION_REQUIRED,
    SandboxCharge.Status.AUTHENTICATING: Outcome.ACTION_REQUIRED,
    SandboxCharge.Status.SUCCEEDED: Outcome.SUCCEEDED,
    SandboxCharge.Status.FAILED: Outcome.FAILED,
    SandboxCharge.Status.CANCELLED: Outcome.CANCELLED,
}

REFUNDS = {
    SandboxRefund.Status.PENDING: Outcome.PENDING,
    SandboxRefund.Status.NEEDS_ATTENTION: Outcome.ACTION_REQUIRED,
    SandboxRefund.Status.SUCCEEDED: Outcome.SUCCEEDED,
    SandboxRefund.Status.FAILED: Outcome.FAILED,
}

KINDS = {
    "charge.succeeded": EventKind.PAYMENT_SUCCEEDED,
    "charge.failed": EventKind.PAYMENT_FAILED,
    "charge.cancelled": EventKind.PAYMENT_CANCELLED,
    "refund.updated": EventKind.REFUND_CHANGED,
    "dispute.created": EventKind.DISPUTE_CHANGED,
    "dispute.updated": EventKind.DISPUTE_CHANGED,
    "dispute.closed": EventKind.DISPUTE_CHANGED,
}


def checkout_url(charge_id: str) -> str:
    """Where the reader pays."""
    return f"{settings.PUBLIC_URL}/sandbox/checkout/{charge_id}"


def charge_state(charge: SandboxCharge) -> ChargeState:
    """A payment."""
    outcome = CHARGES[SandboxCharge.Status(charge.status)]
    is_open = outcome is Outcome.ACTION_REQUIRED
    fee = charge.fee_minor
    return ChargeState(
        gateway_id=charge.pk,
        payment_id=charge.pk,
        reference=charge.reference,
        outcome=outcome,
        amount=Money.from_minor(charge.amount_minor, charge.currency),
        fee=None if fee is None else Money.from_minor(fee, charge.currency),
        action=ClientAction("redirect", url=checkout_url(charge.pk)) if is_open else None,
        failure_code=charge.failure_code,
        occurred_at=charge.completed_at,
        method=_kept(charge) if outcome is Outcome.SUCCEEDED else None,
        metadata=charge.metadata,
    )


def refund_state(refund: SandboxRefund) -> RefundState:
    """A refund."""
    return RefundState(
        gateway_id=refund.pk,
        reference=refund.reference,
        payment_id=refund.charge_id,
        charge_reference=refund.charge.reference,
        outcome=REFUNDS[SandboxRefund.Status(refund.status)],
        amount=Money.from_minor(refund.amount_minor, refund.charge.currency),
        failure_code=refund.failure_code,
        occurred_at=refund.completed_at or refund.created_at,
    )


def dispute_state(dispute: SandboxDispute) -> DisputeState:
    """A dispute."""
    currency = dispute.charge.currency
    return DisputeState(
        gateway_id=dispute.pk,
        payment_id=dispute.charge_id,
        charge_reference=dispute.charge.reference,
        status=DisputeStatus(dispute.status),
        amount=Money.from_minor(dispute.amount_minor, currency),
        reason=dispute.reason,
        holds_funds=dispute.holds_funds,
        is_inquiry=not dispute.holds_funds and dispute.status not in ("WON", "LOST"),
        is_withdrawn=dispute.is_withdrawn,
        fee=Money.from_minor(dispute.fee_minor, currency),
        fee_returned=Money.from_minor(dispute.fee_returned_minor, currency),
        evidence_due_at=dispute.due_at,
        opened_at=dispute.opened_at,
        occurred_at=dispute.changed_at,
    )


def line_state(line: SandboxLine) -> LedgerLine:
    """A line of its book."""
    return LedgerLine(
        id=f"sbl_{line.pk}",
        kind=LineKind(line.kind),
        gross=Money.from_minor(line.gross_minor, line.currency),
        fee=Money.from_minor(line.fee_minor, line.currency),
        source_id=line.source_id,
        reference=line.reference,
        occurred_at=line.occurred_at,
        settlement_id=line.settlement_id or "",
    )


def settlement_line(settlement: SandboxSettlement) -> LedgerLine:
    """What a transfer to the bank takes out of its balance."""
    amount = Money.from_minor(settlement.amount_minor, settlement.currency)
    return LedgerLine(
        id=f"sbl_{settlement.pk}",
        kind=LineKind.SETTLEMENT,
        gross=-amount,
        fee=Money(0, settlement.currency),
        source_id=settlement.pk,
        reference="",
        occurred_at=settlement.created_at,
        settlement_id=settlement.pk,
    )


def settlement_state(settlement: SandboxSettlement) -> SettlementState:
    """A transfer to the bank."""
    return SettlementState(
        gateway_id=settlement.pk,
        amount=Money.from_minor(settlement.amount_minor, settlement.currency),
        status=SettlementStatus(settlement.status),
        arrives_on=settlement.arrives_on,
        created_at=settlement.created_at,
        bank_reference=settlement.pk[-12:],
    )


def _kept(charge: SandboxCharge) -> SavedMethod | None:
    if not charge.keeps_method:
        return None
    kept = SandboxMethod.objects.get(charge=charge)
    return SavedMethod(kept.pk, "", "card", brand="visa", last4="4242", expires="2034-08")


def event(raw: dict[str, Any]) -> GatewayEvent:
    """A delivery. Raises whatever a body of another shape makes it raise."""
    if len(raw["id"]) > 100 or not raw["id"].isprintable():
        raise ValueError("no id of ours")
    data = raw["data"]
    return GatewayEvent(
        dedupe_key=raw["id"],
        kind=KINDS.get(raw["type"], EventKind.OTHER),
        reference=data.get("reference", ""),
        occurred_at=datetime.fromtimestamp(raw["created"], UTC),
        raw_kind=raw["type"],
        raw=raw,
        object_id=data.get("id", ""),
        payment_id=data.get("payment", ""),
    )
