"""What a test makes customers, banks and Stripe itself do, below ``/_peer/``."""

from collections.abc import Callable
from typing import Any, Protocol

from tests.peers.store import Json, Store
from tests.peers.stripe import (
    charges,
    disputes,
    intents,
    methods,
    pages,
    payouts,
    refunds,
    sessions,
)
from tests.peers.stripe.calls import ApiError, Call, control, public


class Account(Protocol):
    """What of the peer is needed here."""

    store: Store
    address: str

    def call(self, base: str, request_id: str | None = None) -> Call:
        """What the functions of the operations work with."""

    def check_events(self, call: Call) -> None:
        """Compare what was told with the description."""


type Function = Callable[[Call, Json], Any]


def does(name: str) -> Callable[[Function], Function]:
    """Make a function the control ``POST /_peer/<name>``."""

    def remember(function: Function) -> Function:
        @control.add("POST", f"/_peer/{name}", name)
        def run(account: Account, body: Json) -> Any:
            with account.store.transaction():
                call = account.call(account.address)
                try:
                    done: Any = public(function(call, body))
                except ApiError as error:
                    raise ValueError(str(error)) from error
            account.check_events(call)
            return done

        return function

    return remember


def find(call: Call, kind: str, wanted: str) -> Json | None:
    """An object by its id, or the newest with a reference of the caller's in it."""
    if found := call.store.get(kind, wanted):
        return found
    fitting = [
        body
        for body in call.store.mentioning(kind, wanted)
        if body.get("client_reference_id") == wanted or wanted in body["metadata"].values()
    ]
    return fitting[-1] if fitting else None


@does("pay")
def pay(call: Call, body: Json) -> Json:
    """The customer pays: ``id`` or reference of a session or an intent, and the ``method``."""
    method_id = body.get("method", "pm_card_visa")
    is_authenticated = body.get("authenticated", True)
    if session := find(call, sessions.KIND, body["id"]):
        return sessions.pay(call, session, method_id, is_authenticated=is_authenticated)
    intent = _intent(call, body["id"])
    if intent["status"] not in intents.OPEN:
        raise ValueError(f"this payment is {intent['status']}")
    if intent["status"] == "requires_action" and "method" not in body:
        method = call.load("payment_method", intent["payment_method"])
    else:
        method = methods.use(call, method_id)
    return intents.attempt(call, intent, method, is_authenticated=is_authenticated)


@does("decline")
def decline(call: Call, body: Json) -> Json:
    """The customer tries a card that is declined."""
    declined: Json = pay(call, {"method": "pm_card_chargeDeclined", **body})
    return declined


@does("authenticate")
def authenticate(call: Call, body: Json) -> Json:
    """The customer answers the bank that asked: ``succeeds`` or not."""
    intent = _intent(call, body["id"])
    if intent["status"] != "requires_action":
        raise ValueError(f"this payment is {intent['status']}")
    pages.authenticate(call, intent["id"], succeeds=body.get("succeeds", True))
    return call.load("payment_intent", intent["id"])


@does("method")
def change_card(call: Call, body: Json) -> Json:
    """A kept card, ``id``, behaves as another test method from now on: ``acts_as``."""
    kept = call.load("payment_method", body["id"])
    return call.save({**kept, "_test": body["acts_as"]})


@does("abandon")
def abandon(call: Call, body: Json) -> Json:
    """The customer never comes back: the session expires, the intent is cancelled."""
    if session := find(call, sessions.KIND, body["id"]):
        call.ids = {"session": session["id"]}
        return sessions.expire(call)
    call.ids = {"intent": _intent(call, body["id"])["id"]}
    call.params = {"cancellation_reason": "abandoned"}
    return intents.cancel(call)


@does("refund")
def refund(call: Call, body: Json) -> Json:
    """The bank answers a refund: ``status``, and the ``reason`` of a failure."""
    found = find(call, "refund", body["id"])
    if found is None:
        raise ValueError(f"no refund {body['id']}")
    return refunds.move(call, found, body["status"], body.get("reason", "declined"))


@does("refund/make")
def make_refund(call: Call, body: Json) -> Json:
    """Somebody refunds a payment in the dashboard: ``id`` of it, perhaps an ``amount``."""
    call.params = {"charge": _charge(call, body["id"])["id"]}
    call.params |= {name: body[name] for name in ("amount", "reason", "metadata") if name in body}
    return refunds.create(call)


@does("dispute/open")
def open_dispute(call: Call, body: Json) -> Json:
    """The payer disputes a payment: ``id`` of it, ``amount``, ``reason``, ``inquiry``."""
    return disputes.open_dispute(
        call,
        _charge(call, body["id"]),
        amount=body.get("amount"),
        reason=body.get("reason", "fraudulent"),
        is_inquiry=body.get("inquiry", False),
    )


@does("dispute/move")
def move_dispute(call: Call, body: Json) -> Json:
    """The bank decides, at any time and again: ``id`` and the ``status`` it has then."""
    dispute = call.store.get("dispute", body["id"])
    if dispute is None:
        dispute = call.store.first("dispute", charge=_charge(call, body["id"])["id"])
    if dispute is None:
        raise ValueError(f"no dispute of {body['id']}")
    return disputes.move(call, dispute, body["status"])


@does("settle")
def settle(call: Call, body: Json) -> list[Json]:
    """Pay out what is available: ``currency``, ``at_once``; then in ``status``."""
    made = payouts.settle(call, currency=body.get("currency"), at_once=body.get("at_once", False))
    status = body.get("status", "in_transit")
    return [
        payout if status == payout["status"] else payouts.move(call, payout, status)
        for payout in made
    ]


@does("payout")
def payout(call: Call, body: Json) -> Json:
    """Our bank answers a payout: ``id`` and ``status``."""
    return payouts.move(call, call.load("payout", body["id"]), body["status"])


@does("enter-late")
def enter_late(call: Call, _body: Json) -> list[str]:
    """Write the charges into the book that ``late_balance_transactions`` kept out of it."""
    return charges.enter_late(call)


@does("expire-due")
def expire_due(call: Call, _body: Json) -> Json:
    """Close the pages whose time is over by the peer's clock; a look at one does it too."""
    sessions.expire_due(call)
    return {}


def _intent(call: Call, wanted: str) -> Json:
    found = find(call, "payment_intent", wanted)
    if found is None:
        raise ValueError(f"no session or payment intent {wanted}")
    return found


def _charge(call: Call, wanted: str) -> Json:
    """The successful charge of a payment, by any id or reference of it."""
    if charge := call.store.get("charge", wanted):
        return charge
    session = find(call, sessions.KIND, wanted)
    intent = _intent(call, session["payment_intent"] if session else wanted)
    return call.load("charge", intent["latest_charge"] or "none")
