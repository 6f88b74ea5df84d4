"""Booking the end of a contradiction of a gateway about a refund, and taking that back.

The gateway had said that a refund failed, so the coins came back; then it said that it paid.
Closing it as paid takes the coins again as far as they are unused, and says who bears the rest.
When the gateway says once more that it was not paid, the closing is undone like the request before.

Everything here runs inside the caller's database transaction, with wallet, purchase and refund
locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payments import ledger
from payments.enums import TransactionKind
from payments.ledger import Slice, balances, debt_templates, holds, templates
from payments.ledger.reversals import lines_of
from payments.models import (
    CoinBalance,
    CoinLot,
    Debt,
    LotUse,
    Purchase,
    Refund,
    RefundClosing,
    Transaction,
)
from payments.services import debts, refund_amounts

Decision = RefundClosing.Decision

ACTOR = "system:refunds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who bears a refund that was paid after it had failed.

    Args:
        parts: Coins to be taken again.
        value_micros: What they release, USD micros.
        taxes: Tax in the money for them, by office: micros of the paid currency.
        goodwill_micros: What we bear, USD micros.
        owed_micros: What the reader owes us, USD micros.
        refunded_micros: What the purchase counts as given back, micros of the paid currency.
    """

    parts: tuple[Slice, ...] = ()
    value_micros: int = 0
    taxes: dict[str, int]
    goodwill_micros: int
    owed_micros: int = 0
    refunded_micros: int

    @property
    def coins(self) -> int:
        """How many coins are taken."""
        return sum(part.coins for part in self.parts)


def plan(refund: Refund, purchase: Purchase, decision: str, lots: Sequence[CoinLot]) -> Plan:
    """What closing a refund as paid comes to.

    Args:
        lots: Of the coins that had come back, those that hold unused ones; see ``lots_of``.
    """
    left = purchase.total_micros - purchase.refunded_micros
    counted = min(refund.amount_micros, left)
    if decision == Decision.GOODWILL:
        return Plan(
            taxes={},
            goodwill_micros=refund_amounts.in_book_currency(purchase, refund.amount_micros),
            refunded_micros=counted,
        )
    worth = refund_amounts.worth_of(purchase, [balances.rest_of(lot) for lot in lots])
    for_coins = refund.amount_micros - refund.goodwill_micros
    is_all_there = worth.value_micros == refund.value_micros
    # All coins pay for all of the money, whatever was rounded in between.
    covered = min(for_coins if is_all_there else min(worth.money.micros, for_coins), left)
    return Plan(
        parts=worth.parts,
        value_micros=worth.value_micros,
        taxes=refund_amounts.taxes_in(purchase, covered),
        goodwill_micros=refund_amounts.in_book_currency(purchase, refund.goodwill_micros),
        owed_micros=refund_amounts.in_book_currency(purchase, for_coins - covered),
        refunded_micros=counted,
    )


def lots_of(refund: Refund, wallet: CoinBalance, *, is_locked: bool = False) -> list[CoinLot]:
    """Lots of the buyer with unused coins that came back when a refund failed, oldest first.

    Also those that were spent since and came back once more, by whatever way.
    """
    found: set[int] = set()
    failed = Transaction.objects.filter(
        kind=TransactionKind.REFUND_FAILED, source_type="refund", source_id=str(refund.pk)
    )
    new = set(CoinLot.objects.filter(transaction__in=failed).values_list("pk", flat=True))
    while new:
        found |= new
        children = CoinLot.objects.filter(parent__in=new).values_list("pk", flat=True)
        new = set(children) - found
    lots = CoinLot.objects.filter(pk__in=found, wallet=wallet, is_used_up=False, frozen_by="")
    if is_locked:
        lots = lots.select_for_update(no_key=True, of=("self",))
    return list(lots.order_by("pk"))


def book(
    *,
    refund: Refund,
    purchase: Purchase,
    wallet: CoinBalance,
    closing: RefundClosing,
) -> RefundClosing:
    """Take the coins again and put the money in flight, as the closing's decision says.

    ``refund_outcomes.post_paid`` is to follow.
    """
    lots = []
    if closing.decision == Decision.COINS:
        lots = lots_of(refund, wallet, is_locked=True)
    made = plan(refund, purchase, closing.decision, lots)
    closing.coins = made.coins
    closing.value_micros = made.value_micros
    closing.owed_micros = made.owed_micros
    closing.goodwill_micros = made.goodwill_micros
    closing.refunded_micros = made.refunded_micros
    closing.transaction_id = _post(refund, purchase, closing, made)
    closing.save(force_insert=True)
    holds.take(
        wallet=wallet,
        lots={lot.pk: lot for lot in lots},
        parts=made.parts,
        kind=LotUse.Kind.REFUND,
        transaction_id=closing.transaction_id,
    )
    _count(purchase, closing, 1)
    debts.charge(
        wallet=wallet,
        cause=closing,
        micros=closing.owed_micros,
        transaction_id=closing.transaction_id,
        now=closing.closed_at,
    )
    if closing.owed_micros:
        # Whom something earlier blocks stays blocked by that; see ``debts.next_block``.
        wallet.blocked_by = wallet.blocked_by or closing.blocker
    wallet.save(update_fields=["debt_micros", "blocked_by"])
    return closing


def in_force(refund: Refund) -> RefundClosing | None:
    """The closing by which our books have the money as paid, if there is one."""
    paid = refund.closings.filter(transaction__isnull=False, undone_by__isnull=True)
    return paid.select_related("transaction").first()


def undo(
    closing: RefundClosing,
    *,
    refund: Refund,
    purchase: Purchase,
    wallet: CoinBalance,
    now: datetime,
) -> UUID:
    """The gateway says that it was not paid after all: coins and debt are as before the closing."""
    taken = closing.transaction
    assert taken is not None, closing

    def heading(event: str) -> ledger.Header:
        """Of one posting that takes the closing back; once for each event."""
        return ledger.Header(
            key=f"refund:{refund.pk}:{event}:{closing.pk}",
            occurred_at=now,
            source_type="refund",
            source_id=str(refund.pk),
            actor=ACTOR,
            relates_to=taken.pk,
        )

    undone_by = ledger.post(templates.refund_failed(of=lines_of(taken)), heading("failed"))
    uses = taken.lot_uses.select_related("lot").order_by("lot_id")
    balances.restore(wallet=wallet, uses=list(uses), transaction_id=undone_by, now=now)
    _count(purchase, closing, -1)
    closing.undone_by_id = undone_by
    closing.save(update_fields=["undone_by"])
    if wallet.blocked_by == closing.blocker:
        wallet.blocked_by = debts.next_block(user_id=wallet.user_id, after=taken.pk)
        wallet.save(update_fields=["blocked_by"])
    debt = Debt.objects.filter(closing=closing).first()
    if debt:
        debts.void(debt=debt, wallet=wallet, by=undone_by, heading=heading, now=now)
    return undone_by


def _post(refund: Refund, purchase: Purchase, closing: RefundClosing, made: Plan) -> UUID:
    return ledger.post(
        debt_templates.refund_retaken(
            user_id=purchase.user_id,
            coins=made.coins,
            currency=refund.currency,
            amount=refund.amount_micros,
            taxes=made.taxes,
            value=made.value_micros,
            goodwill=made.goodwill_micros,
            owed=made.owed_micros,
        ),
        ledger.Header(
            # One contradiction is closed once; the next one comes after this one is undone.
            key=f"refund:{refund.pk}:retaken:{refund.closings.count()}",
            occurred_at=closing.closed_at,
            source_type="refund",
            source_id=str(refund.pk),
            actor=closing.closed_by,
            relates_to=purchase.transaction_id,
            fx_rate=purchase.fx_rate,
            memo=closing.reason[:200],
        ),
    )


def _count(purchase: Purchase, closing: RefundClosing, sign: int) -> None:
    purchase.refunded_micros += sign * closing.refunded_micros
    purchase.refunded_value_micros += sign * closing.value_micros
    purchase.save(update_fields=["refunded_micros", "refunded_value_micros"])
