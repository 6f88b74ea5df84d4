"""Coins that finance gives or takes by hand: one person proposes, others agree, a job does it."""

from datetime import datetime, timedelta

from django.db.transaction import atomic

from legato_payments.lib.errors import Invalid, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import approvals, audit, ledger, outbox
from payments.approvals import Order, Target
from payments.enums import BOOK_CURRENCY, LotOrigin
from payments.ledger import balances, templates
from payments.models import Adjustment, ApprovalRequest, CoinBalance, CoinLot, LotUse
from payments.queries import packages
from payments.services import wallets

ADJUST_WALLET = "payments.adjust_wallet"

PROMO_LIFETIME = timedelta(days=90)
"""How long coins without value can be used: promotional coins need an expiry (rules.md, rule 2)."""


class AdjustmentEmpty(Invalid):
    code = "adjustment_empty"
    title = "An adjustment gives coins or takes some."


class ValueOfTakenCoins(Invalid):
    code = "value_of_taken_coins"
    title = "Coins that are taken are worth what they are worth; their value cannot be chosen."


class ApprovalMissing(Refused):
    code = "approval_missing"
    title = "Coins are given or taken by hand only after another person agreed."


def propose(
    *, user_id: str, coins: int, value_micros: int, actor: str, reason: str, now: datetime
) -> ApprovalRequest | Adjustment:
    """Ask another person for an adjustment of a reader's wallet.

    Args:
        coins: Minus takes them away, in burn order.
        value_micros: USD micros that coins given are worth, at our cost; 0 makes them promotional.

    Raises:
        AdjustmentEmpty: No coins.
        ValueOfTakenCoins: A value for coins that are taken, or a negative one.
        wallets.InsufficientCoins: The reader holds fewer coins than would be taken.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not coins:
        raise AdjustmentEmpty
    if value_micros < 0 or (coins < 0 and value_micros):
        raise ValueOfTakenCoins
    value = Money(value_micros, BOOK_CURRENCY)
    worth = f" worth {value.amount()} {BOOK_CURRENCY}" if value_micros else ""
    return approvals.propose(
        action=ADJUST_WALLET,
        target=Target("user", user_id),
        payload={"before": {}, "after": {"coins": coins, "value": value.amount()}},
        summary=f"{coins:+,} coins{worth} for {user_id}",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=_at_stake(coins, value),
    )


@atomic
def carry_out(order: Order) -> Adjustment:
    """Give or take the coins of a proposal, once.

    The database looks at the commit whether others agreed to exactly this.

    Raises:
        ApprovalMissing: There is no proposal behind it.
        wallets.InsufficientCoins: The reader holds fewer coins than are to be taken.
    """
    if order.approval_id is None:
        raise ApprovalMissing
    after = order.payload["after"]
    coins, value = after["coins"], Money.parse(after["value"], BOOK_CURRENCY).micros
    wallet = balances.lock(user_id=order.target.id)
    row = Adjustment(
        id=uuid7(),
        user_id=wallet.user_id,
        coins=coins,
        reason=order.reason[:300],
        approval_id=order.approval_id,
        transaction_id=uuid7(),
        adjusted_at=order.now,
    )
    if coins > 0:
        row.value_micros = value
        _post(row, order)
        _give(wallet, row)
    else:
        row.value_micros = -_take(wallet, row)
        _post(row, order)
    failpoint("adjustment.posted")
    row.save(force_insert=True)
    _tell(wallet, row, order)
    return row


def _at_stake(coins: int, value: Money) -> Money:
    # What a reader pays for a coin without any discount: nothing by hand is worth more.
    price = packages.coin_price(BOOK_CURRENCY)
    listed = price.of(abs(coins)) if price else value
    return max(value, listed, key=lambda money: money.micros)


def _give(wallet: CoinBalance, row: Adjustment) -> None:
    has_value = row.value_micros > 0
    lot = CoinLot(
        origin=LotOrigin.ADJUSTMENT,
        is_purchased=has_value,
        coins=row.coins,
        value_micros=row.value_micros,
        transaction_id=row.transaction_id,
        priority=CoinLot.PAID_PRIORITY if has_value else CoinLot.PROMO_PRIORITY,
        expires_at=None if has_value else row.adjusted_at + PROMO_LIFETIME,
        created_at=row.adjusted_at,
    )
    balances.issue(wallet=wallet, lot=lot)


def _take(wallet: CoinBalance, row: Adjustment) -> int:
    burned = wallets.burn(
        wallet=wallet,
        coins=-row.coins,
        kind=LotUse.Kind.ADJUSTMENT,
        transaction_id=row.transaction_id,
        now=row.adjusted_at,
    )
    return burned.value_micros


def _post(row: Adjustment, order: Order) -> None:
    ledger.post(
        templates.adjustment(user_id=row.user_id, coins=row.coins, value=row.value_micros),
        ledger.Header(
            id=row.transaction_id,
            key=f"adjustment:{row.approval_id}",
            occurred_at=row.adjusted_at,
            source_type="adjustment",
            source_id=str(row.pk),
            actor=order.maker,
            memo=row.reason[:200],
        ),
    )


def _tell(wallet: CoinBalance, row: Adjustment, order: Order) -> None:
    audit.record(
        actor=order.maker,
        action="payments.wallet.adjusted",
        object_type="user",
        object_id=row.user_id,
        now=row.adjusted_at,
        after={
            "coins": row.coins,
            "value_micros": row.value_micros,
            "approval_id": str(row.approval_id),
            "transaction_id": str(row.transaction_id),
        },
        reason=row.reason,
    )
    outbox.emit_all(
        [
            wallets.changed_event(
                wallet=wallet, transaction_id=row.transaction_id, occurred_at=row.adjusted_at
            )
        ]
    )
