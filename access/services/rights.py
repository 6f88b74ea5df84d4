"""Rights to read: the rows behind an open chapter."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from access.models import Entitlement
from legato_payments.lib.ids import uuid7
from payments import outbox
from payments.outbox import EventType


def revoke_purchased(*, transaction_id: UUID, now: datetime) -> Entitlement | None:
    """End the right that a transaction paid for, under the lock of the reader's wallet.

    Returns:
        The right, or ``None`` when the transaction paid for none, or it has ended before.
    """
    right = Entitlement.objects.filter(
        transaction_id=transaction_id, revoked_at__isnull=True
    ).first()
    if right:
        right.revoked_at = now
        right.save(update_fields=["revoked_at"])
    return right


def granted_event(right: Entitlement) -> outbox.Event:
    """What other services are told of a right just granted; of a bought one, SQL tells the same."""
    details = {
        "coins": right.coins,
        "granted_at": outbox.moment(right.granted_at),
        "expires_at": outbox.moment(right.expires_at) if right.expires_at else None,
    }
    return _event(right, EventType.ENTITLEMENT_GRANTED, details, occurred_at=right.granted_at)


def revoked_event(right: Entitlement) -> outbox.Event:
    """What other services are told of a right just taken back."""
    assert right.revoked_at is not None, right.pk
    details = {"revoked_at": outbox.moment(right.revoked_at)}
    return _event(right, EventType.ENTITLEMENT_REVOKED, details, occurred_at=right.revoked_at)


def new_id() -> UUID:
    """The id of a right about to be granted; the spend is keyed by it."""
    return uuid7()


def _event(
    right: Entitlement, kind: EventType, details: Mapping[str, object], *, occurred_at: datetime
) -> outbox.Event:
    return outbox.Event(
        type=kind,
        subject=right.user_id,
        payload={
            "entitlement_id": str(right.pk),
            "user_id": right.user_id,
            "content_id": right.content_id,
            "ground": right.ground.lower(),
            "transaction_id": str(right.transaction_id) if right.transaction_id else None,
            **details,
        },
        occurred_at=occurred_at,
    )
