"""Asking a gateway for something, so that the asking cannot be forgotten (gateways.md, section 7).

The row is committed before the call. Whatever happens then, a worker that dies included, it says
what was asked, with which key and reference, and what is known of the outcome. Rows that stay
unresolved are found out by the object's own sweep, which reads the gateway by our reference, and
after a day by a person.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Unavailable
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.metrics import GATEWAY_ATTEMPTS
from payments import audit
from payments.gateways import base
from payments.models import Attempt

State = Attempt.State


class GatewayUnavailable(Unavailable):
    code = "gateway_unavailable"
    title = "The payment gateway does not answer. Try again."


class AttemptResolved(Conflict):
    code = "attempt_resolved"
    title = "What came of it is known by now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is asked of a gateway.

    Args:
        name: ``charge``, ``refund``, ``evidence`` …
        key: Idempotency key, the same at every try.
        reference: Ours, at the gateway.
        request: What is asked for; the same at every try, or the call is refused.
    """

    provider: str
    name: str
    key: str
    reference: str
    object_type: str
    object_id: str
    request: Mapping[str, Any]


def send[T](operation: Operation, call: Callable[[], T], *, now: datetime) -> T:
    """Write the attempt down, call, write down what came of it.

    Call it outside a transaction.

    Raises:
        base.GatewayError: As ``call`` does.
    """
    attempt = _open(operation, now=now)
    failpoint("attempt.written")
    try:
        answer = call()
    except base.Unavailable as error:
        _close(attempt, State.UNSENT, error=error, now=now)
        raise
    except base.Ambiguous as error:
        _close(attempt, State.UNKNOWN, error=error, now=now)
        raise
    except base.GatewayError as error:
        _close(attempt, State.REFUSED, error=error, now=now)
        raise
    failpoint("attempt.answered")
    _close(attempt, State.ANSWERED, now=now)
    return answer


def resolve(
    *, object_type: str, object_id: object, operation: str, was_done: bool, now: datetime
) -> None:
    """What an unresolved attempt came to has been read at the gateway."""
    Attempt.objects.unresolved().filter(
        object_type=object_type, object_id=str(object_id), operation=operation
    ).update(state=State.ANSWERED if was_done else State.UNSENT, resolved_at=now)


@atomic
def explain(*, attempt_id: int, actor: str, note: str, now: datetime) -> Attempt:
    """A person found out what came of an attempt and writes it down.

    Raises:
        audit.ReasonMissing: No words.
        AttemptResolved: It is known already.
    """
    if not note.strip():
        raise audit.ReasonMissing
    attempt = Attempt.objects.select_for_update(no_key=True).get(pk=attempt_id)
    if attempt.state not in Attempt.UNRESOLVED:
        raise AttemptResolved
    before = attempt.state
    attempt.state = State.EXPLAINED
    attempt.note = note[:500]
    attempt.resolved_at = now
    attempt.save(update_fields=["state", "note", "resolved_at"])
    audit.record(
        actor=actor,
        action="payments.attempt.explained",
        object_type="attempt",
        object_id=attempt.pk,
        now=now,
        before={"state": before},
        after={"state": attempt.state, "reference": attempt.reference},
        reason=note,
    )
    return attempt


def _open(operation: Operation, *, now: datetime) -> Attempt:
    text = json.dumps(operation.request, sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    attempt, is_new = Attempt.objects.get_or_create(
        provider=operation.provider,
        key=operation.key,
        defaults={
            "operation": operation.name,
            "reference": operation.reference,
            "object_type": operation.object_type,
            "object_id": operation.object_id,
            "request_hash": digest,
            "created_at": now,
            "sent_at": now,
        },
    )
    if attempt.request_hash != digest:
        raise base.InvalidRequest(
            "The same key asks for something else.",
            gateway=operation.provider,
            code="idempotency_error",
        )
    if not is_new:
        Attempt.objects.filter(pk=attempt.pk).update(
            state=State.SENDING, tries=F("tries") + 1, sent_at=now, resolved_at=None
        )
    return attempt


def _close(
    attempt: Attempt, state: Attempt.State, *, now: datetime, error: base.GatewayError | None = None
) -> None:
    words = f"{type(error).__name__} {error.code}: {error}" if error else ""
    is_resolved = state not in Attempt.UNRESOLVED
    Attempt.objects.filter(pk=attempt.pk).update(
        state=state, error=words[:300], resolved_at=now if is_resolved else None
    )
    GATEWAY_ATTEMPTS.labels(
        gateway=attempt.provider.lower(), operation=attempt.operation, state=state.lower()
    ).inc()
