"""What a reader holds."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Sum

from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from payments.models import CoinBalance, CoinLot, Customer
from payments.queries import packages


@dataclass(frozen=True, slots=True)
class Expiring:
    """Promotional coins that end at a time."""

    coins: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """A reader's coins: ``coins`` can be spent, ``held_coins`` are frozen besides them."""

    user_id: str
    coins: int
    purchased_coins: int
    promo_coins: int
    held_coins: int
    money_equivalent: Money | None
    expiring: list[Expiring]
    lifetime: dict[str, int]


LIFETIME = ("purchased", "bonus", "spent", "tipped", "received", "refunded", "expired")


def balance(*, user_id: str, now: datetime) -> Balance:
    """A reader's balance; all zero for one who never had coins.

    Coins past their expiry no longer count, though the nightly sweep has not taken them yet.
    """
    wallet = CoinBalance.objects.filter(user_id=user_id).first() or CoinBalance(user_id=user_id)
    expiring = _expiring(wallet) if wallet.promo else []
    gone = sum(lot.coins for lot in expiring if lot.expires_at <= now)
    coins = wallet.coins - gone
    coin_price = packages.coin_price(currency_of(user_id=user_id))
    return Balance(
        user_id=user_id,
        coins=coins,
        purchased_coins=wallet.purchased,
        promo_coins=wallet.promo - gone,
        held_coins=wallet.held,
        money_equivalent=coin_price.of(coins) if coin_price else None,
        expiring=[lot for lot in expiring if lot.expires_at > now],
        lifetime={name: getattr(wallet, f"lifetime_{name}") for name in LIFETIME},
    )


def currency_of(*, user_id: str) -> str:
    """The currency a reader thinks in: of the profile, else US dollars."""
    currency = Customer.objects.filter(pk=user_id).values_list("currency", flat=True).first()
    return currency or BOOK_CURRENCY


def _expiring(wallet: CoinBalance) -> list[Expiring]:
    rows = (
        CoinLot.objects.filter(
            wallet=wallet, is_used_up=False, frozen_by="", expires_at__isnull=False
        )
        .values("expires_at")
        .annotate(left=Sum(F("coins") - F("next_coin")))
        .order_by("expires_at")
    )
    return [Expiring(row["left"], row["expires_at"]) for row in rows if row["expires_at"]]
