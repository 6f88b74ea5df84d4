"""Carrying out what was approved, once."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import DomainError, Unavailable
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.jobs import backoff
from payments.approvals.requests import (
    Effect,
    PayloadMismatch,
    Status,
    close,
    fingerprint,
    order_of,
)
from payments.models import ApprovalRequest

LEASE = timedelta(minutes=5)
"""How long a worker has for one execution: the time limit of a job."""

MAX_ATTEMPTS = 20
"""Executions that ended without an answer before the request is given up."""


def run(*, approval_id: UUID, effect: Effect[object], now: datetime) -> None:
    """Carry out an approved request, once, whoever else tries at the same time.

    The effect and the status EXECUTED commit together. A refusal by the rules leaves the request
    FAILED and nothing moved; what may pass later is tried again, by the sweep.
    """
    approved = ApprovalRequest.objects.filter(status=Status.APPROVED)
    claimed = approved.claim(pk=approval_id, now=now, lease=LEASE)
    if claimed is None:
        return
    if claimed.attempts > MAX_ATTEMPTS:
        _fail(approval_id, f"Given up after {MAX_ATTEMPTS} attempts.", now=now)
        return
    failpoint("approval.claimed")
    try:
        _execute(approval_id, effect, now)
    except Unavailable:
        later = now + backoff(claimed.attempts)
        approved.filter(pk=approval_id).update(next_attempt_at=later, locked_until=None)
    except DomainError as refusal:
        _fail(approval_id, str(refusal), now=now)


@atomic
def _execute(approval_id: UUID, effect: Effect[object], now: datetime) -> None:
    request = ApprovalRequest.objects.select_for_update(no_key=True).get(pk=approval_id)
    if request.status != Status.APPROVED:
        return  # the lease had passed, and another worker was faster
    if fingerprint(request.payload) != request.payload_hash:
        raise PayloadMismatch("The stored payload is not the one that was approved.")
    effect(order_of(request, now))
    failpoint("approval.carried_out")
    close(request, Status.EXECUTED, actor="system:approvals", now=now)


@atomic
def _fail(approval_id: UUID, error: str, *, now: datetime) -> None:
    request = ApprovalRequest.objects.select_for_update(no_key=True).get(pk=approval_id)
    if request.status == Status.APPROVED:
        request.error = error[:300]
        request.save(update_fields=["error"])
        close(request, Status.FAILED, actor="system:approvals", now=now, reason=error[:300])
