"""Readers who pay, get refunds and dispute, through the sandbox; and runs that look at it."""

from datetime import datetime, timedelta
from typing import Any

from legato_payments.lib.ids import uuid7
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import books
from payments.gateways.sandbox import disputes as sandbox_disputes
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.values import DisputeState, RefundState, Window
from payments.models import Difference, Dispute, Purchase, Refund, SandboxDispute, SandboxRefund
from payments.services import disputes, reconciliation, refund_outcomes, refunds
from payments.services.reconciliation import Report
from tests import factories
from tests.factories import NOW

LATER = NOW + timedelta(days=1)
"""When runs of these tests look at the day of ``NOW``."""

DAY = NOW.date()

SANDBOX = "SANDBOX"


def run(*, now: datetime = LATER, window: Window | None = None, **how: Any) -> Report:
    """A run over the three days before ``now``."""
    return reconciliation.reconcile(
        provider=SANDBOX, window=window or reconciliation.window_of(now=now), now=now, **how
    )


def sale(reader: str = "reader-1", *, now: datetime = NOW, **order: Any) -> Purchase:
    """A purchase that is settled here and there."""
    return factories.pay(factories.start_purchase(reader, now=now, **order), now=now)


def paid_unheard(reader: str = "reader-1", *, now: datetime = NOW, **order: Any) -> Purchase:
    """A purchase that is paid there, and whose webhook never arrived."""
    purchase = factories.start_purchase(reader, now=now, **order)
    books.pay(charge_id=factories.charge_of(purchase).pk, now=now)
    return purchase


def refund(purchase: Purchase, *, now: datetime = NOW) -> Refund:
    """All of a purchase given back, as far as the gateway does it at once."""
    request = refunds.Request(purchase_id=purchase.pk, reason="asked for", actor="staff:7")
    return refunds.start(refund_id=uuid7(), request=request, now=now)


def refund_there(purchase: Purchase, minor: int, *, now: datetime = NOW) -> SandboxRefund:
    """Money given back at the gateway's own dashboard."""
    return sandbox_refunds.make(
        charge_id=factories.charge_of(purchase).pk, amount_minor=minor, now=now
    )


def refund_state(row: SandboxRefund | Refund) -> RefundState:
    """What the gateway says of a refund."""
    gateway_id = row.pk if isinstance(row, SandboxRefund) else row.gateway_id
    state = charge_gateway(SANDBOX).get_refund(
        reference="", payment_id="", charge_reference="", gateway_id=str(gateway_id)
    )
    assert state is not None
    return state


def hear_of_refund(row: Refund, *, now: datetime = NOW) -> Refund:
    """We learn how a refund stands there."""
    return refund_outcomes.apply(refund_id=row.pk, state=refund_state(row), now=now)


def dispute_there(purchase: Purchase, *, now: datetime = NOW, **facts: Any) -> SandboxDispute:
    """The payer's bank takes a payment back, and we do not hear of it."""
    return sandbox_disputes.open_one(charge_id=factories.charge_of(purchase).pk, now=now, **facts)


def dispute_state(row: SandboxDispute) -> DisputeState:
    """What the gateway says of a dispute."""
    state = charge_gateway(SANDBOX).get_dispute(gateway_id=row.pk)
    assert state is not None
    return state


def dispute(purchase: Purchase, *, now: datetime = NOW) -> Dispute:
    """A dispute that both sides know."""
    row = dispute_there(purchase, now=now)
    return disputes.apply(purchase_id=purchase.pk, state=dispute_state(row), now=now)


def only() -> Difference:
    """The one difference there is."""
    return Difference.objects.get()
