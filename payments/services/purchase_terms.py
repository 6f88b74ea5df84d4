"""What a gateway keeps with a payment: the terms of its purchase, enough to make it again.

They are signed. Whoever knows a gateway's public key, or works at its dashboard, can make a payment
with any metadata and pay it: unsigned terms would be a price that somebody else names.
"""

import json
from collections.abc import Iterable, Mapping

from legato_payments.lib import keyring
from payments.models import Purchase, PurchaseTaxLine

SIGNATURE = "legato_signature"

PURPOSE = "payments_purchase.terms"

LONGEST = 500
"""Characters of one value that every gateway keeps: https://docs.stripe.com/metadata."""

NAMES = (
    "legato_reference",
    "purchase_id",
    "user_id",
    "coins",
    "bonus_coins",
    "currency",
    "price_micros",
    "tax_micros",
    "tax_ground",
    "tax_lines",
    "value_micros",
    "fx_rate",
    "country",
    "region",
)
"""What is signed; a gateway may add members of its own."""


def of(purchase: Purchase) -> dict[str, str]:
    """The terms of a purchase, signed."""
    return signed(
        {
            "legato_reference": purchase.reference,
            "purchase_id": str(purchase.pk),
            "user_id": purchase.user_id,
            "coins": str(purchase.coins),
            "bonus_coins": str(purchase.bonus_coins),
            "currency": purchase.currency,
            "price_micros": str(purchase.price_micros),
            "tax_micros": str(purchase.tax_micros),
            "tax_ground": purchase.tax_ground,
            "tax_lines": _written(purchase.tax_lines.order_by("id")),
            "value_micros": str(purchase.value_micros),
            "fx_rate": "" if purchase.fx_rate is None else f"{purchase.fx_rate:f}",
            "country": purchase.country,
            "region": purchase.region,
        }
    )


def signed(terms: Mapping[str, str]) -> dict[str, str]:
    """Terms with our signature."""
    return {**terms, SIGNATURE: keyring.sign(_canonical(terms), PURPOSE)}


def are_ours(kept: Mapping[str, str]) -> bool:
    """Whether we signed just these terms."""
    return keyring.is_signed(_canonical(kept), kept.get(SIGNATURE, ""), PURPOSE)


def tax_lines(kept: Mapping[str, str], currency: str) -> list[PurchaseTaxLine]:
    """The tax lines that signed terms name, not saved; the rules behind them are not told."""
    return [
        PurchaseTaxLine(
            jurisdiction=jurisdiction,
            name=name,
            rate_ppm=rate_ppm,
            amount_micros=amount_micros,
            currency=currency,
            is_inclusive=bool(is_inclusive),
            number=number,
        )
        for jurisdiction, name, rate_ppm, amount_micros, is_inclusive, number in json.loads(
            kept.get("tax_lines") or "[]"
        )
    ]


def _written(lines: Iterable[PurchaseTaxLine]) -> str:
    facts = [
        [
            line.jurisdiction,
            line.name,
            line.rate_ppm,
            line.amount_micros,
            int(line.is_inclusive),
            line.number,
        ]
        for line in lines
    ]
    text = json.dumps(facts, separators=(",", ":")) if facts else ""
    # Longer than a gateway takes: a person then makes the purchase again, if it is ever lost.
    return text if len(text) <= LONGEST else ""


def _canonical(terms: Mapping[str, str]) -> str:
    # A gateway does not keep what is empty.
    return json.dumps({name: terms[name] for name in NAMES if terms.get(name)}, sort_keys=True)
