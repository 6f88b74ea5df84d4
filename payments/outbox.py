"""One way to tell other services: a row in the same transaction as what it tells of.

A change that is rolled back was never told, and one that is committed cannot be forgotten.
``services.events`` numbers the rows, ``queries.events`` reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db.models import TextChoices

from payments.models import OutboxEvent


class EventType(TextChoices):
    """What can be told; ``docs/events/<type>.v1.json`` describes the payload of each."""

    PURCHASE_SETTLED = "payments.purchase.settled", "Coins were paid for and credited"
    PURCHASE_FAILED = "payments.purchase.failed", "A purchase was refused, or nobody paid it"
    PURCHASE_REFUNDED = "payments.purchase.refunded", "Money went back for coins not used"
    PURCHASE_DISPUTED = "payments.purchase.disputed", "A dispute of a purchase began or ended"
    BALANCE_CHANGED = "payments.balance.changed", "A wallet holds something else now"
    ENTITLEMENT_GRANTED = "access.entitlement.granted", "A reader may open a chapter"
    ENTITLEMENT_REVOKED = "access.entitlement.revoked", "A reader may no longer open a chapter"
    EARNING_ACCRUED = "revenue.earning.accrued", "A writer earned something"
    EARNING_REVERSED = "revenue.earning.reversed", "An earning was taken back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Args:
        subject: Whom it is about: a user or writer id.
        payload: JSON-ready, as the type's schema says; of people nothing but ids.
        occurred_at: When it happened, UTC.
    """

    type: EventType
    subject: str
    payload: Mapping[str, Any]
    occurred_at: datetime


def emit(
    *,
    type: EventType,  # noqa: A002 - the word of CloudEvents
    subject: str,
    payload: Mapping[str, Any],
    occurred_at: datetime,
) -> None:
    """Tell one thing; see ``Event`` and ``emit_all``."""
    emit_all([Event(type=type, subject=subject, payload=payload, occurred_at=occurred_at)])


def emit_all(events: Sequence[Event]) -> None:
    """Tell everything that one use case did, in this order, with one statement.

    Call it last, in the transaction of the change and under its locks: events are numbered in the
    order of their transactions, see ``services.events``.
    """
    trace_id = structlog.contextvars.get_contextvars().get("trace_id", "")
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            type=event.type,
            subject=event.subject,
            payload=dict(event.payload),
            occurred_at=event.occurred_at,
            trace_id=trace_id,
        )
        for event in events
    )


def moment(at: datetime) -> str:
    """A moment as payloads and envelopes write it: ISO 8601, UTC, with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
