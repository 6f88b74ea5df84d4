"""One way to write down who changed what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from legato_payments.lib.errors import Invalid
from payments.models import AuditEntry


class ReasonMissing(Invalid):
    code = "reason_missing"
    title = "Say why: the audit log keeps it."


def record(
    *,
    actor: str,
    action: str,
    object_type: str,
    object_id: object,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write one audit entry, in the same database transaction as the change itself.

    Args:
        actor: ``user:x``, ``staff:7``, ``service:y`` or ``system:task-name``.
        action: Dotted past tense, for example ``payments.package.changed``.
        before: What it was, JSON-ready; nothing when it is new.
        after: What it is now, JSON-ready.
    """
    return AuditEntry.objects.create(
        occurred_at=now,
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        reason=reason,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
