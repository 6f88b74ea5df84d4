"""Settlements: what goes to our bank account."""

from tests.peers.clock import parse
from tests.peers.paystack import ledger, transactions
from tests.peers.paystack.calls import (
    DOMAIN,
    INTEGRATION,
    ApiError,
    Call,
    Reply,
    page,
    routes,
)
from tests.peers.store import Json

KIND = "settlement"
DAY = 86_400
STATUSES = ("pending", "processing", "success", "failed")


def settle(call: Call, *, currency: str = "NGN", at_once: bool = False) -> list[Json]:
    """Bundle the payments of yesterday and before, less what was given back since.

    Args:
        at_once: Also the payments of today.
    """
    paid = [
        payment
        for payment in call.store.find(transactions.KIND, _settlement=None, currency=currency)
        if payment["fees"] is not None
        and (at_once or parse(payment["paid_at"]) // DAY < call.now // DAY)
    ]
    deducted = [
        line
        for line in call.store.find(ledger.KIND, currency=currency, _settlement=None)
        if line["model_responsible"] in {"Refund", "Dispute"}
    ]
    processed = sum(payment["amount"] for payment in paid)
    fees = sum(payment["fees"] for payment in paid)
    deductions = -sum(line["difference"] for line in deducted)
    effective = processed - fees - deductions
    if effective <= 0:
        return []
    settlement = {
        "id": call.number(),
        "domain": DOMAIN,
        "status": "processing",
        "currency": currency,
        "integration": INTEGRATION,
        "total_amount": processed - fees,
        "effective_amount": effective,
        "total_fees": fees,
        "total_processed": processed,
        "deductions": deductions or None,
        "settlement_date": call.iso,
        "settled_by": None,
        "createdAt": call.iso,
        "updatedAt": call.iso,
    }
    _mark(call, paid, deducted, settlement["id"])
    call.store.put(KIND, settlement)
    ledger.enter(call, "Settlement", settlement["id"], -effective, currency)
    return [settlement]


def _mark(call: Call, paid: list[Json], deducted: list[Json], settlement: int | None) -> None:
    for payment in paid:
        call.store.put(transactions.KIND, {**payment, "_settlement": settlement})
    for line in deducted:
        call.store.put(ledger.KIND, {**line, "_settlement": settlement})


def move(call: Call, settlement: Json, status: str) -> Json:
    """Let our bank answer; a failed settlement is bundled again by the next.

    Raises:
        ValueError: No such status, or one that failed already.
    """
    if status not in STATUSES or settlement["status"] == "failed":
        raise ValueError(f"a settlement that is {settlement['status']} cannot become {status}")
    settlement.update(status=status, updatedAt=call.iso)
    call.store.put(KIND, settlement)
    if status == "failed":
        number, amount = settlement["id"], settlement["effective_amount"]
        ledger.enter(call, "Settlement", number, amount, settlement["currency"])
        _mark(
            call,
            call.store.find(transactions.KIND, _settlement=number),
            call.store.find(ledger.KIND, _settlement=number),
            None,
        )
    return settlement


@routes.add("GET", "/settlement", "settlement.list")
def listing(call: Call) -> Reply:
    """Settlements, by time and status."""
    wanted = call.params.get("status")
    rows = [row for row in call.store.find(KIND) if wanted in {None, row["status"]}]
    return page(call, "Settlements retrieved", rows, "createdAt")


@routes.add("GET", "/settlement/{id}/transactions", "settlement.transactions")
def of_settlement(call: Call) -> Reply:
    """The payments in it."""
    settlement = call.store.get(KIND, call.ids["id"])
    if settlement is None:
        raise ApiError(404, "Settlement not found", "not_found")
    rows = [
        transactions.row(payment)
        for payment in call.store.find(transactions.KIND, _settlement=settlement["id"])
    ]
    return page(call, "Transactions retrieved", rows)
