"""What is left of every package's price, at the rates that writers may have (rules.md, rule 8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from legato_payments.lib.money import Money
from payments.enums import Stream
from payments.models import CoinPackage
from payments.queries import margins, packages
from revenue.queries import splits

BAND = (6_000, 6_500, 7_000)
"""The agreed band of content and its middle (rules.md, rules 8 and 9), basis points."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What is left of one price after the gateway's list fee and one rate of the writers.

    Args:
        stream: What all the coins are spent on.
        writers_bps: The writers' part of their value.
        left: Ours; negative is a loss.
    """

    package: CoinPackage
    price: Money
    fee: Money
    stream: Stream
    writers_bps: int
    left: Money

    @property
    def is_loss(self) -> bool:
        """Whether the package does not pay for itself."""
        return self.left.micros < 0


def of_packages(*, on: datetime) -> list[Margin]:
    """Every package on sale, in every currency it has a price in: content, then tips.

    Content at each rate of ``BAND``, tips at the rate that counts for everybody at ``on``.
    """
    tips_bps = splits.default_bps(Stream.TIP, on=on)
    rates = [(Stream.CONTENT, bps) for bps in BAND]
    if tips_bps is not None:
        rates.append((Stream.TIP, tips_bps))
    return [
        Margin(
            package, price, margins.fee(price), stream, bps, margins.left(price, writers_bps=bps)
        )
        for package in packages.on_sale()
        for price in _prices(package)
        for stream, bps in rates
    ]


def _prices(package: CoinPackage) -> Iterator[Money]:
    if package.current:
        for price in sorted(package.current.prices.all(), key=lambda price: price.pk):
            yield Money(price.price_micros, price.currency)
