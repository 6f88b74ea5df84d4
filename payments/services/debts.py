"""What readers owe: charged by lost disputes and refunds paid twice, paid by their next purchases.

All debts of a reader are one sum. What was paid and written off covers the oldest first, so a debt
that becomes void lowers what is owed; only what covered more than is left comes back: what was
written off before what was paid, and the newest before the oldest.

Everything here runs inside the caller's database transaction and under the wallet's lock.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from payments import ledger
from payments.enums import LotOrigin
from payments.ledger import balances, debt_templates, templates
from payments.models import (
    CoinBalance,
    CoinLot,
    Debt,
    DebtReduction,
    DisputeLoss,
    Purchase,
    RefundClosing,
)

type Heading = Callable[[str], ledger.Header]
"""Makes the header of one posting of a flow, by the event."""


def charge(
    *,
    wallet: CoinBalance,
    cause: DisputeLoss | RefundClosing,
    micros: int,
    transaction_id: UUID,
    now: datetime,
) -> None:
    """Write down that a reader owes more, as ``transaction_id`` posted it; the caller saves it.

    Args:
        micros: USD micros; nothing is owed for none.
    """
    if not micros:
        return
    wallet.debt_micros += micros
    Debt.objects.create(
        wallet=wallet,
        loss=cause if isinstance(cause, DisputeLoss) else None,
        closing=cause if isinstance(cause, RefundClosing) else None,
        amount_micros=micros,
        open_micros=micros,
        transaction_id=transaction_id,
        owed_at=now,
    )


def pay(*, wallet: CoinBalance, purchase: Purchase, now: datetime) -> None:
    """A purchase pays ``purchase.debt_micros`` of what its reader owes; the caller saves both.

    Who owes nothing any more can spend again.
    """
    if not purchase.debt_micros:
        return
    DebtReduction.objects.create(
        wallet=wallet,
        purchase=purchase,
        transaction_id=purchase.pk,
        amount_micros=purchase.debt_micros,
        reduced_by="system:settle",
        reduced_at=now,
    )
    reduce(wallet, purchase.debt_micros)


def reduce(wallet: CoinBalance, micros: int) -> None:
    """Owe less. Who owes nothing any more can spend again; the caller saves the wallet."""
    wallet.debt_micros -= micros
    if not wallet.debt_micros:
        wallet.blocked_by = ""
    _spread(wallet)


def void(
    *,
    debt: Debt,
    wallet: CoinBalance,
    by: UUID,
    heading: Heading,
    now: datetime,
) -> None:
    """A debt is none any more, as ``by`` posted it; what covered too much comes back.

    What a purchase had paid comes back as coins of that purchase, and can be paid back with it.
    """
    debt.voided_by_id = by
    debt.open_micros = 0
    debt.save(update_fields=["voided_by", "open_micros"])
    still_owed = min(wallet.debt_micros, debt.amount_micros)
    wallet.debt_micros -= still_owed
    wallet.save(update_fields=["debt_micros"])
    _spread(wallet)
    rest = debt.amount_micros - still_owed
    for reduction in _newest_first(wallet):
        part = min(rest, reduction.left_micros)
        if not part:
            continue
        rest -= part
        before = reduction.undone_micros
        reduction.undone_micros += part
        reduction.save(update_fields=["undone_micros"])
        if reduction.purchase is None:
            _take_up_again(reduction, wallet, part, heading)
        else:
            _give_back(reduction, wallet, before, part, heading, now=now)
    assert not rest, debt


def next_block(*, user_id: str, after: UUID) -> str:
    """What still blocks a reader whom the cause of a transaction blocks no more.

    The block stood from that transaction on, so every later cause that is in force blocks, too.
    """
    losses = DisputeLoss.objects.filter(
        dispute__purchase__user_id=user_id, undone_by__isnull=True, transaction_id__gt=after
    ).exclude(writers_micros=0, platform_micros=0, reader_micros=0)
    closings = RefundClosing.objects.filter(
        refund__purchase__user_id=user_id,
        undone_by__isnull=True,
        owed_micros__gt=0,
        transaction_id__gt=after,
    )
    loss = losses.select_related("dispute").order_by("transaction_id").first()
    closing = closings.order_by("transaction_id").first()
    found = []
    if loss is not None:
        found.append((loss.transaction_id, loss.dispute.freezer))
    if closing is not None and closing.transaction_id is not None:
        found.append((closing.transaction_id, closing.blocker))
    return min(found)[1] if found else ""


def _spread(wallet: CoinBalance) -> None:
    """Let what is owed stand open on the newest debts: the oldest are paid first."""
    rest = wallet.debt_micros
    for debt in wallet.debts.in_force().order_by("-id"):
        still_owed = min(rest, debt.amount_micros)
        rest -= still_owed
        if debt.open_micros != still_owed:
            debt.open_micros = still_owed
            debt.save(update_fields=["open_micros"])


def _newest_first(wallet: CoinBalance) -> Iterable[DebtReduction]:
    """What covers debts, in the order in which it comes back."""
    found = wallet.reductions.select_related("purchase").order_by("-id")
    return sorted(found, key=lambda one: one.purchase is not None)


def _take_up_again(
    reduction: DebtReduction, wallet: CoinBalance, micros: int, heading: Heading
) -> None:
    ledger.post(
        debt_templates.debt_written_off(user_id=wallet.user_id, amount=-micros),
        heading(f"write_off_undone:{reduction.pk}"),
    )


def _give_back(
    reduction: DebtReduction,
    wallet: CoinBalance,
    before: int,
    micros: int,
    heading: Heading,
    *,
    now: datetime,
) -> None:
    purchase = reduction.purchase
    assert purchase is not None, reduction
    owed, after = reduction.amount_micros, before + micros
    # Cumulative, so that all parts together bring the coins that the debt had taken.
    coins = purchase.debt_coins * after // owed - purchase.debt_coins * before // owed
    # What is worth less than a coin still belongs to the reader.
    coins = max(coins, 1)
    header = replace(
        heading(f"debt_returned:{reduction.pk}"), relates_to=purchase.transaction_id, fx_rate=None
    )
    transaction_id = ledger.post(
        templates.debt_returned(user_id=wallet.user_id, coins=coins, value=micros), header
    )
    lot = CoinLot(
        origin=LotOrigin.RESTORED,
        is_purchased=True,
        coins=coins,
        value_micros=micros,
        purchase=purchase,
        transaction_id=transaction_id,
        priority=CoinLot.PAID_PRIORITY,
        frozen_by=balances.freezer_of(purchase.pk),
        created_at=now,
    )
    balances.issue(wallet=wallet, lot=lot)
