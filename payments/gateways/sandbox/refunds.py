"""Refunds at the sandbox.

They succeed at once, except those of a payment made with ``pm_refund_pending``, ``pm_refund_fails``
or ``pm_refund_attention``: these wait for ``advance``, ``settle`` and ``fail``.
"""

from datetime import datetime
from uuid import uuid4

from django.db.models import Sum
from django.db.transaction import atomic

from payments.gateways.base import Declined, InvalidRequest
from payments.gateways.sandbox import deliveries
from payments.gateways.values import LineKind
from payments.models import SandboxCharge, SandboxRefund

Status = SandboxRefund.Status

FIRST = {
    "pm_refund_pending": Status.PENDING,
    "pm_refund_fails": Status.PENDING,
    "pm_refund_attention": Status.NEEDS_ATTENTION,
}

GATEWAY = "SANDBOX"


@atomic
def make(
    *, charge_id: str, amount_minor: int, now: datetime, reference: str = "", key: str = ""
) -> SandboxRefund:
    """Give back a part of a payment, once per ``key``.

    Args:
        reference: Ours; empty when somebody does it by hand at the sandbox.

    Raises:
        Declined: Not paid, or more than is left of it.
        InvalidRequest: The same key with another amount.
    """
    charge = SandboxCharge.objects.select_for_update().get(pk=charge_id)
    known = charge.refunds.filter(key=key).first() if key else None
    if known:
        if known.amount_minor != amount_minor:
            raise InvalidRequest("same key, other amount", gateway=GATEWAY, code="idempotency")
        return known
    if charge.status != SandboxCharge.Status.SUCCEEDED:
        raise Declined("Not paid.", gateway=GATEWAY, code="charge_not_paid")
    if amount_minor > charge.amount_minor - given_back(charge):
        raise Declined("More than is left.", gateway=GATEWAY, code="amount_too_large")
    refund_id = f"sbr_{uuid4().hex}"
    refund = SandboxRefund.objects.create(
        id=refund_id,
        key=key or refund_id,
        reference=reference,
        charge=charge,
        amount_minor=amount_minor,
        status=FIRST.get(charge.method, Status.PENDING),
        created_at=now,
    )
    # The money leaves our balance at once, whatever becomes of it.
    deliveries.book(
        LineKind.REFUND, charge, source_id=refund.pk, gross_minor=-amount_minor, now=now
    )
    if charge.method in FIRST:
        _tell(refund, now=now)
        return refund
    return _move(refund, Status.SUCCEEDED, now=now)


@atomic
def settle(*, refund_id: str, now: datetime) -> SandboxRefund:
    """The payer has the money."""
    refund = SandboxRefund.objects.select_for_update().get(pk=refund_id)
    if refund.status in (Status.PENDING, Status.NEEDS_ATTENTION):
        return _move(refund, Status.SUCCEEDED, now=now)
    return refund


@atomic
def fail(*, refund_id: str, now: datetime, code: str = "expired_or_canceled_card") -> SandboxRefund:
    """The payer's bank refuses it; also days after it seemed to have succeeded."""
    refund = SandboxRefund.objects.select_for_update().get(pk=refund_id)
    if refund.status == Status.FAILED:
        return refund
    refund.failure_code = code
    deliveries.book(
        LineKind.REFUND_FAILURE,
        refund.charge,
        source_id=refund.pk,
        gross_minor=refund.amount_minor,
        now=now,
    )
    return _move(refund, Status.FAILED, now=now)


def advance(*, now: datetime) -> int:
    """Bring every refund that only waits for time to its end; how many."""
    waiting = SandboxRefund.objects.filter(status=Status.PENDING).select_related("charge")
    for refund in waiting:
        if refund.charge.method == "pm_refund_fails":
            fail(refund_id=refund.pk, now=now)
        else:
            settle(refund_id=refund.pk, now=now)
    return len(waiting)


def given_back(charge: SandboxCharge) -> int:
    """Minor units of a payment that were given back, or are about to be."""
    refunds = charge.refunds.exclude(status=Status.FAILED)
    return refunds.aggregate(total=Sum("amount_minor"))["total"] or 0


def _move(refund: SandboxRefund, status: SandboxRefund.Status, *, now: datetime) -> SandboxRefund:
    refund.status = status
    refund.completed_at = now
    refund.save()
    _tell(refund, now=now)
    return refund


def _tell(refund: SandboxRefund, *, now: datetime) -> None:
    details = {"amount": refund.amount_minor, "status": refund.status.lower()}
    deliveries.tell("refund.updated", refund.charge, object_id=refund.pk, details=details, now=now)
