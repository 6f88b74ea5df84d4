"""Taking back a sale or a tip whole: the coins, the earnings and the right."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.transaction import atomic

from access.services import rights
from legato_payments.lib.failpoints import failpoint
from payments import audit, ledger, outbox
from payments.models import CoinBalance, Dispute, Policy
from payments.queries import policies
from payments.services import wallets
from payments.services.refunds import PurchaseDisputed
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
        PurchaseDisputed: It was paid with coins that a lost dispute took back.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    refuse_taken(transaction_id)
    days = policies.value(Policy.Name.PROMO_RESTORE_MIN_DAYS, on=now)
    reversal_id = ledger.reverse(
        transaction_id=transaction_id,
        actor=actor,
        reason=reason,
        now=now,
        restored_for=timedelta(days=days),
    )
    taken_back = earnings.reverse(
        transaction_id=transaction_id, reversal_id=reversal_id, occurred_at=now
    )
    failpoint("reversal.earnings_back")
    right = rights.revoke_purchased(transaction_id=transaction_id, now=now)
    audit.record(
        actor=actor,
        action="access.transaction.reversed",
        object_type="transaction",
        object_id=transaction_id,
        now=now,
        after={"reversal_id": str(reversal_id)},
        reason=reason,
    )
    failpoint("reversal.right_ended")
    outbox.emit_all(
        [
            *_wallet_events(reversal_id, now=now),
            *([rights.revoked_event(right)] if right else []),
            *earnings.events_of(taken_back),
        ]
    )
    return reversal_id


def refuse_taken(transaction_id: UUID) -> None:
    """Let nobody take back what was paid with coins that are gone.

    Raises:
        PurchaseDisputed: A lost dispute took them back.
    """
    lost = Dispute.objects.filter(
        booked=Dispute.Booked.LOST, purchase__lots__uses__transaction=transaction_id
    )
    if lost.exists():
        raise PurchaseDisputed("It was paid with coins that a lost dispute took back.")


def _wallet_events(reversal_id: UUID, *, now: datetime) -> list[outbox.Event]:
    # One, of the reader whom the coins came back to; none when a gateway fee is taken back.
    refilled = CoinBalance.objects.filter(lots__transaction=reversal_id).distinct()
    return [
        wallets.changed_event(wallet=wallet, transaction_id=reversal_id, occurred_at=now)
        for wallet in refilled
    ]
