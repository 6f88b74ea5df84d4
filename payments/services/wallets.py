"""Coin wallets: hold one, take coins out of it."""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict
from payments import audit, outbox
from payments.ledger import Burned, balances
from payments.models import CoinBalance, LotUse
from payments.outbox import EventType


class InsufficientCoins(Conflict):
    code = "insufficient_coins"
    title = "There are not enough coins in the wallet."


class WalletBlocked(Conflict):
    code = "wallet_blocked"
    title = "Nothing can be spent from this wallet until a lost dispute is settled."


def lock(*, user_id: str) -> CoinBalance:
    """Hold the reader's wallet until the transaction ends: one movement at a time per reader."""
    return balances.lock(user_id=user_id)


def burn(
    *,
    wallet: CoinBalance,
    coins: int,
    kind: LotUse.Kind,
    transaction_id: UUID,
    now: datetime,
    purchased_only: bool = False,
) -> Burned:
    """Take ``coins`` out of a locked wallet, in burn order.

    Promotional coins first, the soonest to expire before the others; then the oldest purchase
    (rules.md, rule 4).

    Args:
        transaction_id: The ledger transaction that the caller is about to post.
        purchased_only: Leave promotional coins alone, as tips do.

    Raises:
        WalletBlocked: A lost dispute is not settled; only finance takes coins now.
        InsufficientCoins: The wallet holds fewer coins that can be used so; nothing changed.
    """
    if wallet.blocked_by and kind != LotUse.Kind.ADJUSTMENT:
        raise WalletBlocked
    burned = balances.burn(
        wallet=wallet,
        coins=coins,
        kind=kind,
        transaction_id=transaction_id,
        purchased_only=purchased_only,
        now=now,
    )
    if burned is None:
        available = balances.spendable(wallet=wallet, purchased_only=purchased_only, now=now)
        raise InsufficientCoins(
            f"{coins} coins are needed, {available} are available.",
            required_coins=coins,
            available_coins=available,
        )
    return burned


@atomic
def unblock(*, user_id: str, actor: str, reason: str, now: datetime) -> CoinBalance:
    """Let a reader spend again although a lost dispute is not settled.

    Raises:
        audit.ReasonMissing: ``reason`` is empty.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    wallet = lock(user_id=user_id)
    if wallet.blocked_by:
        audit.record(
            actor=actor,
            action="payments.wallet.unblocked",
            object_type="user",
            object_id=user_id,
            now=now,
            before={"blocked_by": wallet.blocked_by},
            after={"blocked_by": "", "debt_micros": wallet.debt_micros},
            reason=reason,
        )
        wallet.blocked_by = ""
        wallet.save(update_fields=["blocked_by"])
    return wallet


def changed_event(
    *, wallet: CoinBalance, transaction_id: UUID, occurred_at: datetime
) -> outbox.Event:
    """What other services are told once a locked wallet holds something else.

    Args:
        transaction_id: The ledger transaction that changed it.
    """
    return outbox.Event(
        type=EventType.BALANCE_CHANGED,
        subject=wallet.user_id,
        payload={
            "user_id": wallet.user_id,
            "coins": wallet.coins,
            "purchased_coins": wallet.purchased,
            "promo_coins": wallet.promo,
            "held_coins": wallet.held,
            "transaction_id": str(transaction_id),
        },
        occurred_at=occurred_at,
    )
