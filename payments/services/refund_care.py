"""What finance does with a refund that is not over: ask again, or give it up."""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict
from payments import audit
from payments.gateways import base, registry
from payments.gateways.values import RefundState
from payments.models import Refund
from payments.services import attempts, refund_outcomes, refunds

Status = Refund.Status


class RefundClosed(Conflict):
    code = "refund_closed"
    title = "This refund is over."


class RefundBusy(Conflict):
    code = "refund_busy"
    title = "The gateway is being asked about it right now. Look again in a minute."


class RefundAtGateway(Conflict):
    code = "refund_at_gateway"
    title = "The gateway has it and will tell what comes of it; cancel it there."


def ask_again(*, refund_id: UUID, actor: str, now: datetime) -> Refund:
    """Ask the gateway now how an open refund stands, and for one that never arrived once more.

    Call it outside a transaction.

    Raises:
        RefundClosed: Its outcome is known.
        RefundBusy: A worker asks just now.
        attempts.GatewayUnavailable: No answer; it is asked again later.
    """
    _make_due(refund_id, Refund.OPEN, now=now)
    _record(refund_id, "asked_again", actor=actor, now=now)
    try:
        refunds.find_out(refund_id=refund_id, now=now)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error
    return Refund.objects.get(pk=refund_id)


def give_up(*, refund_id: UUID, actor: str, reason: str, now: datetime) -> Refund:
    """Give the coins back of a refund that needs attention and that the gateway does not have.

    Call it outside a transaction.

    Raises:
        audit.ReasonMissing: No reason.
        RefundClosed: It needs no attention.
        RefundBusy, attempts.GatewayUnavailable: As ``ask_again``.
        RefundAtGateway: The gateway knows it after all.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    _make_due(refund_id, (Status.NEEDS_ATTENTION,), now=now)
    refund = Refund.objects.claim(pk=refund_id, now=now, lease=refunds.POLL_LEASE)
    if refund is None:
        raise RefundBusy
    try:
        state = _look_up(refund)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error
    if state is not None:
        refund_outcomes.apply(refund_id=refund_id, state=state, now=now)
        raise RefundAtGateway
    _record(refund_id, "given_up", actor=actor, now=now, reason=reason)
    return refund_outcomes.fail(refund_id=refund_id, code="given_up", now=now)


def _look_up(refund: Refund) -> RefundState | None:
    purchase = refund.purchase
    return registry.charge_gateway(purchase.provider).get_refund(
        reference=refund.reference,
        payment_id=purchase.payment_id,
        charge_reference=purchase.reference,
        gateway_id=refund.gateway_id,
        since=refund.requested_at,
    )


@atomic
def _make_due(refund_id: UUID, statuses: tuple[Refund.Status, ...], *, now: datetime) -> None:
    refund = refund_outcomes.lock(refund_id)
    if refund.status not in statuses:
        raise RefundClosed
    if refund.locked_until and refund.locked_until > now:
        raise RefundBusy
    refund.postpone(until=now)
    refund.save(update_fields=["next_attempt_at", "locked_until"])


def _record(refund_id: UUID, event: str, *, actor: str, now: datetime, reason: str = "") -> None:
    audit.record(
        actor=actor,
        action=f"payments.refund.{event}",
        object_type="refund",
        object_id=refund_id,
        now=now,
        reason=reason,
    )
