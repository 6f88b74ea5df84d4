"""Refunds and disputes as they happen: at the sandbox first, then we hear of it."""

from datetime import datetime
from typing import Any

from access.services import content, dispute_losses
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import disputes as bank
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.models import (
    Debt,
    Dispute,
    Purchase,
    Refund,
    RefundClosing,
    SandboxCharge,
    SandboxLine,
    SandboxRefund,
)
from payments.services import disputes, refund_contradictions, refund_outcomes, refunds
from tests import factories
from tests.factories import NOW


def pay_back(
    purchase: Purchase, amount: str | None = None, *, now: datetime = NOW, **request: Any
) -> Refund:
    """Unused coins become money; with a method of the sandbox's, that may take a while.

    Args:
        amount: In the currency of the purchase; nothing: all unused coins.
    """
    wanted = refunds.Request(
        purchase_id=purchase.pk,
        reason=request.pop("reason", "not needed"),
        actor=request.pop("actor", "staff:1"),
        amount=Money.parse(amount, purchase.currency) if amount else None,
        **request,
    )
    return refunds.start(refund_id=uuid7(), request=wanted, now=now)


def paid_with(purchase: Purchase, method: str) -> Purchase:
    """The same purchase, as if paid with a test method of the sandbox, ``pm_refund_fails`` …"""
    SandboxCharge.objects.filter(reference=purchase.reference).update(method=method)
    return purchase


def refund_fails(refund: Refund, *, now: datetime = NOW) -> Refund:
    """The payer's bank does not take the money, and we hear of it."""
    row = SandboxRefund.objects.get(reference=refund.reference)
    sandbox_refunds.fail(refund_id=row.pk, now=now)
    return hear_of_refund(refund, now=now)


def contradicted(purchase: Purchase, amount: str | None = None, *, now: datetime = NOW) -> Refund:
    """A refund that failed, so that the coins came back, and that the gateway says it paid."""
    refund = pay_back(paid_with(purchase, "pm_refund_fails"), amount, now=now)
    refund_fails(refund, now=now)
    return refund_was_paid(refund, now=now)


def refund_was_paid(refund: Refund, *, now: datetime = NOW) -> Refund:
    """The gateway takes back that it failed: money, book and word are as if it never had."""
    refund.refresh_from_db()
    SandboxLine.objects.filter(kind="REFUND_FAILURE", source_id=refund.gateway_id).delete()
    SandboxRefund.objects.filter(pk=refund.gateway_id).update(
        status=SandboxRefund.Status.SUCCEEDED, failure_code=""
    )
    return hear_of_refund(refund, now=now)


def owing(user_id: str, *, now: datetime = NOW, reason: str = "paid twice") -> Debt:
    """A reader who spent 10 coins that came back of a refund, which was paid after all."""
    refund = contradicted(factories.buy_coins(user_id, "Reader Pack", now=now), now=now)
    # One of its own: what the reader has already is bought for nothing.
    chapter = factories.put_content(f"owed-for-{refund.pk}", price=10, now=now).pk
    content.buy(user_id=user_id, content_id=chapter, now=now, actor=f"user:{user_id}")
    closing = refund_contradictions.propose(
        refund_id=refund.pk,
        decision=RefundClosing.Decision.COINS,
        reason=reason,
        actor="staff:1",
        now=now,
    )
    assert isinstance(closing, RefundClosing)
    return closing.debt


def hear_of_refund(refund: Refund, *, now: datetime = NOW) -> Refund:
    """The gateway tells how a refund stands."""
    state = charge_gateway(refund.purchase.provider).get_refund(
        reference=refund.reference,
        payment_id=refund.purchase.payment_id,
        charge_reference=refund.purchase.reference,
        gateway_id=refund.gateway_id,
        since=refund.requested_at,
    )
    assert state is not None
    return refund_outcomes.apply(refund_id=refund.pk, state=state, now=now)


def dispute(purchase: Purchase, *, now: datetime = NOW, **facts: Any) -> Dispute:
    """The payer's bank takes a payment back, whole unless said otherwise."""
    row = bank.open_one(charge_id=factories.charge_of(purchase).pk, now=now, **facts)
    return hear_of(purchase, row.pk, now=now)


def lose(case: Dispute, *, now: datetime = NOW) -> Dispute:
    """The payer keeps the money, and the loss is booked."""
    bank.lose(dispute_id=case.gateway_id, now=now)
    hear_of(case.purchase, case.gateway_id, now=now)
    return dispute_losses.settle(dispute_id=case.pk, now=now)


def win(case: Dispute, *, now: datetime = NOW) -> Dispute:
    """The money comes back, perhaps after it was lost."""
    bank.win(dispute_id=case.gateway_id, now=now)
    hear_of(case.purchase, case.gateway_id, now=now)
    return dispute_losses.settle(dispute_id=case.pk, now=now)


def hear_of(purchase: Purchase, gateway_id: str, *, now: datetime = NOW) -> Dispute:
    """The gateway tells how a dispute stands."""
    state = charge_gateway(purchase.provider).get_dispute(gateway_id=gateway_id)
    assert state is not None
    return disputes.apply(purchase_id=purchase.pk, state=state, now=now)
