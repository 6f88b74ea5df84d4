"""Money refunds: unused coins go back to money, through the gateway that took it.

First the coins are taken and the money is put in flight, in one transaction; then the gateway is
asked, with a stored key and reference. What it says, whoever brings it, ends in
``refund_outcomes``. Nobody asks with another key: when the answer is lost, the refund is looked up
by our reference, and asked for again only when it certainly is not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Q
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import gateway_reference
from legato_payments.lib.jobs import backoff, enqueue
from legato_payments.lib.money import Money
from payments import audit, ledger, outbox
from payments.gateways import base, registry, values
from payments.ledger import Slice, balances, holds, templates
from payments.ledger.reversals import AlreadyReversed
from payments.models import CoinBalance, CoinLot, LotUse, Purchase, Refund
from payments.services import (
    attempts,
    purchase_outcomes,
    refund_amounts,
    refund_rights,
    wallets,
)
from payments.services import refund_outcomes as outcomes

log = structlog.get_logger(__name__)

Status = Refund.Status

POLL_LEASE = timedelta(minutes=5)
"""Longer than the slowest gateway takes: one without keys must not be asked twice at a time."""


class NothingToRefund(Conflict):
    code = "nothing_to_refund"
    title = "No coin of this purchase is left to be paid back."


class PurchaseNotPaid(Conflict):
    code = "purchase_not_paid"
    title = "This purchase was never paid, so there is nothing to pay back."


class PurchaseDisputed(Conflict):
    code = "purchase_disputed"
    title = "The payer's bank disputes this purchase; it decides what is paid back."


class AmountTooLarge(Refused):
    code = "amount_too_large"
    title = "More than this purchase can be paid back."


class AmountTooSmall(Refused):
    code = "amount_too_small"
    title = "Less than a single coin of this purchase is worth."


class CurrencyMismatch(Refused):
    code = "currency_mismatch"
    title = "A purchase is paid back in the currency it was paid in."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be paid back.

    Args:
        amount: Nothing: the worth of every unused coin.
        goodwill: Pay ``amount`` even if the unused coins are worth less. Finance only.
        approval_id: Of the proposal behind it, if there is one.
        gateway_id: Of a refund that was made at the gateway; it is written down, not asked for.
        reference: Of such a refund, when it was ours: we asked for it, and lost its row.
    """

    purchase_id: UUID
    reason: str
    actor: str
    amount: Money | None = None
    goodwill: bool = False
    approval_id: UUID | None = None
    gateway_id: str = ""
    reference: str = ""


def start(*, refund_id: UUID, request: Request, now: datetime) -> Refund:
    """Take the coins and ask the gateway for the money. Call it outside a transaction.

    The same ``refund_id`` again resumes, unless the gateway is being asked just now. An answer the
    gateway owes us does not fail the request: the refund stays REQUESTED, and the sweep finds out.

    Raises:
        As ``create``.
    """
    refund = Refund.objects.filter(pk=refund_id).first()
    if refund is None:
        refund = create(refund_id=refund_id, request=request, now=now)
    until = now + POLL_LEASE
    free = Refund.objects.filter(Q(locked_until__isnull=True) | Q(locked_until__lte=now))
    if not free.filter(pk=refund_id).update(locked_until=until):
        return refund
    try:
        return send(refund_id=refund_id, now=now)
    finally:
        Refund.objects.filter(pk=refund_id, locked_until=until).update(locked_until=None)


@atomic
def create(*, refund_id: UUID, request: Request, now: datetime) -> Refund:
    """Take the coins and put the money in flight; a job asks the gateway.

    Raises:
        PurchaseNotPaid, PurchaseDisputed, AlreadyReversed, NothingToRefund: It cannot be paid back.
        AmountTooLarge: The unused coins are worth less, or more would go back than was paid.
        AmountTooSmall: Not a single coin is worth so little.
        CurrencyMismatch: It was paid in another currency.
    """
    user_id = Purchase.objects.values_list("user_id", flat=True).get(pk=request.purchase_id)
    wallet = balances.lock(user_id=user_id)
    purchase = purchase_outcomes.lock(request.purchase_id)
    _check(purchase, request)
    lots = [
        lot
        for lot in holds.unused_lots(purchase_id=purchase.pk, wallet=wallet)
        if not lot.frozen_by
    ]
    worth, goodwill = _decide(purchase, lots, request)
    refund = _make(refund_id, purchase, worth, goodwill, request, now=now)
    _post(refund, purchase, worth, now=now)
    failpoint("money_refund.posted")
    holds.take(
        wallet=wallet,
        lots={lot.pk: lot for lot in lots},
        parts=worth.parts,
        kind=LotUse.Kind.REFUND,
        transaction_id=refund.transaction_id,
    )
    purchase.refunded_micros += refund.amount_micros
    purchase.refunded_value_micros += refund.value_micros
    purchase.save(update_fields=["refunded_micros", "refunded_value_micros"])
    refund.save(force_insert=True)
    _tell(refund, wallet, now=now)
    failpoint("money_refund.created")
    return refund


def send(*, refund_id: UUID, now: datetime) -> Refund:
    """Ask the gateway for a requested refund, with its stored key and reference.

    Does nothing when it was asked already and has answered. Call it outside a transaction.
    """
    refund = Refund.objects.select_related("purchase").get(pk=refund_id)
    if refund.status != Status.REQUESTED:
        return refund
    purchase = refund.purchase
    request = values.RefundRequest(
        reference=refund.reference,
        charge_reference=purchase.reference,
        payment_id=purchase.payment_id,
        amount=Money(refund.amount_micros, refund.currency),
        reason=refund.reason,
    )
    operation = attempts.Operation(
        provider=purchase.provider,
        name="refund",
        key=f"refund:{refund.pk}",
        reference=refund.reference,
        object_type="refund",
        object_id=str(refund.pk),
        request={"amount": request.amount.to_json(), "payment": request.payment_id},
    )
    try:
        gateway = registry.charge_gateway(purchase.provider)
        state = attempts.send(
            operation,
            lambda: gateway.refund(request, key=operation.key, now=now),
            now=now,
        )
    except base.Declined as error:
        return outcomes.fail(refund_id=refund.pk, code=error.code, now=now)
    except (base.InvalidRequest, base.AuthenticationFailed) as error:
        # A setting or a bug of ours: finance sees it, and the sweep asks again.
        log.exception("refund_not_accepted", refund_id=str(refund.pk))
        return outcomes.needs_attention(refund_id=refund.pk, code=error.code, now=now)
    except base.GatewayError as error:
        log.warning("refund_not_answered", refund_id=str(refund.pk), error=repr(error))
        return refund
    return outcomes.apply(refund_id=refund.pk, state=state, now=now)


def poll(*, refund_id: UUID, now: datetime) -> None:
    """Find out how an open refund stands, and ask again for one that never arrived.

    Does nothing when it is not due or another worker has it.
    """
    try:
        find_out(refund_id=refund_id, now=now)
    except base.GatewayError as error:
        log.warning("refund_poll_failed", refund_id=str(refund_id), error=repr(error))


def find_out(*, refund_id: UUID, now: datetime) -> None:
    """The same for somebody who waits for the answer.

    Raises:
        base.GatewayError: The gateway does not say how it stands; it is asked again later.
    """
    refund = Refund.objects.select_related("purchase").claim(
        pk=refund_id, now=now, lease=POLL_LEASE
    )
    if refund is None:
        return
    try:
        if refund.status in Refund.OPEN:
            _ask(refund, now=now)
    except base.GatewayError:
        _plan_next(refund, now=now)
        raise
    _plan_next(refund, now=now)


def read_again(*, refund_id: UUID, now: datetime) -> None:
    """Look at the gateway how a refund stands, also one that is over: it may have failed since.

    Raises:
        base.GatewayError: No answer.
    """
    _ask(Refund.objects.select_related("purchase").get(pk=refund_id), now=now)


def preview(*, purchase: Purchase, amount: Money | None) -> tuple[refund_amounts.Worth, Money]:
    """What finance would pay back now: coins and the money for them, and goodwill beyond.

    Args:
        amount: Nothing: the worth of every unused coin.

    Raises:
        As ``create``; nothing changes.
    """
    request = Request(
        purchase_id=purchase.pk, reason="", actor="", amount=amount, goodwill=amount is not None
    )
    _check(purchase, request)
    worth, goodwill = _decide(purchase, list(_own_unused(purchase)), request)
    return worth, Money(goodwill, purchase.currency)


def goodwill_in(purchase: Purchase, amount: Money | None) -> Money:
    """How much of ``amount`` the unused coins of a purchase are not worth, as things are now."""
    if amount is None or amount.currency != purchase.currency:
        return Money(0, purchase.currency)
    worth = worth_now(purchase)
    return Money(max(amount.micros - worth.money.micros, 0), purchase.currency)


def worth_now(purchase: Purchase) -> refund_amounts.Worth:
    """What the unused coins of a purchase would come to now; nothing changes."""
    parts = [balances.rest_of(lot) for lot in _own_unused(purchase)]
    return refund_amounts.worth_of(purchase, parts)


def _own_unused(purchase: Purchase) -> Iterable[CoinLot]:
    """Lots of the purchase in its buyer's wallet that hold coins; none is locked."""
    lots = CoinLot.objects.filter(
        purchase=purchase, wallet__user_id=purchase.user_id, is_used_up=False, frozen_by=""
    )
    return lots.order_by("pk")


def _check(purchase: Purchase, request: Request) -> None:
    if purchase.status != Purchase.Status.SUCCEEDED:
        raise PurchaseNotPaid
    if purchase.refunded_micros >= purchase.total_micros:
        raise AlreadyReversed
    # What happened at the gateway happened, disputed or not.
    if not request.gateway_id and purchase.disputes.in_the_way().exists():
        raise PurchaseDisputed
    amount = request.amount
    if amount is None:
        return
    if amount.currency != purchase.currency:
        raise CurrencyMismatch(f"It was paid in {purchase.currency}.", currency=purchase.currency)
    left = Money(purchase.total_micros - purchase.refunded_micros, purchase.currency)
    if amount.micros > left.micros:
        raise AmountTooLarge(f"At most {left} can go back.", refundable=left.to_json())


def _decide(
    purchase: Purchase, lots: Sequence[CoinLot], request: Request
) -> tuple[refund_amounts.Worth, int]:
    """Which coins go, and how much goodwill is added to what they are worth."""
    everything = refund_amounts.worth_of(purchase, [balances.rest_of(lot) for lot in lots])
    amount = request.amount
    if amount is None:
        if not everything.money.micros:
            raise NothingToRefund
        return everything, 0
    if amount.micros > everything.money.micros:
        if not request.goodwill:
            raise AmountTooLarge(
                f"The unused coins are worth {everything.money}.",
                refundable=everything.money.to_json(),
            )
        return everything, amount.floor_to_minor().micros - everything.money.micros
    most = refund_amounts.value_for(purchase, amount)
    worth = refund_amounts.worth_of(purchase, _fitting(lots, most, everything))
    rest = amount.floor_to_minor().micros - worth.money.micros
    if request.goodwill:
        return worth, rest
    if not worth.money.micros:
        raise AmountTooSmall
    return worth, 0


def _fitting(
    lots: Sequence[CoinLot], most: int, everything: refund_amounts.Worth
) -> Sequence[Slice]:
    if most >= everything.value_micros:
        return everything.parts
    return holds.worth_at_most(lots, most)


def _make(
    refund_id: UUID,
    purchase: Purchase,
    worth: refund_amounts.Worth,
    goodwill: int,
    request: Request,
    *,
    now: datetime,
) -> Refund:
    kind = Refund.Kind.GATEWAY if request.gateway_id else refund_rights.kind_of(purchase, now=now)
    return Refund(
        id=refund_id,
        purchase=purchase,
        kind=Refund.Kind.GOODWILL if goodwill and not request.gateway_id else kind,
        currency=purchase.currency,
        amount_micros=worth.money.micros + goodwill,
        tax_micros=worth.tax_micros,
        goodwill_micros=goodwill,
        coins=worth.coins,
        value_micros=worth.value_micros,
        reason=request.reason[:200],
        requested_by=request.actor,
        approval_id=request.approval_id,
        reference=request.reference or gateway_reference(),
        gateway_id=request.gateway_id,
        status=Status.PENDING if request.gateway_id else Status.REQUESTED,
        requested_at=now,
        transaction_id=refund_id,
        next_attempt_at=now + backoff(1),
    )


def _post(
    refund: Refund, purchase: Purchase, worth: refund_amounts.Worth, *, now: datetime
) -> None:
    ledger.post(
        templates.money_refund(
            user_id=purchase.user_id,
            coins=refund.coins,
            currency=refund.currency,
            price=refund.amount_micros - refund.tax_micros - refund.goodwill_micros,
            taxes=worth.taxes,
            value=refund.value_micros,
            goodwill=refund.goodwill_micros,
            goodwill_value=refund_amounts.in_book_currency(purchase, refund.goodwill_micros),
        ),
        ledger.Header(
            id=refund.pk,
            key=f"refund:{refund.pk}:request",
            occurred_at=now,
            source_type="refund",
            source_id=str(refund.pk),
            actor=refund.requested_by,
            relates_to=purchase.transaction_id,
            fx_rate=purchase.fx_rate,
            memo=refund.reason,
        ),
    )


def _tell(refund: Refund, wallet: CoinBalance, *, now: datetime) -> None:
    audit.record(
        actor=refund.requested_by,
        action="payments.refund.requested",
        object_type="refund",
        object_id=refund.pk,
        now=now,
        after={
            "purchase_id": str(refund.purchase_id),
            "money": Money(refund.amount_micros, refund.currency).to_json(),
            "goodwill": Money(refund.goodwill_micros, refund.currency).to_json(),
            "coins": refund.coins,
            "kind": refund.kind,
        },
        reason=refund.reason,
    )
    outbox.emit_all(
        [wallets.changed_event(wallet=wallet, transaction_id=refund.pk, occurred_at=now)]
    )
    enqueue("payments.poll_refund", refund_id=str(refund.pk))


def _ask(refund: Refund, *, now: datetime) -> None:
    purchase = refund.purchase
    gateway = registry.charge_gateway(purchase.provider)
    state = gateway.get_refund(
        reference=refund.reference,
        payment_id=purchase.payment_id,
        charge_reference=purchase.reference,
        gateway_id=refund.gateway_id,
        since=refund.requested_at,
    )
    if state is not None:
        outcomes.apply(refund_id=refund.pk, state=state, now=now)
    elif not refund.gateway_id:
        # Certainly not there: the same key and reference once more.
        outcomes.reopen(refund_id=refund.pk)
        send(refund_id=refund.pk, now=now)


@atomic
def _plan_next(refund: Refund, *, now: datetime) -> None:
    row = outcomes.lock(refund.pk)
    if row.status in Refund.OPEN:
        row.postpone(until=now + backoff(refund.attempts))
        row.save(update_fields=["next_attempt_at", "locked_until"])
