"""Answering a dispute: evidence, or giving it up. Both are final at the gateway."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Refused
from payments import audit
from payments.gateways import base, registry
from payments.gateways.values import DisputeState, Evidence
from payments.models import Attempt, Dispute
from payments.services import attempts, disputes

Status = Dispute.Status

IN_FLIGHT = timedelta(minutes=2)
"""How long a call may take; one that has not come back by then died with its worker."""


class DisputeClosed(Conflict):
    code = "dispute_closed"
    title = "It is answered or decided already."


class EvidenceEmpty(Refused):
    code = "evidence_empty"
    title = "Evidence without any words would be the only answer we get to give."


class AnswerRefused(Refused):
    code = "answer_refused"
    title = "The gateway did not take the answer."


def answer(*, dispute_id: UUID, evidence: Evidence, actor: str, now: datetime) -> Dispute:
    """Send evidence to the gateway, once. Call it outside a transaction.

    Raises:
        EvidenceEmpty: No words at all.
        DisputeClosed: It waits for no answer.
        AnswerRefused: The gateway did not take it.
        attempts.GatewayUnavailable: No answer; try again, it is sent once.
    """
    if not any(asdict(evidence).values()):
        raise EvidenceEmpty
    dispute = _waiting(dispute_id)
    gateway = registry.charge_gateway(dispute.provider)
    state = _send(
        dispute,
        "evidence",
        lambda key: gateway.submit_evidence(
            gateway_id=dispute.gateway_id, evidence=evidence, key=key
        ),
        request=asdict(evidence),
        now=now,
    )
    _write_down(dispute_id, asdict(evidence), actor=actor, now=now)
    return disputes.apply(purchase_id=dispute.purchase_id, state=state, now=now)


def accept(*, dispute_id: UUID, actor: str, reason: str, now: datetime) -> Dispute:
    """Give a dispute up: the payer keeps the money. Call it outside a transaction.

    Raises:
        audit.ReasonMissing: No reason.
        DisputeClosed, AnswerRefused, attempts.GatewayUnavailable: As ``answer``.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    dispute = _waiting(dispute_id)
    gateway = registry.charge_gateway(dispute.provider)
    state = _send(
        dispute,
        "accept",
        lambda key: gateway.accept_dispute(gateway_id=dispute.gateway_id, key=key),
        request={},
        now=now,
    )
    audit.record(
        actor=actor,
        action="payments.dispute.accepted",
        object_type="dispute",
        object_id=dispute.pk,
        now=now,
        reason=reason,
    )
    return disputes.apply(purchase_id=dispute.purchase_id, state=state, now=now)


def ask_again(*, dispute_id: UUID, now: datetime) -> Dispute:
    """Ask the gateway now how a dispute stands. Call it outside a transaction.

    Raises:
        attempts.GatewayUnavailable: No answer; it is asked again later.
    """
    try:
        return disputes.find_out(Dispute.objects.get(pk=dispute_id), now=now)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error


def _waiting(dispute_id: UUID) -> Dispute:
    dispute = Dispute.objects.get(pk=dispute_id)
    if dispute.status != Status.NEEDS_RESPONSE:
        raise DisputeClosed
    return dispute


def _send(
    dispute: Dispute,
    name: str,
    call: Callable[[str], DisputeState],
    *,
    request: dict[str, str],
    now: datetime,
) -> DisputeState:
    try:
        _find_out_before(dispute, name, now=now)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error
    operation = attempts.Operation(
        provider=dispute.provider,
        name=name,
        key=_key(dispute, name),
        reference=dispute.gateway_id[:64],
        object_type="dispute",
        object_id=str(dispute.pk),
        request=request,
    )
    try:
        return attempts.send(operation, lambda: call(operation.key), now=now)
    except (base.Unavailable, base.Ambiguous, base.RateLimited) as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error
    except base.GatewayError as error:
        raise AnswerRefused(f"The gateway says: {error}") from error


def _find_out_before(dispute: Dispute, name: str, *, now: datetime) -> None:
    """Read the dispute first, if nobody knows what came of an earlier answer: it may be there."""
    lost = Q(state=Attempt.State.UNKNOWN) | Q(
        state=Attempt.State.SENDING, sent_at__lte=now - IN_FLIGHT
    )
    if not _attempts(dispute, name).filter(lost).exists():
        return
    found = disputes.find_out(dispute, now=now)
    is_answered = found.status != Status.NEEDS_RESPONSE
    attempts.resolve(
        object_type="dispute",
        object_id=dispute.pk,
        operation=name,
        was_done=is_answered,
        now=now,
    )
    if is_answered:
        raise DisputeClosed


def _key(dispute: Dispute, name: str) -> str:
    """One key until the gateway refused: what it did not take may be said in other words."""
    over = _attempts(dispute, name).exclude(state__in=Attempt.UNRESOLVED)
    refused = over.exclude(state=Attempt.State.ANSWERED).count()
    return f"dispute:{dispute.pk}:{name}" + (f":{refused}" if refused else "")


def _attempts(dispute: Dispute, name: str) -> QuerySet[Attempt]:
    return Attempt.objects.filter(object_type="dispute", object_id=str(dispute.pk), operation=name)


@atomic
def _write_down(dispute_id: UUID, evidence: dict[str, str], *, actor: str, now: datetime) -> None:
    dispute = disputes.lock(dispute_id)
    # The e-mail went to the gateway; here it would lie beside the encrypted ones in plain text.
    email = "given" if evidence["customer_email"] else ""
    dispute.evidence = {**evidence, "customer_email": email}
    dispute.answered_at = now
    dispute.answered_by = actor
    dispute.save(update_fields=["evidence", "answered_at", "answered_by"])
    audit.record(
        actor=actor,
        action="payments.dispute.answered",
        object_type="dispute",
        object_id=dispute.pk,
        now=now,
    )
