"""On what ground a reader may have unused coins paid back (rules.md, rule 41)."""

from datetime import datetime, timedelta

from legato_payments.lib.errors import Refused
from payments.models import CoinBalance, Policy, Purchase, Refund
from payments.queries import policies
from payments.services import wallets

WITHDRAWAL_COUNTRIES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
        *("IS", "LI", "NO", "GB"),
    }
)
"""Where a consumer may withdraw within 14 days: EU and EEA (Directive 2011/83/EU, article 9), UK
(Consumer Contracts Regulations 2013)."""


class MoneyRefundWindowOver(Refused):
    code = "money_refund_window_over"
    title = "The purchase is too old to be paid back on request; ask the support."


def window_of(purchase: Purchase, *, now: datetime) -> Refund.Kind:
    """On what ground a reader may ask for a purchase to be paid back now.

    Whether it was paid at all is for ``refunds`` to say.

    Raises:
        MoneyRefundWindowOver: On none any more.
        wallets.WalletBlocked: A lost dispute is not settled. The right of withdrawal stands anyway.
    """
    days = policies.value(Policy.Name.MONEY_REFUND_DAYS, on=now)
    paid_at = purchase.settled_at
    if paid_at and now > paid_at + timedelta(days=days):
        raise MoneyRefundWindowOver(window_days=days)
    kind = kind_of(purchase, now=now)
    blocked = CoinBalance.objects.filter(user_id=purchase.user_id).exclude(blocked_by="")
    if kind != Refund.Kind.WITHDRAWAL and blocked.exists():
        raise wallets.WalletBlocked
    return kind


def kind_of(purchase: Purchase, *, now: datetime) -> Refund.Kind:
    """Whether the right of withdrawal still stands (rules.md, rule 41).

    It ends early only where the reader asked for the coins at once, acknowledged that the right
    ends with it, and has the receipt; we send the receipt with the coins.
    """
    consent = purchase.consent or {}
    waived = bool(consent.get("immediate_delivery")) and bool(consent.get("acknowledged"))
    paid_at = purchase.settled_at
    in_time = paid_at is not None and now <= paid_at + timedelta(days=14)
    if purchase.country in WITHDRAWAL_COUNTRIES and in_time and not waived:
        return Refund.Kind.WITHDRAWAL
    return Refund.Kind.UNUSED
