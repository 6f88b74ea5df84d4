"""The hosted page, for a person or a browser test."""

from tests.peers.pages import form_page, message_page, redirect
from tests.peers.stripe import intents, sessions
from tests.peers.stripe.calls import Call
from tests.peers.web import Answer, Request

BUTTONS = {
    "pay": "Pay",
    "decline": "Pay with a card that is declined",
    "insufficient": "Pay with a card without funds",
    "authenticate": "Pay with a card that asks for 3-D Secure",
    "cancel": "Cancel",
}
CARDS = {
    "pay": "pm_card_visa",
    "decline": "pm_card_chargeDeclined",
    "insufficient": "pm_card_chargeDeclinedInsufficientFunds",
    "authenticate": "pm_card_authenticationRequired",
}


def show(call: Call, request: Request) -> Answer:
    """The page of a session, or of an intent that waits for the bank; and its buttons."""
    object_id = request.path.removeprefix("/pay/")
    if intent := call.store.get("payment_intent", object_id):
        return _bank(call, request, object_id, intent["status"])
    sessions.expire_due(call)
    session = call.store.get(sessions.KIND, object_id)
    if session is None:
        return message_page("There is no such page.")
    if session["status"] != "open":
        return message_page(f"This page is {session['status']}.")
    if request.method == "GET":
        amount = f"{session['amount_total'] / 100:.2f} {session['currency'].upper()}"
        item = session["_line_items"][0]["description"]
        return form_page(f"Pay {amount}", item, BUTTONS)
    action = request.form().get("action", "")
    if action == "cancel":
        return redirect(session["cancel_url"] or session["success_url"])
    if action not in CARDS:
        return form_page("Choose one.", "", BUTTONS)
    sessions.pay(call, session, CARDS[action])
    if session["status"] == "complete":
        return redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    return form_page("Your card was declined.", "Try another one.", BUTTONS)


def _bank(call: Call, request: Request, intent_id: str, status: str) -> Answer:
    if status != "requires_action":
        return message_page(f"This payment is {status}.")
    if request.method == "GET":
        return form_page("Your bank asks", "Is it you?", {"yes": "Yes", "no": "No"})
    intent = call.load("payment_intent", intent_id)
    action = intent["next_action"].get("redirect_to_url") or {}
    authenticate(call, intent_id, succeeds=request.form().get("action") == "yes")
    return redirect(action["return_url"]) if action else message_page("Go back to the shop.")


def authenticate(call: Call, intent_id: str, *, succeeds: bool) -> None:
    """What the customer says to the bank."""
    intent = call.load("payment_intent", intent_id)
    if succeeds:
        method = call.load("payment_method", intent["payment_method"])
        intents.attempt(call, intent, method, is_authenticated=True)
        return
    error = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided payment method has failed authentication.",
        "type": "card_error",
    }
    intent.update(
        last_payment_error=error,
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    call.save(intent)
    call.tell("payment_intent.payment_failed", intent)
