"""What a proposal is, and how its row is locked, closed and written down."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from legato_payments.lib.errors import Conflict, Missing
from payments import audit
from payments.models import ApprovalRequest

Status = ApprovalRequest.Status


class RequestUnknown(Missing):
    """No request has this id."""

    title = "There is no such request."


class PayloadMismatch(Conflict):
    code = "payload_mismatch"
    title = "This is not what you saw: read the proposal again."


class AlreadyClosed(Conflict):
    code = "already_closed"
    title = "The proposal is not waiting any more."


class Target(NamedTuple):
    """What a proposal is about: a kind and an id, as in the audit log."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Order:
    """What an effect is told to do, by whom, and why.

    Args:
        payload: JSON-ready. By convention ``before`` and ``after``, which people are shown.
        maker: Who proposed it; the change is recorded under that name.
        approval_id: The request behind it; none when the action needs nobody else.
    """

    target: Target
    payload: Mapping[str, Any]
    maker: str
    reason: str
    now: datetime
    approval_id: UUID | None = None


type Effect[Result] = Callable[[Order], Result]


def right_to_decide(action: str) -> str:
    """The permission that deciding on an action takes, for example for ``has_perm``."""
    return f"payments.{decision_codename(action)}"


def decision_codename(action: str) -> str:
    """The same without the app: the codename of the permission's row."""
    return f"decide_{action.replace('.', '_')}"


def fingerprint(payload: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a payload, in hexadecimal digits."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def lock_open(request_id: UUID, now: datetime) -> ApprovalRequest:
    """A request that still waits, locked.

    Raises:
        RequestUnknown: There is none.
        AlreadyClosed: It was decided, withdrawn, or is too old.
    """
    request = ApprovalRequest.objects.select_for_update(no_key=True).filter(pk=request_id).first()
    if request is None:
        raise RequestUnknown
    if request.status != Status.PENDING:
        raise AlreadyClosed(f"It is closed already: {request.get_status_display().lower()}.")
    if request.expires_at <= now:
        raise AlreadyClosed("It waited too long and is expired; propose it again.")
    return request


def close(
    request: ApprovalRequest, status: Status, *, actor: str, now: datetime, reason: str = ""
) -> None:
    """Bring a locked request to its end, and write that down."""
    request.status = status
    request.closed_at = now
    request.finish()
    request.save(update_fields=["status", "closed_at", "next_attempt_at", "locked_until"])
    record(request, status.lower(), actor=actor, now=now, reason=reason)


def record(request: ApprovalRequest, event: str, *, actor: str, now: datetime, reason: str) -> None:
    """Write down what happened to a request; ``event`` is a past participle."""
    audit.record(
        actor=actor,
        action=f"payments.approval.{event}",
        object_type="approval_request",
        object_id=request.pk,
        now=now,
        after={
            "action": request.action,
            "target": f"{request.target_type} {request.target_id}",
            "summary": request.summary,
            "payload_hash": request.payload_hash,
            "status": request.status,
        },
        reason=reason,
    )


def order_of(request: ApprovalRequest, now: datetime) -> Order:
    """What a stored request tells its effect to do."""
    return Order(
        target=Target(request.target_type, request.target_id),
        payload=request.payload,
        maker=request.maker,
        reason=request.reason,
        now=now,
        approval_id=request.pk,
    )
