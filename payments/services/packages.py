"""Coin packages: create, change as versions, price."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, FieldError, Invalid, Missing, Refused
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money, convert_up, micros_per_minor
from payments import audit
from payments.enums import BOOK_CURRENCY, Currency
from payments.models import CoinPackage, CoinPackageVersion, PackagePrice
from payments.services import currency_rates

ROUNDING_MINOR = {Currency.USD: 1, Currency.CAD: 1, Currency.NGN: 5_000}
"""A converted price is rounded up to this many minor units: the cent, or 50 naira (rule 1)."""


class PackageUnknown(Missing):
    """No package has this id, on sale or not."""

    title = "There is no such package."


class NameTaken(Conflict):
    code = "name_taken"
    title = "Another package has this name."


class PriceMissing(Refused):
    code = "price_missing"
    title = "A package needs a price in US dollars: the books are kept in them."


class PriceFractional(Invalid):
    """A price is no whole number of cents or kobo; no gateway takes less than one."""

    title = "A price must be a whole number of cents or kobo."


class VersionStale(Conflict):
    code = "version_stale"
    title = "Somebody else changed the package meanwhile."


@dataclass(frozen=True, slots=True)
class Terms:
    """What a package holds and costs.

    Args:
        coins: Without the bonus.
        bonus_percent: 0 to 100, of ``coins``, rounded down to whole coins.
        prices: Micros by currency, US dollars among them. The rest is converted.
    """

    coins: int
    bonus_percent: int
    prices: Mapping[str, int]

    @property
    def bonus_coins(self) -> int:
        """Coins on top."""
        return self.coins * self.bonus_percent // 100


@atomic
def create(
    *, name: str, terms: Terms, is_active: bool, actor: str, now: datetime, reason: str = ""
) -> CoinPackage:
    """Put a new package on the shelf.

    Raises:
        NameTaken: Another package is called so.
        PriceMissing: No price in US dollars.
        PriceFractional: A price with a part of a cent.
    """
    if CoinPackage.objects.filter(name=name).exists():
        raise NameTaken
    try:
        with atomic():
            package = CoinPackage.objects.create(
                id=uuid7(), name=name, is_active=is_active, created_at=now
            )
    except IntegrityError as error:
        # Somebody else took the name between the question and the answer.
        raise NameTaken from error
    version = _add_version(package, 1, terms, actor=actor, now=now, reason=reason)
    audit.record(
        actor=actor,
        action="payments.package.created",
        object_type="coin_package",
        object_id=package.pk,
        now=now,
        after=describe(package, version),
        reason=reason,
    )
    return package


@atomic
def change(
    *,
    package_id: UUID,
    expected_version: int,
    actor: str,
    now: datetime,
    name: str | None = None,
    terms: Terms | None = None,
    is_active: bool | None = None,
    reason: str = "",
) -> CoinPackage:
    """Change a package. New terms are a new version; earlier purchases keep theirs.

    Args:
        expected_version: The version the caller saw, so that nobody overwrites unseen.

    Raises:
        PackageUnknown: There is none with this id.
        VersionStale: It has another version by now.
        NameTaken: Another package is called so.
        PriceMissing: No price in US dollars.
        PriceFractional: A price with a part of a cent.
    """
    package = (
        CoinPackage.objects.select_for_update(no_key=True, of=("self",))
        .select_related("current")
        .filter(pk=package_id)
        .first()
    )
    if package is None or package.current is None:
        raise PackageUnknown
    if package.current.number != expected_version:
        raise VersionStale
    before = describe(package, package.current)
    if name is not None and name != package.name:
        if CoinPackage.objects.filter(name=name).exists():
            raise NameTaken
        package.name = name
    if is_active is not None:
        package.is_active = is_active
    package.save(update_fields=["name", "is_active"])
    version = _add_version(
        package,
        package.current.number + 1,
        terms or terms_of(package.current),
        actor=actor,
        now=now,
        reason=reason,
    )
    audit.record(
        actor=actor,
        action="payments.package.changed",
        object_type="coin_package",
        object_id=package.pk,
        now=now,
        before=before,
        after=describe(package, version),
        reason=reason,
    )
    return package


def terms_of(version: CoinPackageVersion) -> Terms:
    """The terms a version was made with."""
    prices = {price.currency: price.price_micros for price in version.prices.all()}
    return Terms(version.coins, version.bonus_percent, prices)


def price(*, version: CoinPackageVersion, currency: str, now: datetime) -> Money:
    """What a package costs: its listed price, or the dollar price at the newest rate.

    Raises:
        currency_rates.RateUnavailable: Not listed in this currency, and no usable rate.
    """
    listed = {row.currency: row.price_micros for row in version.prices.all()}
    if currency in listed:
        return Money(listed[currency], currency)
    rate = currency_rates.current(quote=currency, now=now)
    converted = Money(convert_up(listed[BOOK_CURRENCY], rate.rate), currency)
    return converted.ceil_to_minor(ROUNDING_MINOR[Currency(currency)])


def describe(package: CoinPackage, version: CoinPackageVersion) -> dict[str, Any]:
    """A package as the audit log keeps it."""
    return {
        "name": package.name,
        "is_active": package.is_active,
        "version": version.number,
        "coins": version.coins,
        "bonus_percent": version.bonus_percent,
        "prices": {
            row.currency: Money(row.price_micros, row.currency).amount()
            for row in version.prices.order_by("currency")
        },
    }


def _add_version(
    package: CoinPackage, number: int, terms: Terms, *, actor: str, now: datetime, reason: str
) -> CoinPackageVersion:
    _check_prices(terms.prices)
    version = CoinPackageVersion.objects.create(
        package=package,
        number=number,
        coins=terms.coins,
        bonus_percent=terms.bonus_percent,
        bonus_coins=terms.bonus_coins,
        created_at=now,
        created_by=actor,
        reason=reason,
    )
    PackagePrice.objects.bulk_create(
        PackagePrice(version=version, currency=currency, price_micros=micros)
        for currency, micros in sorted(terms.prices.items())
    )
    package.current = version
    package.save(update_fields=["current"])
    return version


def _check_prices(prices: Mapping[str, int]) -> None:
    if BOOK_CURRENCY not in prices:
        raise PriceMissing
    errors = [
        FieldError(f"/prices/{currency}", "not_whole_minor", PriceFractional.title)
        for currency, micros in prices.items()
        if micros % micros_per_minor(currency)
    ]
    if errors:
        raise PriceFractional(errors=errors)
