"""Charges: what a payment intent makes when it is confirmed."""

from tests.peers.store import Json
from tests.peers.stripe import ledger, lists
from tests.peers.stripe.calls import Call, new_id, routes
from tests.peers.stripe.methods import CHECKS, behaviour

AVAILABLE_AFTER_DAYS = 2

MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "authentication_required": (
        "Your card was declined. This transaction requires authentication."
    ),
    "expired_card": "Your card has expired.",
}
APPROVED = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 20,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def succeed(call: Call, intent: Json, method: Json) -> Json:
    """A charge that took the money, in the book at once unless the options say later."""
    charge = _new(call, intent, method, status="succeeded", outcome=APPROVED)
    charge.update(amount_captured=charge["amount"], captured=True, paid=True)
    call.save(charge)
    if not call.options["late_balance_transactions"]:
        enter(call, charge)
    call.tell("charge.succeeded", charge)
    return charge


def enter(call: Call, charge: Json) -> None:
    """Write a charge into the book."""
    amount, currency, rate = ledger.settled(call, charge["amount"], charge["currency"])
    row = ledger.book(
        call,
        kind="charge",
        category="charge",
        source=charge["id"],
        amount=amount,
        currency=currency,
        rate=rate,
        fee=ledger.charge_fee(call, amount),
        description=charge["description"],
        days=AVAILABLE_AFTER_DAYS,
    )
    charge["balance_transaction"] = row["id"]
    call.save(charge)


def enter_late(call: Call) -> list[str]:
    """Write into the book what is missing there; Stripe does so some seconds after a payment."""
    late = call.store.find("charge", status="succeeded", balance_transaction=None)
    for charge in late:
        enter(call, charge)
        call.tell("charge.updated", charge)
    return [charge["id"] for charge in late]


def fail(call: Call, intent: Json, method: Json, code: str, decline: str) -> Json:
    """A charge that the bank refused."""
    outcome = {
        **APPROVED,
        "network_status": "declined_by_network",
        "reason": decline or code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    charge = _new(call, intent, method, status="failed", outcome=outcome)
    charge.update(failure_code=code, failure_message=MESSAGES[decline or code])
    call.save(charge)
    call.tell("charge.failed", charge)
    return charge


def _new(call: Call, intent: Json, method: Json, *, status: str, outcome: Json) -> Json:
    charge_id = new_id("ch_")
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "LEGATO",
        "captured": False,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": outcome,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card(method), "type": "card"},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{call.base}/receipts/{charge_id}" if status == "succeeded" else None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
        "_refunding": behaviour(method).refunds,
    }


def _card(method: Json) -> Json:
    card = method["card"]
    taken = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **{name: card[name] for name in taken},
        "amount_authorized": None,
        "authorization_code": None,
        "checks": CHECKS,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": new_id("", 15),
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "wallet": None,
    }


@routes.add("GET", "/v1/charges", "charges.list")
def listing(call: Call) -> Json:
    """Charges, by payment intent, customer and time."""
    params = call.params
    return lists.page(
        call,
        "/v1/charges",
        "charge",
        payment_intent=params.get("payment_intent"),
        customer=params.get("customer"),
        transfer_group=params.get("transfer_group"),
    )


@routes.add("GET", "/v1/charges/{charge}", "charges.retrieve")
def retrieve(call: Call) -> Json:
    """One charge."""
    return call.load("charge", call.ids["charge"], "charge")
