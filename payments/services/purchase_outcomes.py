"""What becomes of a purchase: settled, failed, expired, or quarantined.

Every way to the news of a payment ends here, so the same payment is credited once.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import structlog
from django.db.transaction import atomic

from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.metrics import COIN_PURCHASES
from legato_payments.lib.money import Money
from payments import audit, ledger, outbox
from payments.enums import LotOrigin
from payments.gateways.values import ChargeState
from payments.ledger import balances, templates
from payments.models import CoinBalance, CoinLot, Purchase
from payments.outbox import EventType
from payments.services import debts, payment_methods, taxes, wallets

log = structlog.get_logger(__name__)

Status = Purchase.Status


@atomic
def settle(*, purchase_id: UUID, state: ChargeState, now: datetime) -> Purchase:
    """Credit the coins of a captured payment, exactly once.

    Returns:
        The purchase: settled now, settled before, or quarantined.
    """
    user_id = Purchase.objects.values_list("user_id", flat=True).get(pk=purchase_id)
    wallet = balances.lock(user_id=user_id)
    purchase = lock(purchase_id)
    if purchase.status == Status.SUCCEEDED:
        return _complete(purchase, state, now=now)
    if mismatch := _mismatch(purchase, state):
        return _quarantine(purchase, mismatch, now=now)

    failpoint("settle.locked")
    _post(purchase, wallet, state, now=now)
    failpoint("settle.posted")
    purchase.status = Status.SUCCEEDED
    purchase.settled_at = now
    purchase.transaction_id = purchase.pk
    purchase.gateway_id = state.gateway_id
    purchase.payment_id = state.payment_id or state.gateway_id
    purchase.failure_code = ""
    purchase.quarantine_reason = ""
    purchase.action = None
    purchase.finish()
    purchase.save()
    payment_methods.keep(purchase, state.method, now=now)
    _tell(purchase, "payments.purchase.settled", now=now)
    changed = wallets.changed_event(wallet=wallet, transaction_id=purchase.pk, occurred_at=now)
    outbox.emit_all([_settled_event(purchase, now=now), changed])
    return purchase


@atomic
def fail(purchase_id: UUID, code: str, *, now: datetime) -> Purchase:
    """Give up an open purchase whose payment was refused; ``code`` is the gateway's."""
    purchase = lock(purchase_id)
    if purchase.status in Purchase.OPEN:
        purchase.status = Status.FAILED
        purchase.failure_code = code or "failed"
        purchase.action = None
        purchase.finish()
        purchase.save()
        _tell(purchase, "payments.purchase.failed", now=now)
        outbox.emit_all([_failed_event(purchase, "failed", now=now)])
    return purchase


@atomic
def expire(purchase_id: UUID, *, now: datetime) -> Purchase:
    """Give up an open purchase that nobody can pay any more."""
    purchase = lock(purchase_id)
    if purchase.status in Purchase.OPEN:
        purchase.status = Status.EXPIRED
        purchase.action = None
        purchase.finish()
        purchase.save()
        _tell(purchase, "payments.purchase.expired", now=now)
        outbox.emit_all([_failed_event(purchase, "expired", now=now)])
    return purchase


def lock(purchase_id: UUID) -> Purchase:
    """Hold a purchase until the transaction ends; the wallet, if needed, was locked before."""
    return Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)


def _complete(purchase: Purchase, state: ChargeState, *, now: datetime) -> Purchase:
    """What the gateway tells only later of a payment that is settled: its fee, above all."""
    payment_methods.keep(purchase, state.method, now=now)
    if purchase.fee_micros is None and state.fee:
        _post_fee(purchase, state, occurred_at=now)
        purchase.save(update_fields=["fee_micros", "fee_currency"])
    if not purchase.payment_id and state.payment_id:
        purchase.payment_id = state.payment_id
        purchase.save(update_fields=["payment_id"])
    return purchase


def _mismatch(purchase: Purchase, state: ChargeState) -> str:
    due = Money(purchase.total_micros, purchase.currency)
    if state.reference != purchase.reference:
        return f"The payment is for {state.reference}, ours is {purchase.reference}."
    if state.amount != due:
        return f"{state.amount} was paid, {due} was due."
    if purchase.gateway_id and state.gateway_id != purchase.gateway_id:
        return f"The payment is {state.gateway_id}, we opened {purchase.gateway_id}."
    return ""


def _quarantine(purchase: Purchase, reason: str, *, now: datetime) -> Purchase:
    if purchase.status == Status.QUARANTINED and purchase.quarantine_reason == reason:
        return purchase
    purchase.status = Status.QUARANTINED
    purchase.quarantine_reason = reason
    purchase.finish()
    purchase.save()
    log.error("purchase_quarantined", purchase_id=str(purchase.pk), reason=reason)
    _tell(purchase, "payments.purchase.quarantined", now=now, reason=reason)
    return purchase


def _post(purchase: Purchase, wallet: CoinBalance, state: ChargeState, *, now: datetime) -> None:
    header = ledger.Header(
        id=purchase.pk,
        key=f"purchase:{purchase.pk}:settle",
        occurred_at=state.occurred_at or now,
        source_type="purchase",
        source_id=str(purchase.pk),
        actor="system:settle",
        fx_rate=purchase.fx_rate,
    )
    debt = min(wallet.debt_micros, purchase.value_micros)
    credited = _credited(purchase, debt)
    ledger.post(
        templates.coin_purchase(
            user_id=purchase.user_id,
            coins=credited,
            provider=purchase.provider,
            currency=purchase.currency,
            price=purchase.price_micros,
            taxes=taxes.owed(purchase),
            value=purchase.value_micros,
            debt=debt,
        ),
        header,
    )
    purchase.debt_micros = debt
    purchase.debt_coins = purchase.total_coins - credited
    debts.pay(wallet=wallet, purchase=purchase, now=now)
    if credited:
        _issue(purchase, wallet, state, now=now)
    else:
        wallet.save()
    if state.fee:
        _post_fee(purchase, state, occurred_at=header.occurred_at)


def _credited(purchase: Purchase, debt: int) -> int:
    """The coins for what the reader's debt leaves of the price (ledger.md, section 4, row 13)."""
    rest = purchase.value_micros - debt
    coins = purchase.total_coins * rest // purchase.value_micros
    # A rest worth less than a coin still belongs to the reader.
    return max(coins, 1) if rest else 0


def _issue(purchase: Purchase, wallet: CoinBalance, state: ChargeState, *, now: datetime) -> None:
    fee = state.fee
    lot = CoinLot(
        origin=LotOrigin.PURCHASE,
        is_purchased=True,
        coins=purchase.credited_coins,
        value_micros=purchase.value_micros - purchase.debt_micros,
        fee_micros=fee.micros if fee and fee.currency == purchase.currency else None,
        paid_micros=purchase.total_micros,
        paid_unit=purchase.currency,
        purchase=purchase,
        transaction_id=purchase.pk,
        priority=CoinLot.PAID_PRIORITY,
        created_at=now,
    )
    bonus = min(purchase.bonus_coins, purchase.credited_coins)
    balances.issue(wallet=wallet, lot=lot, bonus_coins=bonus)


def _post_fee(purchase: Purchase, state: ChargeState, *, occurred_at: datetime) -> None:
    """Book what the gateway kept, and what it converted, by its own figures."""
    fee, settled = state.fee, state.settled
    assert fee is not None
    if settled and settled.currency != purchase.currency:
        _post_more(
            purchase,
            "conversion",
            templates.conversion(
                provider=purchase.provider,
                currency=purchase.currency,
                amount=purchase.total_micros,
                settled_currency=settled.currency,
                settled=settled.micros,
            ),
            occurred_at=occurred_at,
        )
    if fee.micros:
        _post_more(
            purchase,
            "fee",
            templates.gateway_fee(
                provider=purchase.provider, currency=fee.currency, fee=fee.micros
            ),
            occurred_at=occurred_at,
        )
    purchase.fee_micros = fee.micros
    purchase.fee_currency = fee.currency


def _post_more(
    purchase: Purchase, event: str, draft: templates.Draft, *, occurred_at: datetime
) -> None:
    ledger.post(
        draft,
        ledger.Header(
            key=f"purchase:{purchase.pk}:{event}",
            occurred_at=occurred_at,
            source_type="purchase",
            source_id=str(purchase.pk),
            actor="system:settle",
            relates_to=purchase.pk,
        ),
    )


def _tell(purchase: Purchase, action: str, *, now: datetime, reason: str = "") -> None:
    audit.record(
        actor="system:settle",
        action=action,
        object_type="purchase",
        object_id=purchase.pk,
        now=now,
        after={
            "status": purchase.status,
            "user_id": purchase.user_id,
            "coins": purchase.total_coins,
            "total": Money(purchase.total_micros, purchase.currency).to_json(),
            "reference": purchase.reference,
        },
        reason=reason,
    )
    COIN_PURCHASES.labels(
        gateway=purchase.provider.lower(),
        currency=purchase.currency,
        status=purchase.status.lower(),
    ).inc()


def _settled_event(purchase: Purchase, *, now: datetime) -> outbox.Event:
    tax = Money(purchase.tax_micros, purchase.currency)
    bonus = min(purchase.bonus_coins, purchase.credited_coins)
    details = {"bonus_coins": bonus, "tax": tax.to_json()}
    return _event(purchase, EventType.PURCHASE_SETTLED, details, now=now)


def _failed_event(purchase: Purchase, reason: str, *, now: datetime) -> outbox.Event:
    # Not the gateway's code: what is wrong with somebody's card is nobody's business.
    return _event(purchase, EventType.PURCHASE_FAILED, {"reason": reason}, now=now)


def _event(
    purchase: Purchase, kind: EventType, details: Mapping[str, object], *, now: datetime
) -> outbox.Event:
    return outbox.Event(
        type=kind,
        subject=purchase.user_id,
        payload={
            "transaction_id": str(purchase.pk),
            "user_id": purchase.user_id,
            "coins": purchase.credited_coins,
            "total": Money(purchase.total_micros, purchase.currency).to_json(),
            "gateway": purchase.provider.lower(),
            **details,
        },
        occurred_at=now,
    )
