"""The small parts that Stripe's objects are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from legato_payments.lib.money import MINOR_DIGITS, Money
from payments.gateways.stripe.answers import Object
from payments.gateways.values import SavedMethod, Window

REFERENCE = "legato_reference"
"""The metadata that holds our reference of a payment or a refund."""
CHARGE_REFERENCE = "legato_charge_reference"
"""The metadata of a refund that holds our reference of its payment."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What lines of Stripe's own book say of an object: see ``RefundState``."""

    fee: Money | None = None
    settled: Money | None = None


def created(window: Window) -> Any:
    """The filter for objects made in the window. Stripe's times are whole seconds, rounded down."""
    # Any: the SDK has a type of its own for each list.
    return {"gte": int(window.start.timestamp()), "lt": int(window.end.timestamp())}


def money(minor: int, currency: str) -> Money:
    """Stripe's integer and lower-case currency as money."""
    return Money.from_minor(minor, currency.upper())


def is_ours(currency: str) -> bool:
    """Whether it is a currency we keep books in: an account of Stripe may hold others."""
    return currency.upper() in MINOR_DIGITS


def moment(seconds: int) -> datetime:
    """Stripe's Unix time."""
    return datetime.fromtimestamp(seconds, UTC)


def id_of(value: Any) -> str:
    """The id of a field that holds an id, the object itself, or nothing."""
    if isinstance(value, dict):
        return str(value["id"])
    return value or ""


def object_of(value: Any) -> Object | None:
    """The object of such a field, when we had it expanded."""
    return value if isinstance(value, dict) else None


def metadata_of(value: Any) -> dict[str, str]:
    """The metadata of an expanded object; empty when there is none."""
    known = object_of(value)
    return dict(known.get("metadata") or {}) if known else {}


def method_of(token: str, customer_id: str, details: Object) -> SavedMethod:
    """A saved method from ``payment_method_details`` of a charge, or from a ``payment_method``."""
    kind = details["type"]
    facts = details.get(kind) or {}
    has_end = bool(facts.get("exp_year") and facts.get("exp_month"))
    return SavedMethod(
        token=token,
        customer_id=customer_id,
        kind=kind,
        brand=facts.get("brand") or "",
        last4=facts.get("last4") or "",
        expires=f"{facts['exp_year']:04d}-{facts['exp_month']:02d}" if has_end else "",
    )


def figures_of(lines: Sequence[Object], currency: str) -> Figures:
    """What Stripe kept for an object in ``currency`` and, if it converted it, what it took.

    All lines of an object are in one currency: that of our balance.
    """
    balance = lines[0]["currency"] if lines else currency
    if not lines or not is_ours(balance):
        return Figures()
    taken = money(-sum(line["amount"] for line in lines), balance)
    return Figures(
        fee=money(sum(line["fee"] for line in lines), balance),
        settled=taken if balance != currency else None,
    )
