"""Losing a dispute, and undoing the loss when it is won after all.

The coins nobody used go, writers give back what they earned from the others and could not be paid
yet, and the rest is borne by whom the policy names (ledger.md, section 4, row 12).
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from access.services import dispute_impact
from access.services.dispute_impact import Impact
from legato_payments.lib.errors import Conflict
from legato_payments.lib.failpoints import failpoint
from payments import audit, ledger, outbox
from payments.ledger import balances, holds, templates
from payments.ledger.reversals import lines_of
from payments.models import CoinBalance, Debt, Dispute, DisputeLoss, LotUse
from payments.services import debts, disputes, purchase_outcomes, wallets
from revenue.models import Earning
from revenue.services import clawbacks, earnings

Booked = Dispute.Booked
Status = Dispute.Status


class LossIsBooked(Conflict):
    code = "loss_is_booked"
    title = "The loss is booked already; its policy cannot be chosen any more."


@atomic
def settle(*, dispute_id: UUID, now: datetime) -> Dispute:
    """Book a lost dispute, or take the loss back of one that is won after all. Safe to run twice.

    Does nothing for a dispute that is neither.
    """
    purchase_id = Dispute.objects.values_list("purchase_id", flat=True).get(pk=dispute_id)
    readers = disputes.lock_wallets(purchase_id, also=_taken_from(dispute_id))
    purchase = purchase_outcomes.lock(purchase_id)
    dispute = disputes.lock(dispute_id)
    dispute.purchase = purchase
    if not disputes.needs_settling(dispute):
        return dispute
    if dispute.status == Status.LOST:
        _lose(dispute, readers, now=now)
    else:
        _undo(dispute, readers, now=now)
        disputes.win(dispute, readers.values(), now=now)
    dispute.finish()
    dispute.save()
    failpoint("dispute.settled")
    return dispute


def preview(*, dispute_id: UUID, now: datetime) -> Impact:
    """What losing a dispute now would cost, and whom; nothing changes."""
    dispute = Dispute.objects.select_related("purchase").get(pk=dispute_id)
    return dispute_impact.of(dispute, now=now)


def draft_of(dispute: Dispute, impact: Impact) -> templates.Draft:
    """What would be posted, or is: the loss under the dispute's policy."""
    purchase = dispute.purchase
    shares: dict[str, int] = {}
    for part in impact.parts(dispute.policy):
        writer = part.earning.writer_id
        shares[writer] = shares.get(writer, 0) + part.amount_micros
    return templates.dispute_lost(
        user_id=purchase.user_id,
        coins=impact.coins,
        currency=dispute.currency,
        price=dispute.amount_micros - sum(impact.taxes.values()),
        taxes=impact.taxes,
        value=impact.value_micros,
        unused=impact.unused_micros,
        shares=shares,
        owed=impact.reader_micros(dispute.policy),
    )


@atomic
def choose_policy(
    *, dispute_id: UUID, policy: Dispute.Policy, actor: str, reason: str, now: datetime
) -> Dispute:
    """Say who bears the loss, before it is booked.

    Raises:
        audit.ReasonMissing: No reason.
        LossIsBooked: Too late.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    dispute = disputes.lock(dispute_id)
    if dispute.booked == Booked.LOST or dispute.status == Status.LOST:
        raise LossIsBooked
    before = dispute.policy
    dispute.policy = policy
    dispute.save(update_fields=["policy"])
    audit.record(
        actor=actor,
        action="payments.dispute.policy_chosen",
        object_type="dispute",
        object_id=dispute.pk,
        now=now,
        before={"policy": before},
        after={"policy": policy},
        reason=reason,
    )
    return dispute


def _lose(dispute: Dispute, readers: dict[str, CoinBalance], *, now: datetime) -> None:
    purchase = dispute.purchase
    impact = dispute_impact.of(dispute, now=now)
    parts = impact.parts(dispute.policy)
    owed = impact.reader_micros(dispute.policy)
    transaction_id = ledger.post(
        draft_of(dispute, impact), disputes.header(dispute, "lost", now=now)
    )
    failpoint("dispute.lost")
    _take_coins(dispute, impact, readers, transaction_id=transaction_id)
    disputes.freeze_for_others(dispute, readers.values(), now=now)
    taken = clawbacks.claw_back(parts=parts, transaction_id=transaction_id, occurred_at=now)
    buyer = readers[purchase.user_id]
    loss = DisputeLoss.objects.create(
        dispute=dispute,
        transaction_id=transaction_id,
        policy=dispute.policy,
        coins=sum(impact.coins.values()),
        unused_micros=impact.unused_micros,
        writers_micros=impact.writers_micros(dispute.policy),
        platform_micros=impact.platform_micros(dispute.policy),
        reader_micros=owed,
        spent_micros=impact.spent_micros,
        lost_at=now,
    )
    if impact.spent_micros:
        debts.charge(wallet=buyer, cause=loss, micros=owed, transaction_id=transaction_id, now=now)
        # Whom an earlier loss blocks stays blocked by that one; see ``debts.next_block``.
        buyer.blocked_by = buyer.blocked_by or dispute.freezer
        buyer.save(update_fields=["debt_micros", "blocked_by"])
    failpoint("dispute.earnings_taken")
    dispute.booked = Booked.LOST
    _tell(readers.values(), taken, transaction_id, now=now)


def _take_coins(
    dispute: Dispute, impact: Impact, readers: dict[str, CoinBalance], *, transaction_id: UUID
) -> None:
    for reader, wallet in readers.items():
        lots = list(holds.unused_lots(purchase_id=dispute.purchase_id, wallet=wallet))
        holds.take(
            wallet=wallet,
            lots={lot.pk: lot for lot in lots},
            parts=impact.unused.get(reader, []),
            kind=LotUse.Kind.DISPUTE,
            transaction_id=transaction_id,
        )
        # Of a payment that is disputed in part, the rest of the coins is the reader's again.
        holds.release(wallet=wallet, lots=lots, by=dispute.freezer)


def _undo(dispute: Dispute, readers: dict[str, CoinBalance], *, now: datetime) -> None:
    loss = DisputeLoss.objects.select_related("transaction").get(
        dispute=dispute, undone_by__isnull=True
    )
    transaction_id = ledger.post(
        templates.loss_undone(of=lines_of(loss.transaction)),
        disputes.header(dispute, "undone", now=now),
    )
    failpoint("dispute.undone")
    uses = loss.transaction.lot_uses.select_related("lot__wallet").order_by("lot_id")
    by_reader: dict[str, list[LotUse]] = {}
    for use in uses:
        by_reader.setdefault(use.lot.wallet.user_id, []).append(use)
    for reader, theirs in by_reader.items():
        balances.restore(
            wallet=readers[reader], uses=theirs, transaction_id=transaction_id, now=now
        )
    given = clawbacks.give_back(
        lost_transaction_id=loss.transaction_id, transaction_id=transaction_id, occurred_at=now
    )
    loss.undone_by_id = transaction_id
    loss.save(update_fields=["undone_by"])
    _forgive(dispute, loss, readers[dispute.purchase.user_id], now=now)
    dispute.booked = Booked.HELD
    _tell(readers.values(), given, transaction_id, now=now)


def _taken_from(dispute_id: UUID) -> list[str]:
    """Readers whose coins a loss took: they may hold no other coin of the purchase any more."""
    uses = LotUse.objects.filter(transaction__dispute_loss__dispute=dispute_id)
    return list(uses.values_list("lot__wallet__user_id", flat=True).distinct())


def _forgive(dispute: Dispute, loss: DisputeLoss, buyer: CoinBalance, *, now: datetime) -> None:
    """The buyer owes nothing for it any more; what was paid too much comes back as coins."""
    assert loss.undone_by_id is not None, loss
    if buyer.blocked_by == dispute.freezer:
        buyer.blocked_by = debts.next_block(user_id=buyer.user_id, after=loss.transaction_id)
        buyer.save(update_fields=["blocked_by"])
    debt = Debt.objects.filter(loss=loss).first()
    if debt:
        debts.void(
            debt=debt,
            wallet=buyer,
            by=loss.undone_by_id,
            heading=lambda event: disputes.header(dispute, event, now=now),
            now=now,
        )


def _tell(
    readers: Iterable[CoinBalance],
    changed: list[Earning],
    transaction_id: UUID,
    *,
    now: datetime,
) -> None:
    outbox.emit_all(
        [
            *(
                wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)
                for wallet in readers
            ),
            *earnings.events_of(changed),
        ]
    )
