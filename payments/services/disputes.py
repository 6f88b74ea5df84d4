"""Disputes: a payer's bank takes a payment back, and perhaps gives it back to us.

``apply`` brings our books to what the gateway says, in whatever order it comes. Opening and winning
are here. Losing takes earnings back from writers, whom this app does not know: the job
``access.settle_dispute`` does it, and undoes it when a lost dispute is won after all.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.transaction import atomic, savepoint, savepoint_commit, savepoint_rollback

from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.jobs import backoff, enqueue
from legato_payments.lib.money import Money
from payments import audit, ledger, outbox
from payments.gateways import base, registry
from payments.gateways.values import DisputeState, DisputeStatus
from payments.ledger import balances, holds, templates
from payments.models import CoinBalance, Dispute, Purchase
from payments.outbox import EventType
from payments.services import gateway_figures, purchase_outcomes, refund_amounts, wallets

log = structlog.get_logger(__name__)

Status = Dispute.Status
Booked = Dispute.Booked

ACTOR = "system:disputes"

POLL_LEASE = timedelta(seconds=60)

SETTLE_JOB = "access.settle_dispute"

STATUSES = {
    DisputeStatus.NEEDS_RESPONSE: Status.NEEDS_RESPONSE,
    DisputeStatus.UNDER_REVIEW: Status.UNDER_REVIEW,
    DisputeStatus.WON: Status.WON,
    DisputeStatus.LOST: Status.LOST,
}


class DisputeMismatch(Exception):
    """The gateway disputes a payment in another currency than it was paid in."""


def find_purchase(*, provider: str, state: DisputeState) -> Purchase | None:
    """The purchase that a dispute is about."""
    purchases = Purchase.objects.filter(provider=provider)
    found = None
    if state.payment_id:
        found = purchases.filter(payment_id=state.payment_id).first()
    if found is None and state.charge_reference:
        found = purchases.filter(reference=state.charge_reference).first()
    return found


def apply(*, purchase_id: UUID, state: DisputeState, now: datetime) -> Dispute:
    """Bring a dispute of a settled purchase to what the gateway says of it.

    Safe to call again, in any order. What takes earnings from writers, or gives them back, is left
    to the job ``access.settle_dispute``.

    Raises:
        DisputeMismatch: It is in another currency than the purchase.
    """
    with atomic():
        wallets_by_reader = lock_wallets(purchase_id)
        purchase = purchase_outcomes.lock(purchase_id)
        if state.amount.currency != purchase.currency:
            raise DisputeMismatch(f"{state.amount} of a payment in {purchase.currency}")
        dispute = _find_or_make(purchase, state, now=now)
        _take_over(dispute, state, now=now)
        _book_fee(dispute, state, now=now)
        is_lost = dispute.status == Status.LOST
        is_open = dispute.status in Dispute.OPEN and not dispute.is_inquiry
        if dispute.booked == Booked.NONE and (is_lost or (is_open and state.holds_funds)):
            _hold(dispute, now=now)
        # What a loss took is gone; an appeal against it holds nothing of the rest.
        if dispute.booked != Booked.LOST and (is_open or is_lost):
            _move_lots(dispute, wallets_by_reader.values(), freeze=True, now=now)
        if dispute.booked != Booked.LOST and dispute.status in (Status.WON, Status.WITHDRAWN):
            win(dispute, wallets_by_reader.values(), now=now, settled=state.settled)
        _book_conversion(dispute, state.settled, now=now)
        _plan(dispute, now=now)
        dispute.save()
        failpoint("dispute.applied")
    return dispute


def win(
    dispute: Dispute,
    readers: Iterable[CoinBalance],
    *,
    now: datetime,
    settled: Money | None = None,
) -> None:
    """The disputed money is back, if it was gone: unfreeze the coins.

    Wallets, purchase and dispute are locked; the caller saves the row.

    Args:
        settled: See ``DisputeState``; what is booked of it already counts where nobody says.
    """
    if dispute.booked == Booked.HELD:
        draft = templates.dispute_won(
            provider=dispute.provider, currency=dispute.currency, amount=dispute.amount_micros
        )
        _post(dispute, "won", draft, now=now)
        failpoint("dispute.won")
    readers = list(readers)
    _move_lots(dispute, readers, freeze=False, now=now)
    freeze_for_others(dispute, readers, now=now)
    dispute.booked = Booked.NONE
    dispute.closed_at = now
    _book_conversion(dispute, settled, now=now)


def freeze_for_others(dispute: Dispute, readers: Iterable[CoinBalance], *, now: datetime) -> None:
    """What a dispute does not hold any more, another one of the purchase may still hold."""
    for other in dispute.purchase.disputes.freezing().exclude(pk=dispute.pk).order_by("pk"):
        _move_lots(other, readers, freeze=True, now=now)


def poll(*, dispute_id: UUID, now: datetime) -> None:
    """Ask the gateway how a dispute stands. Does nothing when another worker has it."""
    dispute = Dispute.objects.claim(pk=dispute_id, now=now, lease=POLL_LEASE)
    if dispute is None:
        return
    if needs_settling(dispute):
        enqueue(SETTLE_JOB, dispute_id=str(dispute.pk))
    else:
        try:
            find_out(dispute, now=now)
        except base.GatewayError as error:
            log.warning("dispute_poll_failed", dispute_id=str(dispute_id), error=repr(error))
    _plan_next(dispute_id, attempts=dispute.attempts, now=now)


def read_again(
    *, provider: str, purchase_id: UUID, gateway_id: str, now: datetime
) -> Dispute | None:
    """Look at the gateway how a dispute stands, also one that is decided; nothing if it has none.

    Raises:
        base.GatewayError: No answer.
    """
    state = registry.charge_gateway(provider).get_dispute(gateway_id=gateway_id)
    return apply(purchase_id=purchase_id, state=state, now=now) if state else None


def find_out(dispute: Dispute, *, now: datetime) -> Dispute:
    """Bring a dispute to what the gateway says of it now. Call it outside a transaction.

    Raises:
        base.GatewayError: The gateway does not say how it stands.
    """
    found = read_again(
        provider=dispute.provider,
        purchase_id=dispute.purchase_id,
        gateway_id=dispute.gateway_id,
        now=now,
    )
    return found or dispute


def status_of(state: DisputeState) -> Dispute.Status:
    """What the gateway says of a dispute, in our words."""
    status = STATUSES[state.status]
    return Status.WITHDRAWN if state.is_withdrawn and status == Status.WON else status


def fees_of(state: DisputeState) -> dict[str, int]:
    """What the gateway kept for it so far, less what it gave back: micros by currency."""
    fees: dict[str, int] = {}
    if state.fee:
        fees[state.fee.currency] = state.fee.micros
    if state.fee_returned:
        currency = state.fee_returned.currency
        fees[currency] = fees.get(currency, 0) - state.fee_returned.micros
    return fees


def needs_settling(dispute: Dispute) -> bool:
    """Whether earnings of writers have to be taken, or given back."""
    is_won = dispute.status in (Status.WON, Status.WITHDRAWN)
    return (dispute.status == Status.LOST and dispute.booked == Booked.HELD) or (
        is_won and dispute.booked == Booked.LOST
    )


def lock(dispute_id: UUID) -> Dispute:
    """Hold a dispute until the transaction ends; wallets and purchase were locked before."""
    return Dispute.objects.select_for_update(no_key=True, of=("self",)).get(pk=dispute_id)


def lock_wallets(purchase_id: UUID, *, also: Iterable[str] = ()) -> dict[str, CoinBalance]:
    """Hold the wallet of the buyer, and of everybody the buyer gave coins of the purchase.

    Args:
        also: More readers whose wallets are needed.
    """
    buyer = Purchase.objects.values_list("user_id", flat=True).get(pk=purchase_id)
    wanted = {buyer, *also, *holds.holders_of(purchase_id=purchase_id)}
    while True:
        before = savepoint()
        locked = balances.lock_all(user_ids=wanted)
        holders = set(holds.holders_of(purchase_id=purchase_id))
        if holders <= locked.keys():
            savepoint_commit(before)
            return locked
        # Some were given away while we waited. One more lock now would be out of order: let all go.
        savepoint_rollback(before)
        wanted |= holders


def tell(dispute: Dispute, event: str, *, now: datetime) -> None:
    """Write down and tell others what happened; ``event`` is a past participle."""
    money = Money(dispute.amount_micros, dispute.currency)
    audit.record(
        actor=ACTOR,
        action=f"payments.dispute.{event}",
        object_type="dispute",
        object_id=dispute.pk,
        now=now,
        after={
            "purchase_id": str(dispute.purchase_id),
            "status": dispute.status,
            "booked": dispute.booked,
            "amount": money.to_json(),
            "gateway_id": dispute.gateway_id,
        },
        reason=dispute.reason,
    )
    due = dispute.evidence_due_at
    outbox.emit_all(
        [
            outbox.Event(
                type=EventType.PURCHASE_DISPUTED,
                subject=dispute.purchase.user_id,
                payload={
                    "transaction_id": str(dispute.purchase_id),
                    "dispute_id": str(dispute.pk),
                    "user_id": dispute.purchase.user_id,
                    "status": event,
                    "amount": money.to_json(),
                    "evidence_due_at": outbox.moment(due) if due else None,
                },
                occurred_at=now,
            )
        ]
    )


def header(dispute: Dispute, event: str, *, now: datetime) -> ledger.Header:
    """Of the next transaction about a dispute: its key counts, as a dispute can be lost twice."""
    dispute.times_booked += 1
    return ledger.Header(
        key=f"dispute:{dispute.pk}:{dispute.times_booked}:{event}",
        occurred_at=now,
        source_type="dispute",
        source_id=str(dispute.pk),
        actor=ACTOR,
        relates_to=dispute.purchase.transaction_id,
        fx_rate=dispute.purchase.fx_rate,
    )


def _find_or_make(purchase: Purchase, state: DisputeState, *, now: datetime) -> Dispute:
    # Under the lock of the purchase, so two who hear of it first make one row.
    found = Dispute.objects.filter(provider=purchase.provider, gateway_id=state.gateway_id).first()
    if found:
        dispute = lock(found.pk)
        dispute.purchase = purchase
        return dispute
    dispute = Dispute(
        purchase=purchase,
        provider=purchase.provider,
        gateway_id=state.gateway_id,
        # Also when it is decided by now: others are told of its beginning first, then of its end.
        status=Status.NEEDS_RESPONSE,
        is_inquiry=state.is_inquiry,
        currency=purchase.currency,
        amount_micros=state.amount.micros,
        tax_micros=_tax_in(purchase, state),
        reason=state.reason[:64],
        evidence_due_at=state.evidence_due_at,
        opened_at=state.opened_at or now,
    )
    dispute.save(force_insert=True)
    tell(dispute, "opened", now=now)
    return dispute


def _tax_in(purchase: Purchase, state: DisputeState) -> int:
    return sum(refund_amounts.taxes_left_in(purchase, state.amount.micros).values())


def _take_over(dispute: Dispute, state: DisputeState, *, now: datetime) -> None:
    status = status_of(state)
    if dispute.booked == Booked.NONE and state.amount.micros != dispute.amount_micros:
        # A bank may settle on another amount than it asked about; nothing was posted so far.
        dispute.amount_micros = state.amount.micros
        dispute.tax_micros = _tax_in(dispute.purchase, state)
    dispute.is_inquiry = state.is_inquiry
    dispute.evidence_due_at = state.evidence_due_at or dispute.evidence_due_at
    if status == dispute.status:
        return
    dispute.status = status
    dispute.closed_at = None if status in Dispute.OPEN else now
    if status not in Dispute.OPEN:
        tell(dispute, status.lower(), now=now)


def _hold(dispute: Dispute, *, now: datetime) -> None:
    _post(
        dispute,
        "opened",
        templates.dispute_opened(
            provider=dispute.provider, currency=dispute.currency, amount=dispute.amount_micros
        ),
        now=now,
    )
    failpoint("dispute.held")
    dispute.booked = Booked.HELD


def _move_lots(
    dispute: Dispute, readers: Iterable[CoinBalance], *, freeze: bool, now: datetime
) -> None:
    by = dispute.freezer
    changed = []
    for wallet in readers:
        lots = holds.unused_lots(purchase_id=dispute.purchase_id, wallet=wallet)
        move = holds.freeze if freeze else holds.release
        if move(wallet=wallet, lots=lots, by=by):
            changed.append(wallet)
    transaction_id = dispute.purchase.transaction_id
    assert transaction_id is not None, dispute.purchase
    outbox.emit_all(
        [
            wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)
            for wallet in changed
        ]
    )


def _book_fee(dispute: Dispute, state: DisputeState, *, now: datetime) -> None:
    for currency, rest in gateway_figures.fees_to_book(dispute, fees_of(state)):
        draft = templates.dispute_fee(provider=dispute.provider, currency=currency, fee=rest)
        _post(dispute, "fee", draft, now=now)


def _book_conversion(dispute: Dispute, settled: Money | None, *, now: datetime) -> None:
    is_out = dispute.booked != Booked.NONE
    for draft in gateway_figures.conversions_to_book(
        dispute,
        provider=dispute.provider,
        currency=dispute.currency,
        out=dispute.amount_micros * is_out,
        settled=settled,
    ):
        _post(dispute, "conversion", draft, now=now)


def _post(dispute: Dispute, event: str, draft: templates.Draft, *, now: datetime) -> None:
    ledger.post(draft, header(dispute, event, now=now))


def _plan(dispute: Dispute, *, now: datetime) -> None:
    if needs_settling(dispute):
        dispute.next_attempt_at = now
        enqueue(SETTLE_JOB, dispute_id=str(dispute.pk))
    elif dispute.status in Dispute.OPEN:
        dispute.next_attempt_at = now + backoff(max(dispute.attempts, 4))
    else:
        dispute.finish()


@atomic
def _plan_next(dispute_id: UUID, *, attempts: int, now: datetime) -> None:
    dispute = lock(dispute_id)
    if dispute.status in Dispute.OPEN or needs_settling(dispute):
        dispute.postpone(until=now + backoff(attempts))
    else:
        dispute.finish()
    dispute.save(update_fields=["next_attempt_at", "locked_until"])
