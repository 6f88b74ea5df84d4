"""Reversal: the only correction. The mirror image of a transaction, once."""

from datetime import datetime, timedelta
from uuid import UUID

from legato_payments.lib.errors import Conflict, Missing
from legato_payments.lib.failpoints import failpoint
from payments.enums import TransactionKind
from payments.ledger import balances, chart, posting, templates
from payments.models import Account, CoinBalance, Transaction


class TransactionUnknown(Missing):
    """No transaction has this id."""

    title = "There is no such transaction."


class AlreadyReversed(Conflict):
    code = "already_refunded"
    title = "This was taken back already."


class NotReversible(Conflict):
    code = "not_reversible"
    title = "A transaction of this kind is not taken back by a reversal."


REVERSIBLE = (
    TransactionKind.CONTENT_PURCHASE,
    TransactionKind.TIP,
    TransactionKind.GATEWAY_FEE,
)
"""A coin purchase goes back as a refund through its gateway, never by a reversal here."""


def reverse(
    *,
    transaction_id: UUID,
    actor: str,
    reason: str,
    now: datetime,
    restored_for: timedelta = balances.RESTORED_FOR,
) -> UUID:
    """Take back one transaction whole: every line mirrored, every coin back in its wallet.

    Runs inside the caller's database transaction.

    Args:
        restored_for: How long promotional coins that come back can be used at least.

    Raises:
        TransactionUnknown: There is none with this id.
        NotReversible: It is of a kind that another flow takes back, or is itself a reversal.
        AlreadyReversed: It was reversed before.
    """
    original = Transaction.objects.filter(pk=transaction_id).first()
    if original is None:
        raise TransactionUnknown
    if original.kind not in REVERSIBLE:
        raise NotReversible
    wallet = _lock_payer(original)
    # Checked under the payer's lock; the unique column ``reverses`` is the guard behind it.
    if Transaction.objects.filter(reverses=original).exists():
        raise AlreadyReversed

    reversal_id = posting.post(
        templates.reversal(of=lines_of(original)),
        posting.Header(
            key=f"reversal:{original.pk}",
            occurred_at=now,
            source_type="transaction",
            source_id=str(original.pk),
            actor=actor,
            reverses=original.pk,
            relates_to=original.pk,
            memo=reason,
        ),
    )
    failpoint("reversal.posted")
    if wallet:
        uses = original.lot_uses.select_related("lot").order_by("lot_id")
        balances.restore(
            wallet=wallet,
            uses=list(uses),
            transaction_id=reversal_id,
            now=now,
            restored_for=restored_for,
        )
    failpoint("reversal.restored")
    return reversal_id


def _lock_payer(original: Transaction) -> CoinBalance | None:
    payer = Account.objects.filter(
        entries__transaction=original, mode=Account.Mode.GUARDED, code="wallet"
    ).first()
    return balances.lock(user_id=payer.owner_id) if payer else None


def lines_of(original: Transaction) -> list[templates.Line]:
    """The lines of a transaction, as a mirror image takes them."""
    return [
        templates.Line(
            chart.AccountRef(entry.account.code, entry.unit, entry.account.owner_id), entry.amount
        )
        for entry in original.entries.select_related("account").order_by("line")
    ]
