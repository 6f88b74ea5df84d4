"""What a purchase costs: the price comes from here, never from a client."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from legato_payments.lib.errors import Missing, Refused
from legato_payments.lib.money import Money, divide_down
from payments.enums import BOOK_CURRENCY
from payments.gateways.tax.base import Assessment, Place
from payments.models import CoinPackageVersion, Policy
from payments.queries import packages as package_queries
from payments.queries import policies
from payments.services import currency_rates, packages, taxes

NOWHERE = Place()


class PackageUnavailable(Missing):
    """No package with this id is on sale."""

    title = "There is no such package on sale."


class BelowMinimum(Refused):
    code = "below_minimum"
    title = "The amount is below what the payment gateway takes."


class TooManyCoins(Refused):
    code = "too_many_coins"
    title = "This is more than one top-up may hold."


@dataclass(frozen=True, slots=True)
class Quote:
    """The terms of one purchase.

    Args:
        price: Before tax.
        value_micros: The price in USD micros, what the coins will be worth.
        fx_rate: Units of the currency per US dollar; nothing for US dollars.
        assessment: The tax on it, and what it comes to.
    """

    version: CoinPackageVersion | None
    coins: int
    bonus_coins: int
    price: Money
    value_micros: int
    fx_rate: Decimal | None
    assessment: Assessment


def quote(
    *,
    package_id: UUID | None,
    coins: int | None,
    currency: str,
    minimum_minor: int,
    now: datetime,
    place: Place = NOWHERE,
) -> Quote:
    """The terms of a package, or of an exact number of coins.

    Args:
        minimum_minor: The smallest payment the gateway takes, in minor units.
        place: Where the reader is.

    Raises:
        PackageUnavailable: No such package, or not on sale.
        TooManyCoins: ``coins`` is above the top-up limit.
        BelowMinimum: What would be paid is below ``minimum_minor``.
        taxes.NoTaxRule: Tax is due, and nothing says how much.
        taxes.TaxUnavailable: The tax service does not answer.
        currency_rates.RateUnavailable: A rate is needed, and there is none.
    """
    assert (package_id is None) != (coins is None), "either a package or a number of coins"
    if package_id is not None:
        version = _on_sale(package_id)
        held, bonus = version.coins, version.bonus_coins
        price = packages.price(version=version, currency=currency, now=now)
    else:
        version, held, bonus = None, coins or 0, 0
        price = _top_up_price(held, currency, now=now)

    assessment = taxes.assess(price=price, place=place, now=now)
    minimum, total = Money.from_minor(minimum_minor, currency), assessment.total
    price = assessment.net
    if total.micros < minimum.micros:
        raise BelowMinimum(f"{total} is below {minimum}.", minimum=minimum.to_json())
    value, rate = price.micros, None
    if currency != BOOK_CURRENCY:
        rate = currency_rates.current(quote=currency, now=now).rate
        value = divide_down(price.micros, rate)
    return Quote(version, held, bonus, price, value, rate, assessment)


def _on_sale(package_id: UUID) -> CoinPackageVersion:
    package = package_queries.on_sale().filter(pk=package_id).first()
    if package is None or package.current is None:
        raise PackageUnavailable
    return package.current


def _top_up_price(coins: int, currency: str, *, now: datetime) -> Money:
    limit = policies.value(Policy.Name.TOP_UP_MAX_COINS, on=now)
    if coins > limit:
        raise TooManyCoins(f"A top-up holds at most {limit} coins.", maximum_coins=limit)
    coin_price = package_queries.coin_price(currency)
    if coin_price is None:
        coin_price = _converted_coin_price(currency, now=now)
    return coin_price.of(coins)


def _converted_coin_price(currency: str, *, now: datetime) -> package_queries.CoinPrice:
    # As the shop shows the reference package, so that its coins cost the same either way.
    version = package_queries.with_prices().get(is_reference=True).current
    assert version is not None
    price = packages.price(version=version, currency=currency, now=now)
    return package_queries.CoinPrice(price.micros, version.total_coins, currency)
