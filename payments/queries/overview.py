"""Figures of the landing page. Amounts stand per currency; no two currencies are added."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from payments.models import CoinBalance, Purchase, WebhookEvent
from payments.queries import books


@dataclass(frozen=True, slots=True)
class Sales:
    """Settled purchases in one currency, micros; tax is part of ``paid_micros``."""

    currency: str
    purchases: int
    coins: int
    paid_micros: int
    fee_micros: int


@dataclass(frozen=True, slots=True)
class Work:
    """What waits: for a person, for a payment, for a job."""

    quarantined: int
    open_purchases: int
    failed_webhooks: int
    waiting_webhooks: int


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


def work() -> Work:
    """What is not finished."""
    webhooks = WebhookEvent.Status
    return Work(
        quarantined=quarantined(),
        open_purchases=Purchase.objects.open().count(),
        failed_webhooks=WebhookEvent.objects.filter(status=webhooks.FAILED).count(),
        waiting_webhooks=WebhookEvent.objects.filter(status=webhooks.RECEIVED).count(),
    )


def quarantined() -> int:
    """Purchases that a person has to decide."""
    return Purchase.objects.awaiting_finance().count()


def coin_float() -> Float:
    """Coins of all wallets, frozen ones included, and the account that owes their value."""
    held = CoinBalance.objects.aggregate(coins=Sum("coins", default=0), held=Sum("held", default=0))
    return Float(held["coins"] + held["held"], books.balance(code="coins_deferred", unit="USD"))
