"""The sandbox's own books: what happens to a payment there, and the webhooks it owes for it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from django.db.transaction import atomic

from payments.gateways.sandbox import deliveries
from payments.gateways.values import LineKind
from payments.models import SandboxCharge, SandboxMethod

Status = SandboxCharge.Status

UNPAID = (Status.OPEN, Status.AUTHENTICATING)

DECLINE_CODES: Mapping[str, str] = {
    Status.OPEN: "card_declined",
    Status.AUTHENTICATING: "authentication_failed",
}
"""What the bank says when it refuses, by how far the payment was."""


class Decision(StrEnum):
    """What a reader can do about a payment, on the page or in the reader's place."""

    PAY = "pay"
    """Also the reader's consent, when the bank asked for one."""

    DECLINE = "decline"
    """The bank refuses, or the reader fails its check."""

    AUTHENTICATE = "authenticate"
    """The bank wants to hear from the reader first (3-D Secure)."""

    ABANDON = "abandon"
    """Go away: the payment stays open until somebody closes it."""


def decide(*, charge_id: str, decision: Decision, now: datetime) -> SandboxCharge:
    """Do what the reader decided. Nothing happens to a payment already closed.

    Returns:
        The payment as it is now, whoever brought it there.
    """
    match decision:
        case Decision.PAY:
            return pay(charge_id=charge_id, now=now)
        case Decision.DECLINE:
            return decline(charge_id=charge_id, now=now)
        case Decision.AUTHENTICATE:
            return authenticate(charge_id=charge_id)
        case Decision.ABANDON:
            return SandboxCharge.objects.get(pk=charge_id)


@atomic
def pay(*, charge_id: str, now: datetime) -> SandboxCharge:
    """The reader paid: take the fee and say so. Nothing happens to a payment already closed."""
    charge = _lock(charge_id)
    if charge.status in UNPAID:
        _keep_method(charge)
        charge.fee_minor = fee_minor(amount_minor=charge.amount_minor, currency=charge.currency)
        _close(charge, Status.SUCCEEDED, now=now)
    return charge


@atomic
def decline(*, charge_id: str, now: datetime, code: str = "") -> SandboxCharge:
    """The bank refused, for the reason ``code`` or for the one usual at this point."""
    charge = _lock(charge_id)
    if charge.status in UNPAID:
        charge.failure_code = code or DECLINE_CODES[charge.status]
        _close(charge, Status.FAILED, now=now)
    return charge


@atomic
def authenticate(*, charge_id: str) -> SandboxCharge:
    """The bank asks the reader to confirm (3-D Secure)."""
    charge = _lock(charge_id)
    if charge.status == Status.OPEN:
        charge.status = Status.AUTHENTICATING
        charge.save()
    return charge


@atomic
def cancel(*, charge_id: str, now: datetime) -> SandboxCharge:
    """Close an unpaid payment for good."""
    charge = _lock(charge_id)
    if charge.status in UNPAID:
        _close(charge, Status.CANCELLED, now=now)
    return charge


def fee_minor(*, amount_minor: int, currency: str) -> int:
    """What the sandbox keeps, in minor units, rounded up.

    USD and CAD 2.9 % + 0.30, as Stripe's list price; NGN 1.5 % + 100, the 100 waived below 2,500
    and the whole capped at 2,000, as Paystack's (gateways.md, section 3).
    """
    if currency == "NGN":
        flat = 10_000 if amount_minor >= 250_000 else 0
        return min(-(-amount_minor * 15 // 1_000) + flat, 200_000)
    return -(-amount_minor * 29 // 1_000) + 30


def _keep_method(charge: SandboxCharge) -> None:
    """Keep the card for later payments; a bank that asked the reader now asks then, too."""
    if charge.keeps_method:
        is_asked = charge.status == Status.AUTHENTICATING
        SandboxMethod.objects.create(
            id=f"sbm_{uuid4().hex}",
            charge=charge,
            acts_as="pm_authenticate" if is_asked else "pm_card",
        )


def _lock(charge_id: str) -> SandboxCharge:
    return SandboxCharge.objects.select_for_update().get(pk=charge_id)


def _close(charge: SandboxCharge, status: SandboxCharge.Status, *, now: datetime) -> None:
    charge.status = status
    charge.completed_at = now
    charge.save()
    if status == Status.SUCCEEDED:
        deliveries.book(
            LineKind.CHARGE,
            charge,
            source_id=charge.pk,
            gross_minor=charge.amount_minor,
            fee_minor=charge.fee_minor or 0,
            now=now,
        )
    details = {
        "amount": charge.amount_minor,
        "fee": charge.fee_minor,
        "status": status.lower(),
    }
    deliveries.tell(
        f"charge.{status.lower()}", charge, object_id=charge.pk, details=details, now=now
    )
