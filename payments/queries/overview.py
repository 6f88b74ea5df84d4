"""Figures of the landing page. Amounts stand per currency; no two currencies are added."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from payments.models import Account, CoinBalance, Purchase, WebhookEvent
from payments.queries import statements


@dataclass(frozen=True, slots=True)
class Sales:
    """Settled purchases in one currency, micros; tax is part of ``paid_micros``."""

    currency: str
    purchases: int
    coins: int
    paid_micros: int
    fee_micros: int


@dataclass(frozen=True, slots=True)
class PurchasesToDo:
    """Purchases that wait for a person, and those that wait for a payment."""

    quarantined: int
    awaiting_payment: int


@dataclass(frozen=True, slots=True)
class WebhooksToDo:
    """Deliveries that were given up, and those that wait for a job."""

    failed: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Float:
    """Coins that readers hold, and what we owe for them in USD micros."""

    coins: int
    deferred_micros: int


def sales(*, since: datetime) -> list[Sales]:
    """Purchases settled since a time, by currency."""
    rows = (
        Purchase.objects.filter(status=Purchase.Status.SUCCEEDED, settled_at__gte=since)
        .values("currency")
        .annotate(
            number=Count("id"),
            all_coins=Sum("coins") + Sum("bonus_coins"),
            paid=Sum("price_micros") + Sum("tax_micros"),
            fees=Sum("fee_micros", default=0),
        )
        .order_by("currency")
    )
    return [
        Sales(row["currency"], row["number"], row["all_coins"], row["paid"], row["fees"])
        for row in rows
    ]


def purchases_to_do() -> PurchasesToDo:
    """Purchases that are not finished."""
    return PurchasesToDo(quarantined(), Purchase.objects.open().count())


def webhooks_to_do() -> WebhooksToDo:
    """Deliveries that are not finished."""
    status = WebhookEvent.Status
    return WebhooksToDo(
        failed=WebhookEvent.objects.filter(status=status.FAILED).count(),
        waiting=WebhookEvent.objects.filter(status=status.RECEIVED).count(),
    )


def quarantined() -> int:
    """Purchases that a person has to decide."""
    return Purchase.objects.awaiting_finance().count()


def coin_float() -> Float:
    """Coins of all wallets, frozen ones included, and the account that owes their value."""
    held = CoinBalance.objects.aggregate(coins=Sum("coins", default=0), held=Sum("held", default=0))
    deferred = statements.balances(Account.objects.filter(code="coins_deferred", unit="USD"))
    return Float(held["coins"] + held["held"], sum(deferred.values()))
