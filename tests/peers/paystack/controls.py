"""What a test makes customers, banks and Paystack itself do, below ``/_peer/``."""

from collections.abc import Callable
from typing import Any, Protocol

from tests.peers.paystack import disputes, pages, refunds, settlements, transactions
from tests.peers.paystack.calls import ApiError, Call, control, shown
from tests.peers.store import Json, Store


class Account(Protocol):
    """What of the peer is needed here."""

    store: Store
    address: str

    def call(self, base: str) -> Call:
        """What the functions of the operations work with."""


type Function = Callable[[Call, Json], Any]


def does(name: str) -> Callable[[Function], Function]:
    """Make a function the control ``POST /_peer/<name>``."""

    def remember(function: Function) -> Function:
        @control.add("POST", f"/_peer/{name}", name)
        def run(account: Account, body: Json) -> Any:
            with account.store.transaction():
                try:
                    return shown(function(account.call(account.address), body))
                except ApiError as error:
                    raise ValueError(str(error)) from error

        return function

    return remember


@does("pay")
def pay(call: Call, body: Json) -> Any:
    """The customer pays: ``id`` or reference, the ``card`` and whether it is ``reusable``."""
    return pages.pay(
        call,
        _payment(call, body["id"]),
        body.get("card", "success"),
        reusable=body.get("reusable", True),
    )


@does("decline")
def decline(call: Call, body: Json) -> Any:
    """The customer tries a card that is declined; no webhook tells of it."""
    return pages.pay(call, _payment(call, body["id"]), body.get("card", "declined"))


@does("abandon")
def abandon(call: Call, body: Json) -> Any:
    """The customer leaves the page."""
    return pages.abandon(call, _payment(call, body["id"]))


@does("authorization")
def change_card(call: Call, body: Json) -> Any:
    """A kept card behaves differently from now on: ``code`` and the ``card`` it acts as."""
    kept = call.store.first("authorization", authorization_code=body["code"])
    if kept is None:
        raise ValueError(f"no authorization {body['code']}")
    kept |= {"_card": body.get("card", kept["_card"]), "reusable": body.get("reusable", True)}
    return call.store.put("authorization", kept)


@does("authorization/look")
def look_at_card(call: Call, body: Json) -> Any:
    """A kept card as it is now: its ``code``."""
    kept = call.store.first("authorization", authorization_code=body["code"])
    if kept is None:
        raise ValueError(f"no authorization {body['code']}")
    return kept


@does("refund")
def refund(call: Call, body: Json) -> Any:
    """The bank answers a refund: ``id`` of it or of its payment, and ``status``."""
    found = call.store.get(refunds.KIND, body["id"])
    if found is None:
        payment = _payment(call, str(body["id"]))
        found = call.store.find(refunds.KIND, transaction=payment["id"])[-1]
    return refunds.move(call, found, body["status"])


@does("refund/make")
def make_refund(call: Call, body: Json) -> Any:
    """Somebody refunds a payment in the dashboard: ``id`` of it, perhaps an ``amount``."""
    call.params = {"transaction": _payment(call, body["id"])["reference"]}
    call.params |= {name: body[name] for name in ("amount", "merchant_note") if name in body}
    return refunds.create(call).data


@does("dispute/open")
def open_dispute(call: Call, body: Json) -> Any:
    """The payer disputes a payment: ``id`` of it, ``amount``, ``category``."""
    return disputes.open_dispute(
        call,
        _payment(call, body["id"]),
        amount=body.get("amount"),
        category=body.get("category", "chargeback"),
    )


@does("dispute/move")
def move_dispute(call: Call, body: Json) -> Any:
    """The bank decides, or it is opened again: ``id``, ``status`` and ``resolution``."""
    found = _dispute(call, body["id"])
    return disputes.move(call, found, body["status"], body.get("resolution"))


@does("dispute/remind")
def remind(call: Call, body: Json) -> Any:
    """Paystack reminds us of a dispute."""
    disputes.remind(call, _dispute(call, body["id"]))
    return {}


@does("settle")
def settle(call: Call, body: Json) -> Any:
    """Settle what was paid before today: ``currency``, ``at_once``; then in ``status``."""
    made = settlements.settle(
        call, currency=body.get("currency", "NGN"), at_once=body.get("at_once", False)
    )
    status = body.get("status", "processing")
    return [one if status == one["status"] else settlements.move(call, one, status) for one in made]


@does("settlement")
def settlement(call: Call, body: Json) -> Any:
    """Our bank answers a settlement: ``id`` and ``status``."""
    found = call.store.get(settlements.KIND, body["id"])
    if found is None:
        raise ValueError(f"no settlement {body['id']}")
    return settlements.move(call, found, body["status"])


def _payment(call: Call, wanted: str) -> Json:
    found = refunds.find_payment(call, wanted)
    found = found or call.store.first(transactions.KIND, _code=wanted)
    if found is None:
        raise ValueError(f"no transaction {wanted}")
    return found


def _dispute(call: Call, wanted: str | int) -> Json:
    found = call.store.get(disputes.KIND, wanted)
    found = found or call.store.first(disputes.KIND, _payment=_payment_id(call, wanted))
    if found is None:
        raise ValueError(f"no dispute of {wanted}")
    return found


def _payment_id(call: Call, wanted: str | int) -> int:
    return int(_payment(call, str(wanted))["id"])
