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
from payments.gateways.base import ChargeState
from payments.ledger import balances, templates
from payments.models import CoinBalance, CoinLot, Purchase
from payments.outbox import EventType
from payments.services import wallets

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
        return purchase
    if mismatch := _mismatch(purchase, state):
        return _quarantine(purchase, mismatch, now=now)

    failpoint("settle.locked")
    _post(purchase, wallet, state, now=now)
    failpoint("settle.posted")
    purchase.status = Status.SUCCEEDED
    purchase.settled_at = now
    purchase.transaction_id = purchase.pk
    purchase.gateway_id = state.gateway_id
    purchase.failure_code = ""
    purchase.quarantine_reason = ""
    purchase.fee_micros = state.fee.micros if state.fee else None
    purchase.action = None
    purchase.finish()
    purchase.save()
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
    ledger.post(
        templates.coin_purchase(
            user_id=purchase.user_id,
            coins=purchase.total_coins,
            provider=purchase.provider,
            currency=purchase.currency,
            price=purchase.price_micros,
            tax=purchase.tax_micros,
            value=purchase.value_micros,
            jurisdiction=purchase.country or "ZZ",
        ),
        header,
    )
    lot = CoinLot(
        origin=LotOrigin.PURCHASE,
        is_purchased=True,
        coins=purchase.total_coins,
        value_micros=purchase.value_micros,
        fee_micros=state.fee.micros if state.fee else None,
        paid_micros=purchase.total_micros,
        paid_unit=purchase.currency,
        purchase=purchase,
        transaction_id=purchase.pk,
        priority=CoinLot.PAID_PRIORITY,
        created_at=now,
    )
    balances.issue(wallet=wallet, lot=lot, bonus_coins=purchase.bonus_coins)
    if state.fee and state.fee.micros:
        _post_fee(purchase, state.fee, occurred_at=header.occurred_at)


def _post_fee(purchase: Purchase, fee: Money, *, occurred_at: datetime) -> None:
    ledger.post(
        templates.gateway_fee(provider=purchase.provider, currency=fee.currency, fee=fee.micros),
        ledger.Header(
            key=f"purchase:{purchase.pk}:fee",
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
    details = {"bonus_coins": purchase.bonus_coins, "tax": tax.to_json()}
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
            "coins": purchase.total_coins,
            "total": Money(purchase.total_micros, purchase.currency).to_json(),
            "gateway": purchase.provider.lower(),
            **details,
        },
        occurred_at=now,
    )
