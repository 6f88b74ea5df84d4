"""Tax on a sale, by a small table of places."""

from decimal import Decimal

from tests.peers.store import Json
from tests.peers.stripe.calls import Call, invalid, new_id, routes
from tests.peers.stripe.ledger import DAY, half_up

DAYS_VALID = 90

PERCENT = {
    ("CA", "ON"): ("hst", Decimal(13)),
    ("CA", "AB"): ("gst", Decimal(5)),
    ("US", "CA"): ("sales_tax", Decimal("7.25")),
    ("US", "NY"): ("sales_tax", Decimal("8.875")),
}
"""Country and state; nothing is collected elsewhere."""


@routes.add("POST", "/v1/tax/calculations", "tax.calculations.create")
def create(call: Call) -> Json:
    """The tax on each line, on top of it unless the line says it is inside."""
    params = call.params
    details = params.get("customer_details") or {}
    address = details.get("address")
    if not address:
        raise invalid("You must provide an address.", "customer_details[address]")
    kind, percent = PERCENT.get((address["country"], address.get("state", "")), (None, Decimal(0)))
    lines = [_line(item, percent) for item in params["line_items"]]
    outside = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "exclusive")
    inside = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "inclusive")
    amount = sum(line["amount"] for line in lines)
    none = dict.fromkeys(("city", "line1", "line2", "postal_code", "state"))
    calculation = {
        "id": new_id("taxcalc_"),
        "object": "tax.calculation",
        "amount_total": amount + outside,
        "currency": params["currency"],
        "customer": params.get("customer"),
        "customer_details": {
            "address": {**none, **address},
            "address_source": details.get("address_source", "billing"),
            "ip_address": None,
            "tax_ids": [],
            "taxability_override": "none",
        },
        "expires_at": call.now + DAYS_VALID * DAY,
        "livemode": False,
        "ship_from_details": None,
        "shipping_cost": None,
        "tax_amount_exclusive": outside,
        "tax_amount_inclusive": inside,
        "tax_breakdown": [
            {
                "amount": outside + inside,
                "inclusive": inside > 0,
                "tax_rate_details": {
                    "country": address["country"],
                    "flat_amount": None,
                    "percentage_decimal": str(percent),
                    "rate_type": "percentage" if kind else None,
                    "state": address.get("state"),
                    "tax_type": kind,
                },
                "taxability_reason": "standard_rated" if kind else "not_collecting",
                "taxable_amount": amount - inside if kind else 0,
            }
        ],
        "tax_date": call.now,
        "_line_items": lines,
    }
    return call.save(calculation)


def _line(item: Json, percent: Decimal) -> Json:
    behavior = item.get("tax_behavior", "exclusive")
    amount = Decimal(item["amount"])
    base = amount if behavior == "exclusive" else amount * 100 / (100 + percent)
    return {
        "id": new_id("tax_li_"),
        "object": "tax.calculation_line_item",
        "amount": item["amount"],
        "amount_tax": half_up(base * percent / 100),
        "livemode": False,
        "metadata": None,
        "product": item.get("product"),
        "quantity": item.get("quantity", 1),
        "reference": item.get("reference", ""),
        "tax_behavior": behavior,
        "tax_breakdown": None,
        "tax_code": item.get("tax_code", "txcd_10000000"),
    }


@routes.add("GET", "/v1/tax/calculations/{calculation}", "tax.calculations.retrieve")
def retrieve(call: Call) -> Json:
    """One calculation."""
    return call.load("tax.calculation", call.ids["calculation"], "calculation")
