"""Stripe Tax: what a sale is taxed with where the reader lives. US and Canadian dollars only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import stripe

from legato_payments.lib.money import Money
from payments.gateways.stripe.answers import ask

if TYPE_CHECKING:
    from stripe.params.tax import (
        CalculationCreateParams,
        CalculationCreateParamsCustomerDetailsAddress,
    )


@dataclass(frozen=True, slots=True)
class Address:
    """Where the reader lives, as exactly as it is known.

    Args:
        country: ISO 3166-1, two letters.
        state: ISO 3166-2 without the country. The US and Canada need it, or the postal code.
    """

    country: str
    state: str = ""
    postal_code: str = ""
    city: str = ""
    line1: str = ""


def calculate(
    client: stripe.StripeClient,
    *,
    price: Money,
    reference: str,
    address: Address,
    key: str,
    tax_code: str = "",
) -> int:
    """The tax to be added to ``price``, in minor units of its currency.

    Args:
        price: Without tax.
        reference: Ours, of the sale.
        tax_code: Stripe's code of what is sold; empty for the account's own default.

    Raises:
        base.InvalidRequest: The address says too little, for example.
    """
    params: CalculationCreateParams = {
        "currency": price.currency.lower(),
        "line_items": [
            {"amount": price.minor, "reference": reference, "tax_behavior": "exclusive"}
        ],
        "customer_details": {"address": _address(address), "address_source": "billing"},
    }
    if tax_code:
        params["line_items"][0]["tax_code"] = tax_code
    return ask(
        lambda: client.v1.tax.calculations.create(params, {"idempotency_key": key}),
        lambda calculation: int(calculation["tax_amount_exclusive"]),
    )


def _address(address: Address) -> "CalculationCreateParamsCustomerDetailsAddress":
    made: CalculationCreateParamsCustomerDetailsAddress = {"country": address.country}
    if address.state:
        made["state"] = address.state
    if address.postal_code:
        made["postal_code"] = address.postal_code
    if address.city:
        made["city"] = address.city
    if address.line1:
        made["line1"] = address.line1
    return made
