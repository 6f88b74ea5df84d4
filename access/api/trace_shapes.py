"""The answers of the trace, and what each kind of caller sees of them.

A reader sees the own chapters and who earned from them, not payouts, and nothing of another reader
who gave or got coins. A writer sees readers under pseudonyms. Services see all.
"""

from enum import Enum, auto
from typing import Any

from rest_framework import serializers

from access.queries import pseudonyms
from access.queries.sources import Source, SpendTrace
from access.queries.trace import Lot, PurchaseTrace, Share, Use
from legato_payments.lib.api.fields import EnumField, MoneyField, UtcDateTimeField, UuidField
from legato_payments.lib.money import Money
from payments.api.serializers import TRANSACTION_STATUSES
from payments.enums import BOOK_CURRENCY, LotOrigin, TransactionKind
from payments.models import LotUse, Purchase
from payments.queries.transactions import STATUSES, TYPES


class Viewer(Enum):
    """Who looks."""

    READER = auto()
    WRITER = auto()
    SERVICE = auto()


class TraceShareOutput(serializers.Serializer[Any]):
    """A writer's part, in US dollars, and the payout that paid it."""

    writer_id = serializers.CharField()
    amount = MoneyField()
    payout_id = UuidField(allow_null=True)


class TracedPurchaseOutput(serializers.Serializer[Any]):
    """What was paid. ``value`` is ``price`` in US dollars at ``rate`` per dollar."""

    id = UuidField()
    user_id = serializers.CharField()
    status = serializers.ChoiceField(choices=TRANSACTION_STATUSES)
    coins = serializers.IntegerField()
    price = MoneyField()
    total = MoneyField()
    rate = serializers.CharField(allow_null=True)
    value = MoneyField()
    gateway = serializers.CharField()
    created_at = UtcDateTimeField()
    settled_at = UtcDateTimeField(allow_null=True)


class TraceUseOutput(serializers.Serializer[Any]):
    """Coins ``from_coin`` (included) to ``to_coin`` (excluded) of a lot, used at once.

    ``moved_to`` names the lots the coins live on in, returned or given away; then ``shares`` are
    what the writers had before that.
    """

    kind = EnumField(LotUse.Kind)
    from_coin = serializers.IntegerField()
    to_coin = serializers.IntegerField()
    value = MoneyField()
    transaction_id = UuidField()
    content_id = serializers.CharField(allow_null=True)
    occurred_at = UtcDateTimeField()
    shares = TraceShareOutput(many=True)
    platform = MoneyField()
    moved_to = serializers.ListField(child=serializers.IntegerField())


class TraceLotOutput(serializers.Serializer[Any]):
    """Coins that arrived together. Of a lot given to another reader only the totals tell more."""

    lot_id = serializers.IntegerField()
    parent_id = serializers.IntegerField(allow_null=True)
    origin = EnumField(LotOrigin)
    coins = serializers.IntegerField()
    value = MoneyField()
    given_away = serializers.BooleanField()
    used = TraceUseOutput(many=True)
    remaining_coins = serializers.IntegerField(allow_null=True)
    remaining_value = MoneyField(allow_null=True)


class TraceTotalsOutput(serializers.Serializer[Any]):
    """Where the value is now, US dollars; together the purchase's ``value``.

    ``refunded`` is what the payer has again, by refunds and by disputes that were lost. Of the
    latter ``platform`` bears what was neither taken back from writers nor held in unused coins, so
    it can be below zero.
    """

    writers = MoneyField()
    platform = MoneyField()
    unspent = MoneyField()
    refunded = MoneyField()


class PurchaseTraceOutput(serializers.Serializer[Any]):
    """Where a payment went.

    ``tax`` is in the currency that was paid, ``fees`` in the one that the gateway took them in.
    """

    purchase = TracedPurchaseOutput()
    lots = TraceLotOutput(many=True)
    tax = MoneyField()
    fees = MoneyField(allow_null=True)
    totals = TraceTotalsOutput()


class TracedSpendOutput(serializers.Serializer[Any]):
    """A sale or a tip. To a writer, ``user_id`` is the reader's pseudonym."""

    id = UuidField()
    type = serializers.ChoiceField(choices=["content_purchase", "tip"])
    status = serializers.ChoiceField(choices=TRANSACTION_STATUSES)
    user_id = serializers.CharField()
    coins = serializers.IntegerField()
    content_id = serializers.CharField(allow_null=True)
    created_at = UtcDateTimeField()


class TraceSourceOutput(serializers.Serializer[Any]):
    """Coins of one lot, and the whole payment that they came from in the end."""

    lot_id = serializers.IntegerField()
    from_coin = serializers.IntegerField()
    to_coin = serializers.IntegerField()
    value = MoneyField()
    root_lot_id = serializers.IntegerField()
    origin = EnumField(LotOrigin)
    purchase_id = UuidField(allow_null=True)
    payer_id = serializers.CharField(allow_null=True)
    paid = MoneyField(allow_null=True)
    rate = serializers.CharField(allow_null=True)
    gateway = serializers.CharField(allow_null=True)


class SpendTraceOutput(serializers.Serializer[Any]):
    """Who paid for a sale or a tip."""

    transaction = TracedSpendOutput()
    value = MoneyField()
    shares = TraceShareOutput(many=True)
    platform = MoneyField()
    sources = TraceSourceOutput(many=True)


def show_purchase(found: PurchaseTrace, viewer: Viewer) -> dict[str, Any]:
    """As ``PurchaseTraceOutput``."""
    purchase, totals = found.purchase, found.totals
    return {
        "purchase": _purchase(purchase),
        "lots": [_lot(lot, found.user_id, viewer) for lot in found.lots],
        "tax": Money(purchase.tax_micros, purchase.currency),
        "fees": purchase.fee,
        "totals": {
            "writers": _usd(totals.writers_micros),
            "platform": _usd(totals.platform_micros),
            "unspent": _usd(totals.unspent_micros),
            "refunded": _usd(totals.refunded_micros),
        },
    }


def show_spend(found: SpendTrace, viewer: Viewer, *, subject: str) -> dict[str, Any]:
    """As ``SpendTraceOutput``; ``subject`` is the caller, whose pseudonyms a writer is shown."""
    transaction = found.transaction

    def name(user_id: str) -> str:
        if viewer is not Viewer.WRITER:
            return user_id
        return pseudonyms.of_reader(user_id=user_id, writer_id=subject)

    def source(part: Source) -> dict[str, Any]:
        payment = part.payment
        if viewer is Viewer.READER and payment and payment.payer_id != found.user_id:
            payment = None  # how another reader paid for a gift is nobody's business
        return {
            "lot_id": part.lot_id,
            "from_coin": part.from_coin,
            "to_coin": part.to_coin,
            "value": _usd(part.value_micros),
            "root_lot_id": part.root_lot_id,
            "origin": part.origin,
            "purchase_id": payment and payment.purchase_id,
            "payer_id": payment and name(payment.payer_id),
            "paid": payment and payment.paid,
            "rate": payment and _rate(payment.rate),
            "gateway": payment and payment.gateway,
        }

    return {
        "transaction": {
            "id": transaction.pk,
            "type": TYPES[TransactionKind(transaction.kind)],
            "status": "refunded" if found.is_reversed else "succeeded",
            "user_id": name(found.user_id),
            "coins": found.coins,
            "content_id": transaction.metadata.get("content_id"),
            "created_at": transaction.occurred_at,
        },
        "value": _usd(found.value_micros),
        "shares": [_share(share, viewer) for share in found.shares],
        "platform": _usd(found.platform_micros),
        "sources": [source(part) for part in found.sources],
    }


def _purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "id": purchase.pk,
        "user_id": purchase.user_id,
        "status": STATUSES[purchase.status],
        "coins": purchase.total_coins,
        "price": Money(purchase.price_micros, purchase.currency),
        "total": Money(purchase.total_micros, purchase.currency),
        "rate": _rate(purchase.fx_rate),
        "value": _usd(purchase.value_micros),
        "gateway": purchase.provider.lower(),
        "created_at": purchase.created_at,
        "settled_at": purchase.settled_at,
    }


def _lot(lot: Lot, owner_id: str, viewer: Viewer) -> dict[str, Any]:
    is_given = lot.user_id != owner_id
    is_hidden = is_given and viewer is Viewer.READER
    return {
        "lot_id": lot.lot_id,
        "parent_id": lot.parent_id,
        "origin": lot.origin,
        "coins": lot.coins,
        "value": _usd(lot.value_micros),
        "given_away": is_given,
        "used": [] if is_hidden else [_use(use, viewer) for use in lot.used],
        "remaining_coins": None if is_hidden else lot.remaining_coins,
        "remaining_value": None if is_hidden else _usd(lot.remaining_micros),
    }


def _use(use: Use, viewer: Viewer) -> dict[str, Any]:
    earned = use.kind in (LotUse.Kind.SPEND, LotUse.Kind.TIP)
    return {
        "kind": use.kind,
        "from_coin": use.from_coin,
        "to_coin": use.to_coin,
        "value": _usd(use.value_micros),
        "transaction_id": use.transaction_id,
        "content_id": use.content_id,
        "occurred_at": use.occurred_at,
        "shares": [_share(share, viewer) for share in use.shares],
        "platform": _usd(use.value_micros - use.writers_micros if earned else 0),
        "moved_to": use.moved_to,
    }


def _share(share: Share, viewer: Viewer) -> dict[str, Any]:
    return {
        "writer_id": share.writer_id,
        "amount": _usd(share.amount_micros),
        "payout_id": share.payout_id if viewer is not Viewer.READER else None,
    }


def _usd(micros: int) -> Money:
    return Money(micros, BOOK_CURRENCY)


def _rate(rate: Any) -> str | None:
    return f"{rate.normalize():f}" if rate is not None else None
