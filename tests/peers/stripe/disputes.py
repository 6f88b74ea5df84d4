"""Disputes: the bank takes the money back, and perhaps returns it."""

from tests.peers.store import Json
from tests.peers.stripe import ledger, lists
from tests.peers.stripe.calls import Call, invalid, new_id, routes
from tests.peers.stripe.customers import merge_metadata

STATUSES = (
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
)
HOLDING = ("needs_response", "under_review", "lost")
"""While it is so, the money is not in our balance."""
CLOSED = ("won", "lost", "prevented", "warning_closed")
ANSWERABLE = ("needs_response", "warning_needs_response")

FEE_NAME = "Dispute fee"
DAYS_TO_ANSWER = 9

TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)


def open_dispute(
    call: Call,
    charge: Json,
    *,
    amount: int | None = None,
    reason: str = "fraudulent",
    is_inquiry: bool = False,
) -> Json:
    """The bank disputes a charge; an inquiry only asks and takes nothing.

    Raises:
        ValueError: The charge did not succeed, or less is left of it.
    """
    disputed = charge["amount"] if amount is None else amount
    if charge["status"] != "succeeded" or not 0 < disputed <= charge["amount"]:
        raise ValueError(f"{disputed} of {charge['id']} ({charge['status']}) cannot be disputed")
    dispute = {
        "id": new_id("du_"),
        "object": "dispute",
        "amount": disputed,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys((*TEXTS, *FILES)), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": call.now + DAYS_TO_ANSWER * ledger.DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if is_inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
        "_holds": False,
    }
    call.save(dispute)
    call.save({**charge, "disputed": True})
    call.tell("charge.dispute.created", dispute)
    _hold_or_return(call, dispute)
    return dispute


def move(call: Call, dispute: Json, status: str) -> Json:
    """Let the bank decide, or open it again; the money follows the status.

    Raises:
        ValueError: No such status.
    """
    if status not in STATUSES:
        raise ValueError(f"no status {status}: {STATUSES}")
    dispute["status"] = status
    if not status.startswith("warning_"):
        dispute["is_charge_refundable"] = False
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    call.save(dispute)
    call.tell("charge.dispute.closed" if status in CLOSED else "charge.dispute.updated", dispute)
    _hold_or_return(call, dispute)
    return dispute


def _hold_or_return(call: Call, dispute: Json) -> None:
    is_holding = dispute["status"] in HOLDING
    if is_holding == dispute["_holds"]:
        return
    dispute["_holds"] = is_holding
    row = _withdraw(call, dispute) if is_holding else _reinstate(call, dispute)
    dispute["balance_transactions"].append(row)
    call.save(dispute)
    told = "funds_withdrawn" if is_holding else "funds_reinstated"
    call.tell(f"charge.dispute.{told}", dispute)


def _withdraw(call: Call, dispute: Json) -> Json:
    amount, currency, rate = ledger.settled(call, -dispute["amount"], dispute["currency"])
    return ledger.book(
        call,
        kind="adjustment",
        category="dispute",
        source=dispute["id"],
        amount=amount,
        currency=currency,
        rate=rate,
        fee=call.options["dispute_fee"],
        fee_name=FEE_NAME,
        description=f"Chargeback withdrawal for {dispute['charge']}",
    )


def _reinstate(call: Call, dispute: Json) -> Json:
    taken = dispute["balance_transactions"][-1]
    return ledger.book(
        call,
        kind="adjustment",
        category="dispute_reversal",
        source=dispute["id"],
        amount=-taken["amount"],
        currency=taken["currency"],
        fee=-taken["fee"] if call.options["dispute_fee_returned"] else 0,
        fee_name=FEE_NAME,
        description=f"Chargeback reversal for {dispute['charge']}",
    )


@routes.add("GET", "/v1/disputes", "disputes.list")
def listing(call: Call) -> Json:
    """Disputes, by payment and time."""
    params = call.params
    return lists.page(
        call,
        "/v1/disputes",
        "dispute",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )


@routes.add("GET", "/v1/disputes/{dispute}", "disputes.retrieve")
def retrieve(call: Call) -> Json:
    """One dispute."""
    return call.load("dispute", call.ids["dispute"], "dispute")


@routes.add("POST", "/v1/disputes/{dispute}", "disputes.update")
def update(call: Call) -> Json:
    """Give evidence; with ``submit``, which is assumed, it goes to the bank at once."""
    dispute = retrieve(call)
    evidence = call.params.get("evidence") or {}
    merge_metadata(dispute, call.params)
    if evidence and dispute["status"] not in ANSWERABLE:
        raise invalid(f"This dispute is {dispute['status']} and cannot be answered any more.")
    dispute["evidence"].update(evidence)
    details = dispute["evidence_details"]
    details["has_evidence"] = details["has_evidence"] or bool(evidence)
    call.save(dispute)
    if not (evidence and call.params.get("submit", True)):
        call.tell("charge.dispute.updated", dispute)
        return dispute
    details["submission_count"] += 1
    is_inquiry = dispute["status"] == "warning_needs_response"
    return move(call, dispute, "warning_under_review" if is_inquiry else "under_review")


@routes.add("POST", "/v1/disputes/{dispute}/close", "disputes.close")
def close(call: Call) -> Json:
    """Give it up: it is lost."""
    dispute = retrieve(call)
    if dispute["status"] in CLOSED:
        raise invalid("This dispute is already closed", code="dispute_already_closed")
    return move(call, dispute, "lost")
