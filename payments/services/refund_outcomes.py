"""What becomes of a money refund: paid, failed, or in need of a person.

Every way to the news of a refund ends here, in whatever order it comes.
"""

from datetime import datetime
from uuid import UUID

import structlog
from django.db.transaction import atomic

from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.money import Money
from payments import audit, ledger, outbox
from payments.gateways.values import Outcome, RefundState
from payments.ledger import balances, templates
from payments.ledger.reversals import lines_of
from payments.models import CoinBalance, Purchase, Refund
from payments.outbox import EventType
from payments.services import (
    attempts,
    gateway_figures,
    purchase_outcomes,
    refund_closings,
    wallets,
)

log = structlog.get_logger(__name__)

Status = Refund.Status
Word = Refund.Word

ACTOR = "system:refunds"


FINAL = {
    Outcome.SUCCEEDED: (Status.SUCCEEDED,),
    Outcome.FAILED: (Status.FAILED,),
    Outcome.CANCELLED: (Status.FAILED,),
}
"""Where both sides say the same, and it is over: what moved at the gateway stays."""


class RefundMismatch(Exception):
    """The gateway speaks of another refund than ours. A bug or a forgery; nothing was written."""


def apply(*, refund_id: UUID, state: RefundState, now: datetime) -> Refund:
    """Bring a refund to what the gateway says of it. Safe to call again, in any order.

    Raises:
        RefundMismatch: Its amount or reference is not ours.
    """
    refund = Refund.objects.get(pk=refund_id)
    due = Money(refund.amount_micros, refund.currency)
    if state.amount != due or (state.reference and state.reference != refund.reference):
        raise RefundMismatch(
            f"{state.gateway_id}: {state.amount} for {state.reference}, ours {due}"
        )
    attempts.resolve(
        object_type="refund", object_id=refund.pk, operation="refund", was_done=True, now=now
    )
    with atomic():
        refund = _bring(refund_id, state, now=now)
        book_figures(refund, state, now=now)
    return refund


def book_figures(refund: Refund, state: RefundState, *, now: datetime) -> None:
    """Book what the gateway kept and converted, once both say that it is paid, or that it failed.

    The refund is locked.
    """
    if refund.status not in FINAL.get(state.outcome, ()):
        return
    provider = refund.purchase.provider
    for currency, rest in gateway_figures.fees_to_book(refund, fees_of(state)):
        draft = templates.gateway_fee(provider=provider, currency=currency, fee=rest)
        _post_figure(refund, draft, "fee", now=now)
    for draft in gateway_figures.conversions_to_book(
        refund,
        provider=provider,
        currency=refund.currency,
        out=refund.amount_micros * (refund.status == Status.SUCCEEDED),
        settled=state.settled,
    ):
        _post_figure(refund, draft, "conversion", now=now)
    refund.save(update_fields=["fees", "settled", "converted_micros", "times_booked"])


def has_figures_left(refund: Refund, state: RefundState) -> bool:
    """Whether the next ``apply`` would book something that the gateway kept or converted."""
    is_final = refund.status in FINAL.get(state.outcome, ())
    return is_final and not gateway_figures.are_booked(
        refund, fees=fees_of(state), settled=state.settled
    )


def fees_of(state: RefundState) -> dict[str, int]:
    """What the gateway kept for it, micros by currency."""
    return {state.fee.currency: state.fee.micros} if state.fee else {}


def _bring(refund_id: UUID, state: RefundState, *, now: datetime) -> Refund:
    match state.outcome:
        case Outcome.SUCCEEDED:
            return succeed(refund_id=refund_id, gateway_id=state.gateway_id, now=now)
        case Outcome.FAILED | Outcome.CANCELLED:
            return fail(
                refund_id=refund_id, code=state.failure_code, gateway_id=state.gateway_id, now=now
            )
        case Outcome.ACTION_REQUIRED:
            return needs_attention(
                refund_id=refund_id, code="bank_details", gateway_id=state.gateway_id, now=now
            )
        case _:
            return _pending(refund_id, state.gateway_id)


@atomic
def succeed(*, refund_id: UUID, gateway_id: str, now: datetime) -> Refund:
    """The payer has the money: it is in flight no more."""
    purchase, refund = lock_both(refund_id)
    if refund.status == Status.CONTRADICTED:
        return say(refund_id=refund_id, word=Word.PAID, now=now)
    if refund.status == Status.SUCCEEDED:
        return refund
    if refund.status == Status.FAILED:
        return _contradict(refund, now=now)
    post_paid(refund, purchase, event="paid", now=now)
    failpoint("money_refund.paid")
    _close(refund, Status.SUCCEEDED, gateway_id=gateway_id, now=now)
    outbox.emit_all([refunded_event(refund, purchase, coins=refund.coins, now=now)])
    return refund


@atomic
def fail(*, refund_id: UUID, code: str, now: datetime, gateway_id: str = "") -> Refund:
    """The gateway could not pay it: the coins come back as new ones of the same value.

    A refund that had succeeded can still fail, days later: then the money came back, too.
    """
    user_id = Purchase.objects.values_list("user_id", flat=True).get(refunds=refund_id)
    wallet = balances.lock(user_id=user_id)
    purchase, refund = lock_both(refund_id)
    if refund.status == Status.CONTRADICTED:
        return say(refund_id=refund_id, word=Word.NOT_PAID, now=now)
    if refund.status == Status.FAILED:
        return refund
    closing = refund_closings.in_force(refund)
    if refund.status == Status.SUCCEEDED:
        event = f"returned:{closing.pk}" if closing else "returned"
        _post_returned(refund, purchase, event=event, now=now)
    if closing:
        transaction_id = refund_closings.undo(
            closing, refund=refund, purchase=purchase, wallet=wallet, now=now
        )
    else:
        transaction_id = _take_back(refund, purchase, wallet, now=now)
    failpoint("money_refund.failed")
    refund.failure_code = code or "failed"
    _close(refund, Status.FAILED, gateway_id=gateway_id, now=now)
    outbox.emit_all(
        [wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)]
    )
    return refund


@atomic
def needs_attention(*, refund_id: UUID, code: str, now: datetime, gateway_id: str = "") -> Refund:
    """A person has to do something, for example give the payer's bank details."""
    refund = lock(refund_id)
    if refund.status in (Status.REQUESTED, Status.PENDING):
        refund.status = Status.NEEDS_ATTENTION
        refund.gateway_id = gateway_id or refund.gateway_id
        refund.failure_code = code
        refund.save()
        _record(refund, "needs_attention", now=now)
    return refund


@atomic
def reopen(*, refund_id: UUID) -> Refund:
    """The gateway has never heard of it: it is to be asked for again."""
    refund = lock(refund_id)
    if refund.status in Refund.OPEN and not refund.gateway_id:
        refund.status = Status.REQUESTED
        refund.failure_code = ""
        refund.save(update_fields=["status", "failure_code"])
    return refund


@atomic
def say(*, refund_id: UUID, word: Refund.Word, now: datetime) -> Refund:
    """Keep what the gateway says last of a refund that it contradicts itself about."""
    refund = lock(refund_id)
    if refund.status == Status.CONTRADICTED:
        refund.last_word = word
        refund.last_word_at = now
        refund.save(update_fields=["last_word", "last_word_at"])
    return refund


def lock(refund_id: UUID) -> Refund:
    """Hold a refund until the transaction ends; its purchase, if needed, was locked before."""
    return Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)


def lock_both(refund_id: UUID) -> tuple[Purchase, Refund]:
    """Hold a refund and its purchase; the wallet, if needed, was locked before."""
    purchase_id = Refund.objects.values_list("purchase_id", flat=True).get(pk=refund_id)
    return purchase_outcomes.lock(purchase_id), lock(refund_id)


@atomic
def _pending(refund_id: UUID, gateway_id: str) -> Refund:
    refund = lock(refund_id)
    # Forward only: what is over is not pending again.
    if refund.status in (Status.REQUESTED, Status.NEEDS_ATTENTION):
        refund.status = Status.PENDING
        refund.gateway_id = gateway_id
        refund.failure_code = ""
        refund.save(update_fields=["status", "gateway_id", "failure_code"])
    return refund


def _contradict(refund: Refund, *, now: datetime) -> Refund:
    # The reader has coins and money. Who is right is not ours to say: finance looks at the gateway.
    log.error("refund_contradicted", refund_id=str(refund.pk))
    refund.status = Status.CONTRADICTED
    refund.last_word = Word.PAID
    refund.last_word_at = now
    refund.save(update_fields=["status", "last_word", "last_word_at"])
    _record(refund, "contradicted", now=now)
    return refund


def _close(refund: Refund, status: Refund.Status, *, gateway_id: str, now: datetime) -> None:
    refund.status = status
    refund.gateway_id = gateway_id or refund.gateway_id
    refund.completed_at = now
    refund.finish()
    refund.save()
    _record(refund, status.lower(), now=now)


def _header(refund: Refund, event: str, *, now: datetime) -> ledger.Header:
    return ledger.Header(
        key=f"refund:{refund.pk}:{event}",
        occurred_at=now,
        source_type="refund",
        source_id=str(refund.pk),
        actor=ACTOR,
        relates_to=refund.transaction_id,
    )


def post_paid(refund: Refund, purchase: Purchase, *, event: str, now: datetime) -> None:
    """The money in flight is the payer's; ``event`` makes the key."""
    ledger.post(
        templates.refund_paid(
            provider=purchase.provider, currency=refund.currency, amount=refund.amount_micros
        ),
        _header(refund, event, now=now),
    )


def _post_returned(refund: Refund, purchase: Purchase, *, event: str, now: datetime) -> None:
    ledger.post(
        templates.refund_returned(
            provider=purchase.provider, currency=refund.currency, amount=refund.amount_micros
        ),
        _header(refund, event, now=now),
    )


def _take_back(refund: Refund, purchase: Purchase, wallet: CoinBalance, *, now: datetime) -> UUID:
    """The request is undone: its coins come back."""
    transaction_id = ledger.post(
        templates.refund_failed(of=lines_of(refund.transaction)),
        _header(refund, "failed", now=now),
    )
    uses = refund.transaction.lot_uses.select_related("lot").order_by("lot_id")
    balances.restore(wallet=wallet, uses=list(uses), transaction_id=transaction_id, now=now)
    purchase.refunded_micros -= refund.amount_micros
    purchase.refunded_value_micros -= refund.value_micros
    purchase.save(update_fields=["refunded_micros", "refunded_value_micros"])
    return transaction_id


def _post_figure(refund: Refund, draft: templates.Draft, event: str, *, now: datetime) -> None:
    # Counted, as it may come in parts.
    refund.times_booked += 1
    ledger.post(draft, _header(refund, f"{event}:{refund.times_booked}", now=now))


def _record(refund: Refund, event: str, *, now: datetime) -> None:
    audit.record(
        actor=ACTOR,
        action=f"payments.refund.{event}",
        object_type="refund",
        object_id=refund.pk,
        now=now,
        after={"status": refund.status, "gateway_id": refund.gateway_id},
        reason=refund.failure_code,
    )


def refunded_event(
    refund: Refund, purchase: Purchase, *, coins: int, now: datetime
) -> outbox.Event:
    """What others are told when the payer has the money; ``coins`` went for it."""
    return outbox.Event(
        type=EventType.PURCHASE_REFUNDED,
        subject=purchase.user_id,
        payload={
            "transaction_id": str(purchase.pk),
            "refund_id": str(refund.pk),
            "user_id": purchase.user_id,
            "coins": coins,
            "money": Money(refund.amount_micros, refund.currency).to_json(),
            "is_whole": purchase.refunded_micros == purchase.total_micros,
        },
        occurred_at=now,
    )
