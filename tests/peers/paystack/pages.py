"""The hosted page, for a person or a browser test."""

from urllib.parse import urlencode

from tests.peers.pages import form_page, message_page, redirect
from tests.peers.paystack import customers, transactions
from tests.peers.paystack.calls import Call
from tests.peers.store import Json
from tests.peers.web import Answer, Request

BUTTONS = {
    "success": "Pay",
    "declined": "Pay with a card that is declined",
    "insufficient": "Pay with a card without funds",
    "cancel": "Cancel",
}


def show(call: Call, request: Request) -> Answer:
    """The page of a transaction, and its buttons."""
    code = request.path.removeprefix("/pay/")
    transaction = call.store.first(transactions.KIND, _code=code)
    if transaction is None:
        return message_page("There is no such page.")
    if transaction["status"] not in transactions.PAYABLE:
        return message_page(f"This payment is {transaction['status']}.")
    if request.method == "GET":
        call.store.put(transactions.KIND, {**transaction, "status": "ongoing"})
        amount = f"{transaction['amount'] / 100:.2f} {transaction['currency']}"
        return form_page(f"Pay {amount}", transaction["reference"], BUTTONS)
    action = request.form().get("action", "")
    if action == "cancel":
        abandon(call, transaction)
        return _back(transaction)
    if action not in customers.CARDS:
        return form_page("Choose one.", "", BUTTONS)
    pay(call, transaction, action)
    if transaction["status"] == "success":
        return _back(transaction)
    return form_page(transaction["gateway_response"], "Try another card.", BUTTONS)


def pay(call: Call, transaction: Json, card: str, *, reusable: bool = True) -> Json:
    """The customer pays with a card.

    Raises:
        ValueError: It is paid already.
    """
    if transaction["status"] not in transactions.PAYABLE:
        raise ValueError(f"this payment is {transaction['status']}")
    customer = customers.by_email(call, transaction["customer"]["email"])
    authorization = customers.authorize(call, customer, card, reusable=reusable)
    return transactions.attempt(call, transaction, authorization)


def abandon(call: Call, transaction: Json) -> Json:
    """The customer leaves; the page stays open, as Paystack's does.

    Raises:
        ValueError: It is paid already.
    """
    if transaction["status"] not in transactions.PAYABLE:
        raise ValueError(f"this payment is {transaction['status']}")
    transaction.update(status="abandoned", gateway_response=transactions.NOT_COMPLETED)
    return call.store.put(transactions.KIND, transaction)


def _back(transaction: Json) -> Answer:
    reference = transaction["reference"]
    query = urlencode({"trxref": reference, "reference": reference})
    url = transaction["_callback"]
    if not url:
        return message_page("Go back to the shop.")
    return redirect(f"{url}{'&' if '?' in url else '?'}{query}")
