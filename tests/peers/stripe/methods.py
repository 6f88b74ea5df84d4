"""Payment methods, among them the ones Stripe offers for tests."""

from dataclasses import dataclass

from tests.peers.store import Json
from tests.peers.stripe import lists
from tests.peers.stripe.calls import Call, invalid, missing, new_id, routes


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a test card does.

    Args:
        code: Of the error a charge ends in; empty when it succeeds.
        decline: The bank's reason.
        authenticate: The bank wants to see the customer.
        refunds: How refunds of it go: at once, ``pending`` first, or ``failing`` afterwards.
        dispute: Whether a charge is disputed at once: ``chargeback`` or ``inquiry``.
    """

    last4: str = "4242"
    brand: str = "visa"
    code: str = ""
    decline: str = ""
    authenticate: bool = False
    refunds: str = ""
    dispute: str = ""


DECLINED = Behaviour("0002", code="card_declined", decline="generic_decline")
INSUFFICIENT = Behaviour("9995", code="card_declined", decline="insufficient_funds")

TEST_METHODS = {
    "pm_card_visa": Behaviour(),
    "pm_card_mastercard": Behaviour("4444", "mastercard"),
    "pm_card_chargeDeclined": DECLINED,
    "pm_card_visa_chargeDeclined": DECLINED,
    "pm_card_chargeDeclinedInsufficientFunds": INSUFFICIENT,
    "pm_card_visa_chargeDeclinedInsufficientFunds": INSUFFICIENT,
    "pm_card_chargeDeclinedExpiredCard": Behaviour("0069", code="expired_card"),
    "pm_card_authenticationRequired": Behaviour("3184", authenticate=True),
    "pm_card_pendingRefund": Behaviour("5126", refunds="pending"),
    "pm_card_refundFail": Behaviour("5126", refunds="failing"),
    "pm_card_createDispute": Behaviour("0259", dispute="chargeback"),
    "pm_card_createDisputeInquiry": Behaviour("1976", dispute="inquiry"),
}

NO_BILLING_DETAILS = {
    "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
    "email": None,
    "name": None,
    "phone": None,
    "tax_id": None,
}
CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def behaviour(method: Json) -> Behaviour:
    """What this method does when it is charged."""
    return TEST_METHODS[method["_test"]]


def use(call: Call, method_id: str, param: str = "payment_method") -> Json:
    """A payment method by its id; a test method gives a new one each time, as at Stripe.

    Raises:
        ApiError: There is none.
    """
    if method_id not in TEST_METHODS:
        found = call.store.get("payment_method", method_id)
        if found is None:
            raise missing("PaymentMethod", method_id, param, 400)
        return found
    return call.save(_new(call, method_id))


def _new(call: Call, test: str) -> Json:
    card = TEST_METHODS[test]
    return {
        "id": new_id("pm_"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": NO_BILLING_DETAILS,
        "card": {
            "brand": card.brand,
            "checks": CHECKS,
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2034,
            "fingerprint": new_id("", 16),
            "funding": "credit",
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_test": test,
        "_gone": False,
    }


def keep_for(call: Call, method: Json, customer: str) -> Json:
    """Attach a method to a customer; nothing happens when it is."""
    if method["customer"] == customer:
        return method
    method["customer"] = customer
    call.save(method)
    call.tell("payment_method.attached", method)
    return method


@routes.add("GET", "/v1/payment_methods/{payment_method}", "payment_methods.retrieve")
def retrieve(call: Call) -> Json:
    """One method."""
    return call.load("payment_method", call.ids["payment_method"], "payment_method")


@routes.add("POST", "/v1/payment_methods/{payment_method}/attach", "payment_methods.attach")
def attach(call: Call) -> Json:
    """Let a customer have it."""
    customer = call.load("customer", call.params["customer"], "customer")
    method = use(call, call.ids["payment_method"])
    if method["_gone"] or method["customer"] not in {None, customer["id"]}:
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was"
            " detached from a Customer, and may not be used again."
        )
    return keep_for(call, method, customer["id"])


@routes.add("POST", "/v1/payment_methods/{payment_method}/detach", "payment_methods.detach")
def detach(call: Call) -> Json:
    """Take it away for good: it cannot be used again."""
    method = retrieve(call)
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment"
            " is impossible."
        )
    method.update(customer=None, _gone=True)
    call.save(method)
    call.tell("payment_method.detached", method)
    return method


@routes.add("GET", "/v1/payment_methods", "payment_methods.list")
def listing(call: Call) -> Json:
    """The methods of a customer."""
    return lists.page_of(call, "/v1/payment_methods", _of(call, call.params.get("customer", "")))


@routes.add("GET", "/v1/customers/{customer}/payment_methods", "customers.payment_methods.list")
def listing_of_customer(call: Call) -> Json:
    """The same, below the customer."""
    customer = call.load("customer", call.ids["customer"], "customer")
    url = f"/v1/customers/{customer['id']}/payment_methods"
    return lists.page_of(call, url, _of(call, customer["id"]))


def _of(call: Call, customer: str) -> list[Json]:
    kind = call.params.get("type", "card")
    found = call.store.find("payment_method", customer=customer)
    return [method for method in found if method["type"] == kind]
