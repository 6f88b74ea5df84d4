"""Disputes at the sandbox: a payer's bank wants a payment back."""

from datetime import datetime, timedelta
from uuid import uuid4

from django.db.transaction import atomic

from payments.gateways.sandbox import deliveries, refunds
from payments.gateways.values import LineKind
from payments.models import SandboxCharge, SandboxDispute

Status = SandboxDispute.Status

ANSWER_TIME = timedelta(days=14)

FEE_MINOR = {"USD": 1_500, "CAD": 1_500, "NGN": 0}
"""15.00 as Stripe's list price; Paystack takes none."""

UNDECIDED = (Status.NEEDS_RESPONSE, Status.UNDER_REVIEW)


@atomic
def open_one(
    *, charge_id: str, now: datetime, amount_minor: int | None = None, is_inquiry: bool = False
) -> SandboxDispute:
    """The bank takes a payment back, whole unless said otherwise; with the fee.

    Args:
        is_inquiry: The bank only asks: no money moves.
    """
    charge = SandboxCharge.objects.select_for_update().get(pk=charge_id)
    left = charge.amount_minor - refunds.given_back(charge)
    dispute = SandboxDispute.objects.create(
        id=f"sbd_{uuid4().hex}",
        charge=charge,
        amount_minor=left if amount_minor is None else amount_minor,
        fee_minor=0 if is_inquiry else FEE_MINOR[charge.currency],
        reason="fraudulent",
        holds_funds=not is_inquiry,
        opened_at=now,
        due_at=now + ANSWER_TIME,
        changed_at=now,
    )
    if not is_inquiry:
        _take(dispute, now=now)
    _tell("dispute.created", dispute, now=now)
    return dispute


@atomic
def win(*, dispute_id: str, now: datetime, is_withdrawn: bool = False) -> SandboxDispute:
    """The money comes back, and the fee with it; also after a loss."""
    dispute = _lock(dispute_id)
    if dispute.status == Status.WON:
        return dispute
    dispute.is_withdrawn = is_withdrawn
    if dispute.holds_funds:
        dispute.holds_funds = False
        dispute.fee_returned_minor = dispute.fee_minor
        deliveries.book(
            LineKind.DISPUTE_REVERSAL,
            dispute.charge,
            source_id=dispute.pk,
            gross_minor=dispute.amount_minor,
            fee_minor=-dispute.fee_minor,
            now=now,
        )
    return _move(dispute, Status.WON, now=now)


@atomic
def lose(*, dispute_id: str, now: datetime) -> SandboxDispute:
    """The payer keeps the money."""
    dispute = _lock(dispute_id)
    if dispute.status not in UNDECIDED:
        return dispute
    if not dispute.holds_funds:
        # An inquiry that nobody answered becomes a dispute that is lost.
        dispute.holds_funds = True
        dispute.fee_minor = FEE_MINOR[dispute.charge.currency]
        _take(dispute, now=now)
    return _move(dispute, Status.LOST, now=now)


@atomic
def answer(*, dispute_id: str, evidence: dict[str, str], now: datetime) -> SandboxDispute:
    """Our evidence arrives; once."""
    dispute = _lock(dispute_id)
    if dispute.status == Status.NEEDS_RESPONSE:
        dispute.evidence = evidence
        return _move(dispute, Status.UNDER_REVIEW, now=now)
    return dispute


def advance(*, now: datetime) -> int:
    """Lose every dispute that nobody answered in time; how many."""
    late = SandboxDispute.objects.filter(status=Status.NEEDS_RESPONSE, due_at__lte=now)
    return len([lose(dispute_id=dispute.pk, now=now) for dispute in late])


def _lock(dispute_id: str) -> SandboxDispute:
    return SandboxDispute.objects.select_for_update().get(pk=dispute_id)


def _take(dispute: SandboxDispute, *, now: datetime) -> None:
    deliveries.book(
        LineKind.DISPUTE,
        dispute.charge,
        source_id=dispute.pk,
        gross_minor=-dispute.amount_minor,
        fee_minor=dispute.fee_minor,
        now=now,
    )


def _move(
    dispute: SandboxDispute, status: SandboxDispute.Status, *, now: datetime
) -> SandboxDispute:
    dispute.status = status
    dispute.changed_at = now
    dispute.save()
    _tell("dispute.updated" if status in UNDECIDED else "dispute.closed", dispute, now=now)
    return dispute


def _tell(kind: str, dispute: SandboxDispute, *, now: datetime) -> None:
    details = {"amount": dispute.amount_minor, "status": dispute.status.lower()}
    deliveries.tell(kind, dispute.charge, object_id=dispute.pk, details=details, now=now)
