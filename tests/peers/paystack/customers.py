"""Customers and the cards they let us keep."""

from dataclasses import dataclass

from tests.peers.paystack.calls import Call, Reply, invalid, routes, token
from tests.peers.store import Json


@dataclass(frozen=True, slots=True)
class Card:
    """What a test card does.

    Args:
        response: What the bank says when it is declined; empty when it pays.
        challenge: A later charge without the customer stops for the bank's question.
    """

    last4: str
    brand: str = "visa"
    country: str = "NG"
    response: str = ""
    challenge: bool = False


CARDS = {
    "success": Card("4081"),
    "mastercard": Card("8877", brand="mastercard"),
    "international": Card("1381", country="US"),
    "declined": Card("5408", response="Declined"),
    "insufficient": Card("0037", response="Insufficient Funds"),
    "challenge": Card("3334", challenge=True),
}


def by_email(call: Call, email: str) -> Json:
    """The one customer of an e-mail address."""
    found = call.store.first("customer", email=email)
    if found is not None:
        return found
    return call.store.put(
        "customer",
        {
            "id": call.number(),
            "first_name": None,
            "last_name": None,
            "email": email,
            "customer_code": token(15, "CUS_"),
            "phone": None,
            "metadata": None,
            "risk_action": "default",
            "international_format_phone": None,
        },
    )


def authorize(call: Call, customer: Json, card_name: str, *, reusable: bool) -> Json:
    """What a payment by card leaves for later ones; the same card gives a new code each time."""
    card = CARDS[card_name]
    return call.store.put(
        "authorization",
        {
            "id": call.number(),
            "authorization_code": token(10, "AUTH_"),
            "bin": "408408" if card.brand == "visa" else "539999",
            "last4": card.last4,
            "exp_month": "12",
            "exp_year": "2034",
            "channel": "card",
            "card_type": f"{card.brand} ",
            "bank": "TEST BANK",
            "country_code": card.country,
            "brand": card.brand,
            "reusable": reusable,
            "signature": f"SIG_{customer['customer_code'][4:]}{card.last4}",
            "account_name": None,
            "_email": customer["email"],
            "_card": card_name,
        },
    )


@routes.add("POST", "/customer/authorization/deactivate", "customer.deactivate_authorization")
def deactivate(call: Call) -> Reply:
    """A kept card is forgotten; the answer has no ``data``."""
    kept = call.store.first("authorization", authorization_code=call.params["authorization_code"])
    if kept is None or not kept["reusable"]:
        raise invalid("Authorization code is invalid or cannot be used")
    call.store.put("authorization", {**kept, "reusable": False})
    return Reply("Authorization has been deactivated")


def shown_authorization(authorization: Json) -> Json:
    """As it stands in a transaction."""
    hidden = {"id"}
    return {
        name: value
        for name, value in authorization.items()
        if name not in hidden and name[:1] != "_"
    }
