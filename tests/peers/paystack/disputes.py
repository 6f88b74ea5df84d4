"""Disputes: we accept or decline them, then the bank decides."""

from tests.peers.clock import iso, parse
from tests.peers.paystack import ledger, transactions
from tests.peers.paystack.calls import (
    DOMAIN,
    INTEGRATION,
    ApiError,
    Call,
    Reply,
    invalid,
    page,
    routes,
    shown,
    token,
)
from tests.peers.paystack.refunds import MERCHANT, find_payment
from tests.peers.store import Json

KIND = "dispute"
STATUSES = ("awaiting-merchant-feedback", "awaiting-bank-feedback", "pending", "resolved")
ACCEPTED = ("merchant-accepted", "auto-accepted", "bank-accepted")
"""Resolutions that take the money from our balance."""
RESOLUTIONS = (*ACCEPTED, "declined")
ANSWER_SECONDS = 86_400


def open_dispute(
    call: Call, payment: Json, *, amount: int | None = None, category: str = "chargeback"
) -> Json:
    """The payer's bank asks. Nothing is taken before the dispute is resolved.

    Raises:
        ValueError: The payment was not made, or less is left of it.
    """
    disputed = payment["amount"] - payment["_refunded"] if amount is None else amount
    if payment["fees"] is None or not 0 < disputed <= payment["amount"]:
        raise ValueError(f"{disputed} of {payment['reference']} cannot be disputed")
    dispute = {
        "id": call.number(),
        "refund_amount": disputed,
        "currency": payment["currency"],
        "status": "awaiting-merchant-feedback",
        "resolution": None,
        "domain": DOMAIN,
        "transaction_reference": None,
        "merchant_transaction_reference": None,
        "category": category,
        "customer": payment["customer"],
        "bin": payment["authorization"].get("bin"),
        "last4": payment["authorization"].get("last4"),
        "dueAt": iso(call.now + ANSWER_SECONDS),
        "resolvedAt": None,
        "evidence": None,
        "attachments": None,
        "note": None,
        "history": [{"status": "pending", "by": MERCHANT, "createdAt": call.iso}],
        "messages": [],
        "createdAt": call.iso,
        "updatedAt": call.iso,
        "_payment": payment["id"],
        "_takes": False,
    }
    call.store.put(KIND, dispute)
    _tell(call, dispute, "create")
    return dispute


def move(call: Call, dispute: Json, status: str, resolution: str | None = None) -> Json:
    """Let it go on; a resolution takes the money, or gives it back when it changes.

    Raises:
        ValueError: No such status or resolution.
    """
    if status not in STATUSES or (status == "resolved") != (resolution in RESOLUTIONS):
        raise ValueError(f"{status}, {resolution}: resolved needs one of {RESOLUTIONS}")
    dispute.update(status=status, updatedAt=call.iso)
    if status == "resolved":
        dispute.update(resolution=resolution, resolvedAt=call.iso)
    elif status == "awaiting-merchant-feedback":
        dispute.update(resolution=None, resolvedAt=None, dueAt=iso(call.now + ANSWER_SECONDS))
    dispute["history"].append({"status": status, "by": MERCHANT, "createdAt": call.iso})
    _take_or_return(call, dispute)
    call.store.put(KIND, dispute)
    if status == "resolved":
        _tell(call, dispute, "resolve")
    return dispute


def remind(call: Call, dispute: Json) -> None:
    """Paystack reminds us that an answer is due."""
    _tell(call, dispute, "remind")


def resolve_due(call: Call) -> None:
    """What was not answered in time counts as accepted."""
    for dispute in call.store.find(KIND, status="awaiting-merchant-feedback"):
        if parse(dispute["dueAt"]) <= call.now:
            move(call, dispute, "resolved", "auto-accepted")


def _take_or_return(call: Call, dispute: Json) -> None:
    takes = dispute["resolution"] in ACCEPTED
    if takes == dispute["_takes"]:
        return
    dispute["_takes"] = takes
    amount = -dispute["refund_amount"] if takes else dispute["refund_amount"]
    ledger.enter(call, "Dispute", dispute["id"], amount, dispute["currency"])
    payment = _payment(call, dispute)
    payment["_refunded"] -= amount
    is_all = payment["_refunded"] >= payment["amount"]
    payment["status"] = "reversed" if is_all else "success"
    call.store.put(transactions.KIND, payment)


def _payment(call: Call, dispute: Json) -> Json:
    payment = call.store.get(transactions.KIND, dispute["_payment"])
    assert payment is not None
    return payment


def _nested(call: Call, dispute: Json) -> Json:
    """The transaction inside a dispute, with empty members where the samples have them."""
    payment = transactions.full(_payment(call, dispute))
    payment |= {"authorization": {}, "customer": {"international_format_phone": None}}
    return {**payment, "plan": {}, "subaccount": {}, "split": {}}


def full(call: Call, dispute: Json) -> Json:
    """A dispute as ``fetch`` shows it."""
    return {**shown(dispute), "transaction": _nested(call, dispute)}


def _tell(call: Call, dispute: Json, what: str) -> None:
    data = full(call, dispute)
    data |= {"created_at": data.pop("createdAt"), "updated_at": data.pop("updatedAt")}
    call.tell(f"charge.dispute.{what}", data)


@routes.add("GET", "/dispute", "dispute.list")
def listing(call: Call) -> Reply:
    """Disputes, by time, status and transaction."""
    resolve_due(call)
    params = call.params
    payment = find_payment(call, params["transaction"]) if "transaction" in params else None
    rows = [
        full(call, dispute)
        for dispute in call.store.find(KIND)
        if params.get("status") in {None, dispute["status"]}
        and ("transaction" not in params or (payment and payment["id"] == dispute["_payment"]))
    ]
    return page(call, "Disputes retrieved", rows, "createdAt")


@routes.add("GET", "/dispute/{id}", "dispute.fetch")
def fetch(call: Call) -> Reply:
    """One dispute."""
    resolve_due(call)
    return Reply("Dispute retrieved", full(call, _found(call)))


@routes.add("GET", "/dispute/transaction/{id}", "dispute.transaction")
def of_transaction(call: Call) -> Reply:
    """The dispute of a transaction."""
    resolve_due(call)
    found = call.store.first(KIND, _payment=int(call.ids["id"]))
    if found is None:
        raise ApiError(404, "Dispute not found", "not_found")
    data = {**full(call, found), "integration": INTEGRATION, "created_by": None}
    return Reply("Dispute retrieved successfully", data)


@routes.add("GET", "/dispute/{id}/upload_url", "dispute.upload_url")
def upload_url(call: Call) -> Reply:
    """Where a file of evidence could go."""
    _found(call)
    name = token(20)
    return Reply(
        "Upload url generated",
        {"signedUrl": f"{call.base}/files/{name}", "fileName": name},
    )


@routes.add("POST", "/dispute/{id}/evidence", "dispute.evidence")
def evidence(call: Call) -> Reply:
    """Say why the payment was right; it goes to the bank with ``resolve``."""
    dispute = _answerable(call)
    given = {
        "id": call.number(),
        "dispute": dispute["id"],
        "delivery_address": None,
        "delivery_date": None,
        **call.params,
        "createdAt": call.iso,
        "updatedAt": call.iso,
    }
    call.store.put("evidence", given)
    call.store.put(KIND, {**dispute, "evidence": shown(given)})
    return Reply("Evidence created", given)


@routes.add("PUT", "/dispute/{id}/resolve", "dispute.resolve")
def resolve(call: Call) -> Reply:
    """Accept it, or decline it and wait for the bank."""
    dispute = _answerable(call)
    params = call.params
    if params["resolution"] not in {"merchant-accepted", "declined"}:
        raise invalid("Resolution must be one of merchant-accepted, declined")
    payment = _payment(call, dispute)
    if params["refund_amount"] > payment["amount"]:
        raise invalid("Refund amount cannot be greater than initial amount")
    message = {
        "dispute": dispute["id"],
        "sender": MERCHANT,
        "body": params["message"],
        "id": call.number(),
        "createdAt": call.iso,
        "updatedAt": call.iso,
    }
    dispute["messages"].append({name: message[name] for name in ("sender", "body", "createdAt")})
    dispute["attachments"] = params["uploaded_filename"]
    if params["resolution"] == "merchant-accepted":
        dispute["refund_amount"] = params["refund_amount"]
        move(call, dispute, "resolved", "merchant-accepted")
    else:
        dispute["resolution"] = "declined"
        move(call, dispute, "awaiting-bank-feedback")
    data = {**full(call, dispute), "created_by": 30, "integration": INTEGRATION}
    return Reply("Dispute successfully resolved", {**data, "message": message})


def _found(call: Call) -> Json:
    found = call.store.get(KIND, call.ids["id"])
    if found is None:
        raise ApiError(404, "Dispute not found", "not_found")
    return found


def _answerable(call: Call) -> Json:
    resolve_due(call)
    dispute = _found(call)
    if dispute["status"] != "awaiting-merchant-feedback":
        raise invalid(f"This dispute is {dispute['status']} and cannot be answered")
    return dispute
