"""Write-offs of what readers owe: proposed, agreed to by others, done by a job; with four eyes."""

from datetime import datetime

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Invalid, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import approvals, audit, ledger, outbox
from payments.approvals import Order, Target
from payments.enums import BOOK_CURRENCY
from payments.ledger import balances, debt_templates
from payments.models import ApprovalRequest, CoinBalance, DebtReduction
from payments.services import debts, wallets

WRITE_OFF_DEBT = "payments.write_off_debt"


class WriteOffEmpty(Invalid):
    code = "write_off_empty"
    title = "A write-off gives up some amount above zero."


class DebtSmaller(Conflict):
    code = "debt_smaller"
    title = "The reader does not owe that much."


class WriteOffNotApproved(Refused):
    code = "write_off_not_approved"
    title = "What a reader owes is written off only after another person agreed."


def propose(
    *, user_id: str, amount: Money | None, reason: str, actor: str, now: datetime
) -> ApprovalRequest | DebtReduction:
    """Ask another person to give up what a reader owes, or a part of it.

    Args:
        amount: US dollars; nothing is all that the reader owes now.

    Raises:
        audit.ReasonMissing: No reason.
        WriteOffEmpty: Nothing, or less, would be given up.
        DebtSmaller: The reader owes less.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    wallet = CoinBalance.objects.filter(user_id=user_id).first()
    owed = Money(wallet.debt_micros if wallet else 0, BOOK_CURRENCY)
    if amount is None:
        if not owed.micros:
            raise DebtSmaller("The reader owes nothing.")
        amount = owed
    if amount.micros <= 0:
        raise WriteOffEmpty
    known = {"reader": user_id, "currency": BOOK_CURRENCY.value}
    return approvals.propose(
        action=WRITE_OFF_DEBT,
        target=Target("user", user_id),
        payload={
            "before": {**known, "owed": owed.amount()},
            "after": {**known, "owed": (owed - amount).amount(), "amount": amount.amount()},
        },
        summary=f"Write off {amount} of the {owed} that {user_id} owes",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=amount,
    )


@atomic
def carry_out(order: Order) -> DebtReduction:
    """Give up the amount of a proposal, once. Who owes nothing any more can spend again.

    The database looks at the commit whether others agreed to exactly this.

    Raises:
        WriteOffNotApproved: There is no proposal behind it.
        DebtSmaller: The reader owes less by now.
    """
    if order.approval_id is None:
        raise WriteOffNotApproved
    amount = Money.parse(order.payload["after"]["amount"], BOOK_CURRENCY)
    wallet = balances.lock(user_id=order.target.id)
    if amount.micros > wallet.debt_micros:
        owed = Money(wallet.debt_micros, BOOK_CURRENCY)
        raise DebtSmaller(f"{owed} are owed.", owed=owed.to_json())
    before = _told_of(wallet)
    row = DebtReduction(
        wallet=wallet,
        approval_id=order.approval_id,
        transaction_id=uuid7(),
        amount_micros=amount.micros,
        reason=order.reason[:300],
        reduced_by=order.maker,
        reduced_at=order.now,
    )
    _post(row, order)
    failpoint("write_off.posted")
    row.save(force_insert=True)
    debts.reduce(wallet, row.amount_micros)
    wallet.save(update_fields=["debt_micros", "blocked_by"])
    _tell(wallet, row, before)
    return row


def _post(row: DebtReduction, order: Order) -> None:
    ledger.post(
        debt_templates.debt_written_off(user_id=row.wallet.user_id, amount=row.amount_micros),
        ledger.Header(
            id=row.transaction_id,
            key=f"write_off:{row.approval_id}",
            occurred_at=row.reduced_at,
            source_type="user",
            source_id=row.wallet.user_id,
            actor=order.maker,
            memo=row.reason[:200],
        ),
    )


def _told_of(wallet: CoinBalance) -> dict[str, str]:
    owed = Money(wallet.debt_micros, BOOK_CURRENCY).amount()
    return {"owed": owed, "blocked_by": wallet.blocked_by}


def _tell(wallet: CoinBalance, row: DebtReduction, before: dict[str, str]) -> None:
    audit.record(
        actor=row.reduced_by,
        action="payments.debt.written_off",
        object_type="user",
        object_id=wallet.user_id,
        now=row.reduced_at,
        before=before,
        after={
            **_told_of(wallet),
            "written_off": Money(row.amount_micros, BOOK_CURRENCY).amount(),
            "approval_id": str(row.approval_id),
            "transaction_id": str(row.transaction_id),
        },
        reason=row.reason,
    )
    if before["blocked_by"] and not wallet.blocked_by:
        # The coins are the same ones, but they can be spent again.
        changed = wallets.changed_event(
            wallet=wallet, transaction_id=row.transaction_id, occurred_at=row.reduced_at
        )
        outbox.emit_all([changed])
