"""Refunds, which may wait, and fail after they succeeded."""

from tests.peers.store import Json
from tests.peers.stripe import ledger, lists
from tests.peers.stripe.calls import Call, invalid, new_id, routes
from tests.peers.stripe.customers import merge_metadata

STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")
GIVEN_BACK = ("failed", "canceled")
"""Refunds whose money is in our balance again."""


@routes.add("POST", "/v1/refunds", "refunds.create")
def create(call: Call) -> Json:
    """Give a payment back, or a part of it."""
    charge = _charge(call)
    if charge["disputed"] and not _is_only_inquired(call, charge):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = call.params.get("amount", left)
    if amount < 1:
        raise invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            "amount",
        )
    if call.options["refuse_refunds"]:
        raise invalid(
            "Insufficient funds in your Stripe balance to refund this amount.",
            code="balance_insufficient",
        )
    return _make(call, charge, amount)


def _charge(call: Call) -> Json:
    params = call.params
    if params.get("charge"):
        charge = call.load("charge", params["charge"], "charge")
    elif params.get("payment_intent"):
        intent = call.load("payment_intent", params["payment_intent"], "payment_intent")
        charge = call.store.get("charge", intent["latest_charge"] or "") or {"status": "none"}
    else:
        raise invalid(
            "One of the following params should be provided for this request:"
            " payment_intent or charge."
        )
    if charge["status"] != "succeeded":
        raise invalid("This payment does not have a successful charge to refund.")
    return charge


def _is_only_inquired(call: Call, charge: Json) -> bool:
    found = call.store.find("dispute", charge=charge["id"])
    return all(dispute["is_charge_refundable"] for dispute in found)


def _make(call: Call, charge: Json, amount: int) -> Json:
    status = call.options["refund_status"]
    if charge["_refunding"] == "pending":
        status = "pending"
    refund = {
        "id": new_id("re_"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": call.params.get("metadata") or {},
        "payment_intent": charge["payment_intent"],
        "reason": call.params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "pending":
        refund["pending_reason"] = "processing"
    if status != "failed":
        refund["balance_transaction"] = _enter(call, refund)["id"]
    else:
        refund["failure_reason"] = "declined"
    call.save(refund)
    if status != "failed":
        _count(call, charge, amount)
    call.tell("refund.created", refund)
    if status == "failed":
        call.tell("refund.failed", refund)
    else:
        call.tell("charge.refunded", charge)
    if charge["_refunding"] == "failing":
        move(call, refund, "failed")
    return refund


def _enter(call: Call, refund: Json) -> Json:
    settled, currency, rate = ledger.settled(call, -refund["amount"], refund["currency"])
    return ledger.book(
        call,
        kind="refund",
        category="refund",
        source=refund["id"],
        amount=settled,
        currency=currency,
        rate=rate,
        fee=call.options["refund_fee"],
        fee_name="Stripe refund fees",
        description="REFUND FOR CHARGE",
    )


def _count(call: Call, charge: Json, amount: int) -> None:
    """Change how much of a charge is refunded."""
    refunded = charge["amount_refunded"] + amount
    charge.update(amount_refunded=refunded, refunded=refunded == charge["amount"])
    call.save(charge)


def move(call: Call, refund: Json, status: str, reason: str = "declined") -> Json:
    """Let the bank answer; ``failed`` may come after ``succeeded`` and gives the money back.

    Raises:
        ValueError: No such status, or a refund that has failed already.
    """
    if status not in STATUSES or refund["status"] in GIVEN_BACK:
        raise ValueError(f"a refund that is {refund['status']} cannot become {status}")
    refund["status"] = status
    refund.pop("pending_reason", None)
    if status in GIVEN_BACK:
        # The same amount of our balance, not the one at today's rate.
        taken = call.load(ledger.KIND, refund["balance_transaction"])
        back = ledger.book(
            call,
            kind="refund_failure",
            category="refund_failure",
            source=refund["id"],
            amount=-taken["amount"],
            currency=taken["currency"],
            description="REFUND FAILURE",
        )
        refund.update(failure_balance_transaction=back["id"])
        if status == "failed":
            refund["failure_reason"] = reason
        _count(call, call.load("charge", refund["charge"]), -refund["amount"])
    call.save(refund)
    call.tell("refund.updated", refund)
    call.tell("charge.refund.updated", refund)
    if status == "failed":
        call.tell("refund.failed", refund)
    return refund


@routes.add("GET", "/v1/refunds/{refund}", "refunds.retrieve")
def retrieve(call: Call) -> Json:
    """One refund."""
    return call.load("refund", call.ids["refund"], "refund")


@routes.add("POST", "/v1/refunds/{refund}", "refunds.update")
def update(call: Call) -> Json:
    """Change its metadata, the only thing that can be changed."""
    refund = retrieve(call)
    merge_metadata(refund, call.params)
    return call.save(refund)


@routes.add("POST", "/v1/refunds/{refund}/cancel", "refunds.cancel")
def cancel(call: Call) -> Json:
    """Cancel one that waits for the customer."""
    refund = retrieve(call)
    if refund["status"] != "requires_action":
        raise invalid("Only refunds that require an action can be canceled.")
    return move(call, refund, "canceled")


@routes.add("GET", "/v1/refunds", "refunds.list")
def listing(call: Call) -> Json:
    """Refunds, by payment and time."""
    params = call.params
    return lists.page(
        call,
        "/v1/refunds",
        "refund",
        payment_intent=params.get("payment_intent"),
        charge=params.get("charge"),
    )
