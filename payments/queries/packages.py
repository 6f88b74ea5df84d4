"""What is on sale, and what a coin costs without any discount."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from legato_payments.lib.money import Money
from payments.models import CoinPackage, PackagePrice


@dataclass(frozen=True, slots=True)
class CoinPrice:
    """The undiscounted price of a coin: ``micros`` for ``coins`` of the reference package."""

    micros: int
    coins: int
    currency: str

    def of(self, coins: int) -> Money:
        """What ``coins`` cost without a discount, rounded up to the minor unit (rules 5 and 7)."""
        return Money(-(-self.micros * coins // self.coins), self.currency).ceil_to_minor()


def on_sale() -> QuerySet[CoinPackage]:
    """Active packages, smallest first, with their price lists."""
    return with_prices().filter(is_active=True)


def with_prices() -> QuerySet[CoinPackage]:
    """All packages, smallest first, with their price lists."""
    return (
        CoinPackage.objects.filter(current__isnull=False)
        .select_related("current")
        .prefetch_related("current__prices")
        .order_by("current__coins", "id")
    )


def coin_prices(currencies: Iterable[str]) -> dict[str, CoinPrice]:
    """The undiscounted coin price by currency; one without a listed price is left out."""
    rows = PackagePrice.objects.filter(
        version__current_of__is_reference=True, currency__in=list(currencies)
    ).select_related("version")
    return {
        row.currency: CoinPrice(row.price_micros, row.version.total_coins, row.currency)
        for row in rows
    }


def coin_price(currency: str) -> CoinPrice | None:
    """The undiscounted coin price in one currency, if the reference package lists it."""
    return coin_prices([currency]).get(currency)
