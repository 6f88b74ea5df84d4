"""Figures of the landing page. Amounts stand per currency; no two currencies are added."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Abs

from legato_payments.lib.money import Money
from payments.models import (
    Account,
    Attempt,
    CoinBalance,
    Difference,
    Dispute,
    Purchase,
    Refund,
    WebhookEvent,
)
from payments.queries import statements

DUE_SOON = timedelta(hours=72)
"""A dispute whose evidence is due so soon is somebody's work of today."""


@dataclass(frozen=True, slots=True)
class Sales:
    """Settled purchases in one currency; tax is part of ``paid_micros``.

    Args:
        fees: What gateways kept, an amount for each currency they took it in.
    """

    currency: str
    purchases: int
    coins: int
    paid_micros: int
    fees: tuple[Money, ...]


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
class DifferencesToDo:
    """Open differences from gateways, and what they are about in micros by currency, unsigned."""

    open: int
    long_open: int
    gap_micros: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Float:
    """Coins that readers hold, and what we owe for them in USD micros."""

    coins: int
    deferred_micros: int


def sales(*, since: datetime) -> list[Sales]:
    """Purchases settled since a time, by currency."""
    settled = Purchase.objects.filter(status=Purchase.Status.SUCCEEDED, settled_at__gte=since)
    fees = _fees(settled)
    rows = (
        settled.values("currency")
        .annotate(
            number=Count("id"),
            all_coins=Sum("coins") + Sum("bonus_coins"),
            paid=Sum("price_micros") + Sum("tax_micros"),
        )
        .order_by("currency")
    )
    return [
        Sales(
            row["currency"],
            row["number"],
            row["all_coins"],
            row["paid"],
            tuple(fees.get(row["currency"], ())),
        )
        for row in rows
    ]


def _fees(settled: QuerySet[Purchase]) -> dict[str, list[Money]]:
    """Fees by the currency of the purchases; a gateway may take them in another one."""
    rows = (
        settled.filter(fee_micros__isnull=False)
        .values("currency", "fee_currency")
        .annotate(fees=Sum("fee_micros"))
        .order_by("currency", "fee_currency")
    )
    found: dict[str, list[Money]] = {}
    for row in rows:
        fee = Money(row["fees"], row["fee_currency"] or row["currency"])
        found.setdefault(row["currency"], []).append(fee)
    return found


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


def refunds_to_look_at() -> int:
    """Refunds that a person has to do something about."""
    return Refund.objects.awaiting_finance().count()


def refunds_open() -> int:
    """Refunds whose outcome is not known yet."""
    return Refund.objects.open().count()


def disputes_due(*, now: datetime) -> int:
    """Disputes that wait for evidence which is due soon, or is late."""
    return Dispute.objects.due_before(now + DUE_SOON).count()


def disputes_open() -> int:
    """Disputes that are not decided yet."""
    return Dispute.objects.open().count()


def outcomes_to_look_at(*, now: datetime) -> int:
    """Calls to gateways whose outcome has been unknown for too long."""
    return Attempt.objects.awaiting_finance(now).count()


def differences() -> int:
    """Differences from gateways that nobody has closed."""
    return Difference.objects.open().count()


def differences_to_do(*, now: datetime) -> DifferencesToDo:
    """The same in full."""
    found = Difference.objects.open()
    sums = found.exclude(gap_micros=None).values("currency").order_by("currency")
    return DifferencesToDo(
        open=found.count(),
        long_open=found.long_open(now).count(),
        gap_micros=dict(sums.annotate(sum=Sum(Abs("gap_micros"))).values_list("currency", "sum")),
    )


def coin_float() -> Float:
    """Coins of all wallets, frozen ones included, and the account that owes their value."""
    held = CoinBalance.objects.aggregate(coins=Sum("coins", default=0), held=Sum("held", default=0))
    deferred = statements.balances(Account.objects.filter(code="coins_deferred", unit="USD"))
    return Float(held["coins"] + held["held"], sum(deferred.values()))
