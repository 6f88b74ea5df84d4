"""Jobs of ``payments``: read the clock, call one service. Each is safe to run twice."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task

from legato_payments.lib import clock, jobs
from payments import approvals, idempotency
from payments.gateways import registry as gateways
from payments.gateways.base import GatewayError
from payments.gateways.rates import registry as rates
from payments.ledger import sealing
from payments.models import (
    ApprovalRequest,
    Dispute,
    PaymentMethod,
    Purchase,
    Refund,
    SandboxDelivery,
    WebhookEvent,
)
from payments.services import (
    adjustments,
    approval_rules,
    campaign_proposals,
    currency_rates,
    debt_write_offs,
    disputes,
    events,
    expiry,
    gateway_corrections,
    payment_methods,
    proposals,
    purchases,
    reconciliation,
    refund_contradictions,
    refund_proposals,
    refunds,
    sandbox_deliveries,
    settlements,
    tax_proposals,
)
from payments.webhooks import inbox

log = structlog.get_logger(__name__)

SWEEP_LIMIT = 500
"""Rows of a kind that one sweep drives; the next one comes 30 seconds later."""


@shared_task(name="payments.process_webhook")
def process_webhook(*, event_id: int, **_future: Any) -> None:
    """Act on one stored webhook event."""
    inbox.process(event_id=event_id, now=clock.now())


@shared_task(name="payments.poll_purchase")
def poll_purchase(*, purchase_id: str, **_future: Any) -> None:
    """Ask the gateway about one purchase nobody reported on."""
    purchases.poll(purchase_id=UUID(purchase_id), now=clock.now())


@shared_task(name="payments.poll_refund")
def poll_refund(*, refund_id: str, **_future: Any) -> None:
    """Ask the gateway for a money refund, or how it stands."""
    refunds.poll(refund_id=UUID(refund_id), now=clock.now())


@shared_task(name="payments.poll_dispute")
def poll_dispute(*, dispute_id: str, **_future: Any) -> None:
    """Ask the gateway how a dispute stands."""
    disputes.poll(dispute_id=UUID(dispute_id), now=clock.now())


@shared_task(name="payments.detach_method")
def detach_method(*, method_id: str, **_future: Any) -> None:
    """Let the gateway forget a payment method that was removed."""
    payment_methods.detach(method_id=UUID(method_id), now=clock.now())


@shared_task(name="payments.deliver_sandbox_webhook")
def deliver_sandbox_webhook(*, delivery_id: int, **_future: Any) -> None:
    """Send one webhook of the sandbox gateway."""
    sandbox_deliveries.deliver(delivery_id=delivery_id, now=clock.now())


@shared_task(name="payments.refresh_rates")
def refresh_rates(**_future: Any) -> None:
    """Fetch today's exchange rates."""
    result = currency_rates.refresh(provider=rates.rate_provider(), now=clock.now())
    for refusal in result.refused:
        log.error("rate_refused", detail=refusal)


@shared_task(name="payments.seal")
def seal(**_future: Any) -> None:
    """Seal what waits: transactions and audit entries."""
    now = clock.now()
    sealing.seal_all(now=now, most=50_000)
    sealing.seal_audit(now=now)


@shared_task(name="payments.publish_events")
def publish_events(**_future: Any) -> None:
    """Give committed events their place in the stream."""
    events.publish(now=clock.now())


@shared_task(name="payments.change_package")
def change_package(*, approval_id: str, **_future: Any) -> None:
    """Create or change a package as two people agreed."""
    _run_approved(approval_id, proposals.carry_out_package)


@shared_task(name="payments.set_rate")
def set_rate(*, approval_id: str, **_future: Any) -> None:
    """Set an exchange rate as two people agreed."""
    _run_approved(approval_id, proposals.carry_out_rate)


@shared_task(name="payments.change_policy")
def change_policy(*, approval_id: str, **_future: Any) -> None:
    """Change a limit as two people agreed."""
    _run_approved(approval_id, proposals.carry_out_policy)


@shared_task(name="payments.change_tax_rule")
def change_tax_rule(*, approval_id: str, **_future: Any) -> None:
    """Change a tax rule as two people agreed."""
    _run_approved(approval_id, tax_proposals.carry_out_rule)


@shared_task(name="payments.change_tax_registration")
def change_tax_registration(*, approval_id: str, **_future: Any) -> None:
    """Register with a tax office, or no more, as two people agreed."""
    _run_approved(approval_id, tax_proposals.carry_out_registration)


@shared_task(name="payments.change_approval_rule")
def change_approval_rule(*, approval_id: str, **_future: Any) -> None:
    """Change how many people an action needs, as the people it needs now agreed."""
    _run_approved(approval_id, approval_rules.carry_out)


@shared_task(name="payments.adjust_wallet")
def adjust_wallet(*, approval_id: str, **_future: Any) -> None:
    """Give or take coins by hand as two people agreed."""
    _run_approved(approval_id, adjustments.carry_out)


@shared_task(name="payments.refund_purchase")
def refund_purchase(*, approval_id: str, **_future: Any) -> None:
    """Pay a purchase back as two people agreed."""
    _run_approved(approval_id, refund_proposals.carry_out)


@shared_task(name="payments.close_refund")
def close_refund(*, approval_id: str, **_future: Any) -> None:
    """Close a gateway's contradiction about a refund as two people agreed."""
    _run_approved(approval_id, refund_contradictions.carry_out)


@shared_task(name="payments.write_off_debt")
def write_off_debt(*, approval_id: str, **_future: Any) -> None:
    """Give up what a reader owes as two people agreed."""
    _run_approved(approval_id, debt_write_offs.carry_out)


@shared_task(name="payments.create_campaign")
def create_campaign(*, approval_id: str, **_future: Any) -> None:
    """Set up a campaign as two people agreed."""
    _run_approved(approval_id, campaign_proposals.carry_out)


@shared_task(name="payments.correct_gateway")
def correct_gateway(*, approval_id: str, **_future: Any) -> None:
    """Correct what a gateway holds by our books as two people agreed."""
    _run_approved(approval_id, gateway_corrections.carry_out)


@shared_task(name="payments.reconcile")
def reconcile(**_future: Any) -> None:
    """Have every gateway compared with our books over the last days."""
    window = reconciliation.window_of(now=clock.now())
    first, last = window.start.date(), (window.end - timedelta(microseconds=1)).date()
    for provider in gateways.configured():
        jobs.enqueue(
            "payments.reconcile_days",
            provider=provider.value,
            first=first.isoformat(),
            last=last.isoformat(),
        )


@shared_task(name="payments.reconcile_days")
def reconcile_days(*, provider: str, first: str, last: str, **_future: Any) -> None:
    """Compare one gateway on the first of some days; another job goes on with the rest."""
    now, day = clock.now(), date.fromisoformat(first)
    window = reconciliation.window_of(now=now, first=day, last=day)
    try:
        reconciliation.reconcile(provider=provider, window=window, now=now)
    except reconciliation.AlreadyRunning:
        log.warning("reconciliation_running", provider=provider, day=first)
        return
    except Exception:
        # A day that cannot be compared does not keep the others from it.
        _reconcile_after(day, provider=provider, last=last)
        raise
    _reconcile_after(day, provider=provider, last=last)


def _reconcile_after(day: date, *, provider: str, last: str) -> None:
    following = (day + timedelta(days=1)).isoformat()
    if following <= last:
        jobs.enqueue("payments.reconcile_days", provider=provider, first=following, last=last)


@shared_task(name="payments.expire_coins")
def expire_coins(**_future: Any) -> None:
    """Take the coins that were not used in time; another job goes on when there are many."""
    if not expiry.sweep(now=clock.now()).is_done:
        jobs.enqueue("payments.expire_coins")


@shared_task(name="payments.collect_settlements")
def collect_settlements(**_future: Any) -> None:
    """Ask every gateway about its transfers to our bank; one that is away is asked tomorrow."""
    now = clock.now()
    for provider in gateways.configured():
        try:
            settlements.collect(provider=provider, now=now)
        except GatewayError as error:
            log.warning("settlements_not_collected", provider=provider, error=repr(error))


@shared_task(name="payments.sweep")
def sweep(**_future: Any) -> None:
    """Drive again whatever is due: the rows are the truth, earlier wake-ups may be lost."""
    now = clock.now()
    for event_id in _due(WebhookEvent.objects.due(now)):
        jobs.enqueue("payments.process_webhook", event_id=event_id)
    for purchase_id in _due(Purchase.objects.due(now)):
        jobs.enqueue("payments.poll_purchase", purchase_id=str(purchase_id))
    for refund_id in _due(Refund.objects.due(now)):
        jobs.enqueue("payments.poll_refund", refund_id=str(refund_id))
    for dispute_id in _due(Dispute.objects.due(now)):
        jobs.enqueue("payments.poll_dispute", dispute_id=str(dispute_id))
    for method_id in _due(PaymentMethod.objects.due(now)):
        jobs.enqueue("payments.detach_method", method_id=str(method_id))
    for delivery_id in _due(SandboxDelivery.objects.due(now)):
        jobs.enqueue("payments.deliver_sandbox_webhook", delivery_id=delivery_id)
    approvals.expire(now=now)
    for approval_id, action in _due(ApprovalRequest.objects.due(now), "pk", "action"):
        jobs.enqueue(action, approval_id=str(approval_id))
    idempotency.purge(now)


def _due(rows: Any, *fields: str) -> list[Any]:
    found = rows.order_by("next_attempt_at")
    found = found.values_list(*fields) if fields else found.values_list("pk", flat=True)
    return list(found[:SWEEP_LIMIT])


def _run_approved(approval_id: str, effect: approvals.Effect[object]) -> None:
    approvals.run(approval_id=UUID(approval_id), effect=effect, now=clock.now())
