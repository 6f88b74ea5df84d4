"""Rights to read: the rows behind an open chapter."""

from datetime import datetime
from uuid import UUID

from access.models import Entitlement
from legato_payments.lib.ids import uuid7


def find(*, user_id: str, content_id: str, now: datetime) -> Entitlement | None:
    """The reader's right to the content, if it is in force."""
    right = Entitlement.objects.filter(
        user_id=user_id, content_id=content_id, revoked_at__isnull=True
    ).first()
    if right and right.expires_at and right.expires_at <= now:
        return None
    return right


def grant_purchased(
    *,
    entitlement_id: UUID,
    user_id: str,
    content_id: str,
    coins: int,
    now: datetime,
    transaction_id: UUID,
) -> Entitlement:
    """Write down a right that was paid for. A lapsed right to the same content ends here."""
    Entitlement.objects.filter(
        user_id=user_id, content_id=content_id, revoked_at__isnull=True
    ).update(revoked_at=now)
    return Entitlement.objects.create(
        id=entitlement_id,
        user_id=user_id,
        content_id=content_id,
        ground=Entitlement.Ground.PURCHASED,
        transaction_id=transaction_id,
        coins=coins,
        granted_at=now,
    )


def new_id() -> UUID:
    """The id of a right about to be granted; the spend is keyed by it."""
    return uuid7()
