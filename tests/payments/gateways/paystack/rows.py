"""What Paystack's answers are made of, and what we ask it."""

from datetime import UTC, datetime
from typing import Any

from legato_payments.lib.money import Money
from payments.gateways.values import ChargeRequest, CustomerRef, RefundRequest, Window
from tests import specs

KEY = "sk_test_of_the_tests"
REFERENCE = "lp0123456789abcdef0123456789abcdef"
REFUND = "lpfedcba9876543210fedcba9876543210"
PAGE = "https://checkout.paystack.com/3ni8kdavz62431k"
WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
INSIDE = "2026-11-01T09:15:02.000Z"
OUTSIDE = "2026-11-02T00:00:00.000Z"


def naira(text: str) -> Money:
    return Money.parse(text, "NGN")


def charge(**changes: Any) -> ChargeRequest:
    """A payment of 4,000 naira to be made."""
    facts: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": naira("4000.00"),
        "customer": CustomerRef("reader-1", email="reader@legato.example"),
        "description": "1,320 Legato coins",
        "metadata": {"purchase_id": "01a"},
        "return_url": "https://legato.example/coins",
        **changes,
    }
    return ChargeRequest(**facts)


def refund(**changes: Any) -> RefundRequest:
    """1,000 naira of it to be given back."""
    facts: dict[str, Any] = {
        "reference": REFUND,
        "charge_reference": REFERENCE,
        "payment_id": "4099260516",
        "amount": naira("1000.00"),
        "reason": "asked for by the reader",
        **changes,
    }
    return RefundRequest(**facts)


def transaction(**changes: Any) -> dict[str, Any]:
    """The payment, paid."""
    return {
        "id": 4099260516,
        "domain": "test",
        "status": "success",
        "reference": REFERENCE,
        "amount": 400_000,
        "gateway_response": "Successful",
        "paid_at": INSIDE,
        "created_at": "2026-11-01T09:14:24.000Z",
        "currency": "NGN",
        "fees": 16_000,
        **changes,
    }


def refund_row(**changes: Any) -> dict[str, Any]:
    """The refund, just asked for, as a list has it."""
    return {
        "id": 3018284,
        "transaction": 4099260516,
        "transaction_reference": REFERENCE,
        "amount": 100_000,
        "currency": "NGN",
        "status": "pending",
        "merchant_note": f"legato:{REFUND} asked for by the reader",
        "createdAt": "2026-11-01T10:00:00.000Z",
        **changes,
    }


def dispute(**changes: Any) -> dict[str, Any]:
    """A dispute about the whole payment that waits for our answer."""
    return {
        "id": 2867,
        "refund_amount": 400_000,
        "currency": "NGN",
        "status": "awaiting-merchant-feedback",
        "resolution": None,
        "category": "chargeback",
        "transaction": transaction(),
        "dueAt": "2026-11-03T18:00:00.000Z",
        "createdAt": "2026-11-01T12:00:00.000Z",
        "updatedAt": "2026-11-01T13:00:00.000Z",
        **changes,
    }


def sample(name: str, status: str = "200") -> Any:
    """The data of an official example answer; skips where the samples are not."""
    found = specs.load("paystack-sample-responses.json")["responses"][name][status]
    return found["data"]["data"]
