"""The sales tax of a purchase, and how we know where the reader is (rules.md, rule 31).

Coins are taxed when they are bought, once; chapters bought with them are not taxed again. The day
of a rule is that of UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from legato_payments.lib.errors import Unavailable
from legato_payments.lib.money import Money
from payments.gateways.base import GatewayError
from payments.gateways.tax.base import Assessment, Place
from payments.gateways.tax.registry import tax_provider
from payments.models import Purchase, PurchaseTaxLine


class TaxUnavailable(Unavailable):
    code = "tax_unavailable"
    title = "The tax service does not answer. Try again."


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence of where a reader is.

    Args:
        source: Who says so: request, profile, ip.
        value: A country, or one with its region: ``CA-QC``.
    """

    source: str
    value: str

    @property
    def country(self) -> str:
        """Without the region."""
        return self.value[:2]


def assess(*, price: Money, place: Place, now: datetime) -> Assessment:
    """The tax on coins that are shown for ``price``. Call it outside a transaction.

    Where a registration says so the tax is in the price; else it comes on top.

    Raises:
        NoTaxRule: We are registered where the reader is, and no rule says what is due; or we do
            not know well enough where that is.
        TaxUnavailable: A tax service computes it, and did not answer.
    """
    try:
        return tax_provider(price.currency).assess(price=price, place=place, on=now.date())
    except GatewayError as error:
        raise TaxUnavailable(retry_after=5) from error


def locate(evidence: Sequence[Evidence]) -> Place:
    """Where the reader is: the first piece of evidence counts.

    Its region may come from a later piece about the same country.
    """
    if not evidence:
        return Place()
    country = evidence[0].country
    regions = [piece.value[3:] for piece in evidence if piece.country == country]
    return Place(country, next((region for region in regions if region), ""))


def conflicts(evidence: Sequence[Evidence]) -> bool:
    """Whether two pieces of evidence name different countries, or regions of one."""
    countries = {piece.country for piece in evidence}
    regions = {piece.value for piece in evidence if len(piece.value) > 2}
    return len(countries) > 1 or len(regions) > 1


def record(purchase: Purchase, assessment: Assessment) -> None:
    """Keep the tax lines of a purchase that was just created."""
    PurchaseTaxLine.objects.bulk_create(
        PurchaseTaxLine(
            purchase=purchase,
            jurisdiction=line.jurisdiction,
            name=line.name,
            rate_ppm=line.rate_ppm,
            amount_micros=line.amount.micros,
            currency=line.amount.currency,
            is_inclusive=line.is_inclusive,
            number=line.number,
            rule=line.rule,
        )
        for line in assessment.lines
    )


def owed(purchase: Purchase) -> dict[str, int]:
    """The tax of a purchase by office, micros of its currency."""
    by_office: dict[str, int] = {}
    for line in purchase.tax_lines.order_by("id"):
        by_office[line.jurisdiction] = by_office.get(line.jurisdiction, 0) + line.amount_micros
    return by_office
