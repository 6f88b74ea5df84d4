"""Stripe's objects for tests: the official example of each, with what the test is about changed.

Without the official examples, which no registry carries, one is made from the description.
"""

from copy import deepcopy
from typing import Any

from tests import specs
from tests.payments.gateways.stripe import description

FIXTURES = "stripe-fixtures3.json"

CREATED = 1_790_000_000
"""When everything here happened: 2026-09-21 14:13:20 UTC."""

REFERENCE = "lp0123456789abcdef0123456789abcdef"


def example(name: str, **changes: Any) -> dict[str, Any]:
    """An object of Stripe's by the name of its schema."""
    if (specs.FOLDER / FIXTURES).exists():
        made = deepcopy(specs.load(FIXTURES)["resources"][name])
    else:
        made = _made_up(description.schema(name))
    return {**made, "created": CREATED, **changes}


def line(**changes: Any) -> dict[str, Any]:
    """A balance transaction of 9.99 USD less 0.59."""
    values = {
        "amount": 999,
        "fee": 59,
        "net": 940,
        "currency": "usd",
        "type": "charge",
        "reporting_category": "charge",
        "source": "ch_1",
    }
    return example("balance_transaction", **{**values, **changes})


def charge(**changes: Any) -> dict[str, Any]:
    """A charge of 9.99 USD to a Visa card, in our balance already."""
    values = {
        "id": "ch_1",
        "amount": 999,
        "currency": "usd",
        "payment_intent": "pi_1",
        "balance_transaction": line(),
        "metadata": {"legato_reference": REFERENCE},
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2030},
        },
    }
    return example("charge", **{**values, **changes})


def intent(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A payment of ours over 9.99 USD; paid unless the status says otherwise."""
    is_paid = status == "succeeded"
    values = {
        "id": "pi_1",
        "status": status,
        "amount": 999,
        "amount_received": 999 if is_paid else 0,
        "currency": "usd",
        "latest_charge": charge() if is_paid else None,
        "client_secret": "pi_1_secret_x",
        "last_payment_error": None,
        "canceled_at": CREATED if status == "canceled" else None,
        "setup_future_usage": None,
        "payment_method": None,
        "customer": None,
        "metadata": {"legato_reference": REFERENCE, "purchase_id": "p1"},
    }
    return example("payment_intent", **{**values, **changes})


def session(status: str = "open", **changes: Any) -> dict[str, Any]:
    """A hosted page of ours for 9.99 USD."""
    values = {
        "id": "cs_test_1",
        "status": status,
        "mode": "payment",
        "payment_status": "paid" if status == "complete" else "unpaid",
        "amount_total": 999,
        "currency": "usd",
        "client_reference_id": REFERENCE,
        "payment_intent": intent() if status == "complete" else None,
        "url": "https://checkout.stripe.com/c/pay/cs_test_1" if status == "open" else None,
        "metadata": {"legato_reference": REFERENCE, "purchase_id": "p1"},
    }
    return example("checkout.session", **{**values, **changes})


def refund(**changes: Any) -> dict[str, Any]:
    """A refund of ours over 4.00 USD."""
    values = {
        "id": "re_1",
        "amount": 400,
        "currency": "usd",
        "status": "succeeded",
        "payment_intent": intent(),
        "metadata": {"legato_reference": "lprefund", "legato_charge_reference": REFERENCE},
    }
    return example("refund", **{**values, **changes})


def dispute(status: str = "needs_response", **changes: Any) -> dict[str, Any]:
    """A dispute of 9.99 USD, for which the money and 15.00 were taken."""
    values = {
        "id": "du_1",
        "status": status,
        "amount": 999,
        "currency": "usd",
        "payment_intent": intent(),
        "balance_transactions": [line(amount=-999, fee=1500, net=-2499)],
    }
    return example("dispute", **{**values, **changes})


def payout(**changes: Any) -> dict[str, Any]:
    """A payout of 11.00 USD to our bank."""
    return example("payout", **{"id": "po_1", "amount": 1100, "currency": "usd", **changes})


def page(*items: dict[str, Any], has_more: bool = False, url: str = "/v1/x") -> dict[str, Any]:
    """A page of a list."""
    return {"object": "list", "data": list(items), "has_more": has_more, "url": url}


def _made_up(described: description.Schema) -> Any:
    described = description.resolved(described)
    if described.get("nullable"):
        return None
    if "anyOf" in described:
        return _made_up(described["anyOf"][0])
    if "enum" in described:
        return described["enum"][0]
    match described.get("type"):
        case "object":
            members = described.get("properties", {})
            return {name: _made_up(members[name]) for name in described.get("required", [])}
        case "array":
            return []
        case "integer" | "number":
            return 0
        case "boolean":
            return False
    return "x"
