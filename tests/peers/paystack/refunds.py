"""Refunds: queued, processed by the bank, sometimes not."""

from tests.peers.clock import iso
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
    token,
)
from tests.peers.store import Json

KIND = "refund"
MERCHANT = "finance@legato.example"
EXPECTED_AFTER_DAYS = 9
DAY = 86_400

NAMES = ("first_name", "last_name", "email")

NEXT = {
    "pending": ("processing", "processed", "failed", "needs-attention"),
    "processing": ("processed", "failed", "needs-attention"),
    "needs-attention": ("processing", "processed", "failed"),
    "processed": ("failed",),
    "failed": (),
}
"""What may follow; ``failed`` after ``processed`` is a bank that sends the money back."""


def find_payment(call: Call, wanted: str) -> Json | None:
    """A transaction by its reference or its number."""
    return call.store.first(transactions.KIND, reference=wanted) or call.store.get(
        transactions.KIND, wanted
    )


@routes.add("POST", "/refund", "refund.create")
def create(call: Call) -> Reply:
    """Queue a refund. There is no key: the same call again is another refund."""
    params = call.params
    payment = find_payment(call, params["transaction"])
    if payment is None:
        raise ApiError(404, "Transaction not found", "transaction_not_found")
    if payment["fees"] is None:
        raise invalid("Transaction has not been paid and cannot be refunded")
    left = payment["amount"] - payment["_refunded"]
    if left <= 0:
        raise invalid("Transaction has been fully reversed", "transaction_reversed")
    amount = params.get("amount", left)
    if not 0 < amount <= left:
        raise invalid("Refund amount cannot be greater than the amount that is left")
    if params.get("currency", payment["currency"]) != payment["currency"]:
        raise invalid("Refund currency must be the transaction's")
    if call.options["refuse_refunds"]:
        raise invalid("Your balance is not enough to fulfil this request", "insufficient_balance")
    refund = _make(call, payment, amount)
    reply = Reply("Refund has been queued for processing", _created(call, refund, payment))
    for status in call.options["refunds_become"]:
        move(call, refund, status)
    return reply


def _make(call: Call, payment: Json, amount: int) -> Json:
    note = f"Refund for transaction {payment['reference']}"
    refund = call.store.put(
        KIND,
        {
            "id": call.number(),
            "integration": INTEGRATION,
            "transaction": payment["id"],
            "dispute": None,
            "settlement": None,
            "domain": DOMAIN,
            "currency": payment["currency"],
            "amount": amount,
            "status": "pending",
            "refunded_at": None,
            "refunded_by": MERCHANT,
            "customer_note": call.params.get("customer_note", note),
            "merchant_note": call.params.get("merchant_note", f"{note} by {MERCHANT}"),
            "deducted_amount": amount,
            "fully_deducted": 1,
            "createdAt": call.iso,
            "updatedAt": call.iso,
            "expected_at": iso(call.now + EXPECTED_AFTER_DAYS * DAY),
            "bank_reference": None,
            "transaction_reference": payment["reference"],
            "reason": "PENDING",
            "customer": payment["customer"],
            "refund_type": "full" if amount == payment["amount"] else "partial",
            "transaction_amount": payment["amount"],
            "initiated_by": MERCHANT,
            "refund_channel": "migs",
            "session_id": None,
            "collect_account_number": False,
            "_reference": None,
        },
    )
    ledger.enter(call, "Refund", refund["id"], -amount, refund["currency"])
    _count(call, refund, amount)
    _tell(call, refund)
    return refund


def _created(call: Call, refund: Json, payment: Json) -> Json:
    """The answer to ``create``: another shape than every later look at the same refund."""
    names = ("id", "domain", "reference", "amount", "paid_at", "channel", "currency", "order_id")
    return {
        "transaction": {
            **{name: payment[name] for name in names},
            "authorization": {"exp_month": None, "exp_year": None, "account_name": None},
            "customer": {"international_format_phone": None},
            "plan": {},
            "subaccount": {"currency": None},
            "split": {},
            "paidAt": payment["paid_at"],
            "pos_transaction_data": None,
            "source": None,
            "fees_breakdown": None,
        },
        **{
            name: refund[name]
            for name in (
                *("integration", "merchant_note", "customer_note", "status", "refunded_by"),
                *("expected_at", "currency", "domain", "amount", "id", "createdAt", "updatedAt"),
            )
        },
        "channel": None,
        "deducted_amount": 0,
        "fully_deducted": False,
    }


def _count(call: Call, refund: Json, amount: int) -> None:
    """Change how much of the payment is given back, and what its status says of it."""
    payment = call.store.get(transactions.KIND, refund["transaction"])
    assert payment is not None
    payment["_refunded"] += amount
    is_all = payment["_refunded"] >= payment["amount"]
    if not is_all:
        payment["status"] = "success"
    elif refund["status"] == "processed":
        payment["status"] = "reversed"
    else:
        payment["status"] = "reversal pending"
    call.store.put(transactions.KIND, payment)


def move(call: Call, refund: Json, status: str) -> Json:
    """Let the bank answer; ``failed`` returns the money to our balance.

    Raises:
        ValueError: That cannot follow.
    """
    if status not in NEXT[refund["status"]]:
        raise ValueError(f"a refund that is {refund['status']} cannot become {status}")
    refund.update(status=status, updatedAt=call.iso, reason=status.upper())
    if status == "processed":
        refund.update(refunded_at=call.iso, bank_reference=token(12), _reference=token(12))
    if status in {"failed", "needs-attention"}:
        refund["_reference"] = token(16, "TRF_")
    call.store.put(KIND, refund)
    if status == "failed":
        ledger.enter(call, "Refund", refund["id"], refund["amount"], refund["currency"])
    _count(call, refund, -refund["amount"] if status == "failed" else 0)
    _tell(call, refund)
    return refund


def _tell(call: Call, refund: Json) -> None:
    """With the samples' oddities: the amount is sometimes a text, the id is hardly ever there."""
    status = refund["status"]
    is_text = status in {"pending", "processing", "processed"}
    data = {
        "status": status,
        "transaction_reference": refund["transaction_reference"],
        "refund_reference": refund["_reference"],
        "amount": str(refund["amount"]) if is_text else refund["amount"],
        "currency": refund["currency"],
        "customer": {name: refund["customer"][name] for name in NAMES},
        "integration": INTEGRATION,
        "domain": DOMAIN,
    }
    if status == "needs-attention":
        names = ("customer_note", "merchant_note")
        data |= {"id": str(refund["id"]), **{name: refund[name] for name in names}}
    else:
        data["processor"] = "mpgs_zen" if status == "processed" else "instant-transfer"
    call.tell(f"refund.{status}", data)


@routes.add("GET", "/refund", "refund.list")
def listing(call: Call) -> Reply:
    """Refunds, by time and transaction."""
    params = call.params
    wanted = params.get("transaction", params.get("reference"))
    rows = [
        refund
        for refund in call.store.find(KIND)
        if wanted in {None, str(refund["transaction"]), refund["transaction_reference"]}
        and params.get("currency") in {None, refund["currency"]}
    ]
    reply = page(call, "Refunds retrieved", rows, "createdAt")
    if reply.meta:
        reply.meta["failedRefundCount"] = sum(row["status"] == "failed" for row in rows)
    return reply


@routes.add("GET", "/refund/{id}", "refund.fetch")
def fetch(call: Call) -> Reply:
    """One refund."""
    return Reply("Refund retrieved", _found(call))


@routes.add("POST", "/refund/retry_with_customer_details/{id}", "refund.retry")
def retry(call: Call) -> Reply:
    """Give the bank account of a customer whose card cannot be refunded."""
    refund = _found(call)
    if refund["status"] != "needs-attention":
        raise ApiError(
            422,
            'Invalid Refund state, refund status should be "needs-attention"',
            "invalid_params",
        )
    move(call, refund, "processing")
    data = {**refund, "channel": "isw_3ds", "customer": None, "reversed_at": None}
    return Reply("Refund retried and has been queued for processing", data)


def _found(call: Call) -> Json:
    found = call.store.get(KIND, call.ids["id"])
    if found is None:
        raise ApiError(404, "Refund not found", "not_found")
    return found
