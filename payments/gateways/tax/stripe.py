"""Sales tax by Stripe Tax: https://docs.stripe.com/tax/custom.

Where we are registered, and what is taxable there, is then set up at Stripe. It covers the dollars;
the naira stays with our own rules.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import stripe
from django.conf import settings

from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.tax.base import Assessment, Ground, Place, PlaceUnknown, TaxLine

GATEWAY = "STRIPE"
TAX_CODE = "txcd_10000000"
"""General, electronically supplied services: https://docs.stripe.com/tax/tax-codes."""

TIMEOUT_SECONDS = (3.05, 20)
PPM_PER_PERCENT = 10_000
NOT_COLLECTING = "not_collecting"

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,8})?")


class StripeTax:
    """One calculation per sale; a calculation changes nothing, so it may be asked for again."""

    code = "stripe_tax"

    def __init__(self, http_client: stripe.HTTPClient | None = None) -> None:
        self.client = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            stripe_version=settings.STRIPE_API_VERSION,
            base_addresses={"api": settings.STRIPE_API_BASE},
            http_client=http_client or stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
            max_network_retries=1,
        )

    def assess(self, *, price: Money, place: Place, on: date) -> Assessment:
        """See ``TaxProvider``; Stripe takes the day of its own clock.

        Raises:
            PlaceUnknown: The country is not known, or Stripe finds the address too short.
            Unavailable: No usable answer; nothing was charged.
        """
        if not place.country:
            raise PlaceUnknown("country", "The country is needed to know the tax.")
        try:
            answer = self.client.v1.tax.calculations.create(_request(price, place))
        except stripe.InvalidRequestError as error:
            if error.code == "customer_tax_location_invalid":
                raise PlaceUnknown("region", "The region is needed to know the tax.") from error
            raise base.Unavailable(str(error.user_message), gateway=GATEWAY) from error
        except stripe.StripeError as error:
            raise base.Unavailable(type(error).__name__, gateway=GATEWAY) from error
        try:
            return read(answer.to_dict(), price)
        except (LookupError, TypeError, ValueError) as error:
            message = f"The answer cannot be read: {type(error).__name__}"
            raise base.Unavailable(message, gateway=GATEWAY) from error


def read(answer: Mapping[str, Any], price: Money) -> Assessment:
    """A calculation as an assessment.

    Raises:
        Unavailable: It is not about this price, or its parts do not sum to its total.
    """
    lines = [_line(part, price.currency) for part in answer["tax_breakdown"] if part["amount"] != 0]
    assessment = Assessment(
        net=price,
        ground=_ground(answer["tax_breakdown"]),
        lines=_merged(lines),
        reference=answer["id"] or "",
    )
    said = Money.from_minor(answer["tax_amount_exclusive"], price.currency)
    total = Money.from_minor(answer["amount_total"], price.currency)
    if answer["tax_amount_inclusive"] or (said, total) != (assessment.tax, assessment.total):
        raise base.Unavailable("The parts of the tax do not make its total.", gateway=GATEWAY)
    return assessment


def _request(price: Money, place: Place) -> Any:
    address = {"country": place.country}
    if place.region:
        address["state"] = place.region
    return {
        "currency": price.currency.lower(),
        "line_items": [
            {
                "amount": price.minor,
                "reference": "coins",
                "tax_behavior": "exclusive",
                "tax_code": TAX_CODE,
            }
        ],
        "customer_details": {"address": address, "address_source": "billing"},
    }


def _line(part: Mapping[str, Any], currency: str) -> TaxLine:
    details = part["tax_rate_details"]
    percent = details["percentage_decimal"]
    if not isinstance(percent, str) or not _PERCENT.fullmatch(percent):
        raise base.Unavailable(f"{percent!r} is no rate.", gateway=GATEWAY)
    name = details["tax_type"] or "tax"
    return TaxLine(
        jurisdiction=_office(details),
        name="Sales tax" if name == "sales_tax" else name.upper().replace("_", " ")[:16],
        rate_ppm=int(Decimal(percent) * PPM_PER_PERCENT),
        amount=Money.from_minor(part["amount"], currency),
    )


def _office(details: Mapping[str, Any]) -> str:
    country, state = details["country"] or "", details["state"] or ""
    # Canada collects GST and HST for all provinces; the provinces collect the rest themselves.
    is_federal = details["tax_type"] in {"gst", "hst", "vat"}
    return country if is_federal or not state else f"{country}-{state}"


def _ground(breakdown: list[Mapping[str, Any]]) -> Ground:
    if any(part["amount"] for part in breakdown):
        return Ground.TAXED
    if all(part["taxability_reason"] == NOT_COLLECTING for part in breakdown):
        return Ground.NOT_REGISTERED
    return Ground.NOT_TAXABLE


def _merged(lines: list[TaxLine]) -> list[TaxLine]:
    """A state and its counties are one office to us: one line for each office and name."""
    merged: dict[tuple[str, str], TaxLine] = {}
    for line in lines:
        key = (line.jurisdiction, line.name)
        if (before := merged.get(key)) is not None:
            line = TaxLine(  # noqa: PLW2901
                jurisdiction=line.jurisdiction,
                name=line.name,
                rate_ppm=before.rate_ppm + line.rate_ppm,
                amount=before.amount + line.amount,
            )
        merged[key] = line
    return list(merged.values())
