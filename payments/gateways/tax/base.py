"""What a sale is taxed with, and the interface of whoever computes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from legato_payments.lib.errors import FieldError, Refused
from legato_payments.lib.money import Money
from payments.models import Purchase, TaxRule

Ground = Purchase.TaxGround


class NoTaxRule(Refused):
    """No rule says what is due, and nothing is never assumed; nothing was sold or paid."""

    code = "no_tax_rule"
    title = "There is no tax rule for this; ask support."


class PlaceUnknown(NoTaxRule):
    """It depends on where the reader is, which is not known well enough."""

    title = "Say where you are: the tax depends on it."

    def __init__(self, member: str, message: str) -> None:
        super().__init__(message, errors=[FieldError(f"/{member}", "required", message)])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is.

    Args:
        country: ISO 3166-1; empty when unknown.
        region: The part of ISO 3166-2 after the dash; empty when unknown.
    """

    country: str = ""
    region: str = ""

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """Whose law may hold here: the country's, and the region's."""
        if not self.country:
            return ()
        return (self.country, f"{self.country}-{self.region}") if self.region else (self.country,)

    def __str__(self) -> str:
        return self.jurisdictions[-1] if self.country else "an unknown place"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """One tax of a sale.

    Args:
        jurisdiction: Whose tax office it is owed to, for example ``CA-QC``.
        name: As receipts say it: GST, QST, VAT.
        rate_ppm: Millionths of the price before tax.
        is_inclusive: The shown price had it in it.
        number: Ours at that office.
        rule: Where it was written; none when a tax service said so.
    """

    jurisdiction: str
    name: str
    rate_ppm: int
    amount: Money
    is_inclusive: bool = False
    number: str = ""
    rule: TaxRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The tax of one sale.

    Args:
        net: The price before tax: what the coins are worth.
        ground: Why there are lines, or none.
        reference: Of the calculation at a tax service; empty when we computed it.
    """

    net: Money
    ground: Ground
    lines: Sequence[TaxLine] = field(default=())
    reference: str = ""

    @property
    def tax(self) -> Money:
        """All lines together."""
        return Money(sum(line.amount.micros for line in self.lines), self.net.currency)

    @property
    def total(self) -> Money:
        """What the reader pays."""
        return self.net + self.tax


class TaxProvider(Protocol):
    """Whoever computes the tax of a sale."""

    code: str

    def assess(self, *, price: Money, place: Place, on: date) -> Assessment:
        """The tax on coins that are shown for ``price`` to a reader at ``place``.

        Raises:
            NoTaxRule: Something is due, and nothing says how much.
            GatewayError: A tax service did not answer, or not in its format.
        """
        ...
