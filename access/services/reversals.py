"""Taking back a sale or a tip whole: the coins, the earnings and the right."""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from access.models import Entitlement
from payments import audit, ledger
from revenue.services import earnings


@atomic
def reverse(*, transaction_id: UUID, actor: str, reason: str, now: datetime) -> UUID:
    """Undo one content purchase, tip or gateway fee by its mirror image.

    The coins come back as lots of the same value, every author's earning is taken back with the
    maturity it had, and the chapter closes again.

    Returns:
        The id of the reversal.

    Raises:
        audit.ReasonMissing: ``reason`` is empty.
        ledger.reversals.TransactionUnknown: There is none with this id.
        ledger.reversals.NotReversible: It is of a kind that another flow takes back.
        ledger.reversals.AlreadyReversed: It was reversed before.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    reversal_id = ledger.reverse(transaction_id=transaction_id, actor=actor, reason=reason, now=now)
    earnings.reverse(transaction_id=transaction_id, reversal_id=reversal_id, occurred_at=now)
    Entitlement.objects.filter(transaction_id=transaction_id, revoked_at__isnull=True).update(
        revoked_at=now
    )
    audit.record(
        actor=actor,
        action="access.transaction.reversed",
        object_type="transaction",
        object_id=transaction_id,
        now=now,
        after={"reversal_id": str(reversal_id)},
        reason=reason,
    )
    return reversal_id
