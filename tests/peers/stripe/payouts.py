"""Payouts: what is available goes to our bank account."""

from tests.peers.store import Json
from tests.peers.stripe import ledger, lists
from tests.peers.stripe.calls import Call, new_id, routes

ARRIVES_AFTER_DAYS = 1
STATUSES = ("pending", "in_transit", "paid", "failed", "canceled")
RETURNED = ("failed", "canceled")


def settle(call: Call, *, currency: str | None = None, at_once: bool = False) -> list[Json]:
    """Bundle what is available into one payout per currency; nothing when the sum is not above 0.

    Args:
        at_once: Do not wait until a charge's money is available.
    """
    ledger.ripen(call)
    if at_once:
        for row in call.store.find(ledger.KIND, status="pending"):
            call.save({**row, "status": "available", "available_on": call.now})
    waiting: dict[str, list[Json]] = {}
    for row in call.store.find(ledger.KIND, status="available", _payout=None):
        if currency in {None, row["currency"]}:
            waiting.setdefault(row["currency"], []).append(row)
    return [
        _make(call, code, rows)
        for code, rows in waiting.items()
        if sum(row["net"] for row in rows) > 0
    ]


def _make(call: Call, currency: str, rows: list[Json]) -> Json:
    payout_id = new_id("po_")
    amount = sum(row["net"] for row in rows)
    own = ledger.book(
        call,
        kind="payout",
        category="payout",
        source=payout_id,
        amount=-amount,
        currency=currency,
        description="STRIPE PAYOUT",
    )
    for row in [*rows, own]:
        call.save({**row, "_payout": payout_id})
    payout = {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": call.now + ARRIVES_AFTER_DAYS * ledger.DAY,
        "automatic": True,
        "balance_transaction": own["id"],
        "created": call.now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": new_id("ba_"),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": "LEGATO",
        "status": "in_transit",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }
    call.save(payout)
    call.tell("payout.created", payout)
    call.tell("payout.reconciliation_completed", payout)
    return payout


def move(call: Call, payout: Json, status: str) -> Json:
    """Let the bank answer; ``failed`` may come after ``paid`` and gives the money back.

    Raises:
        ValueError: No such status, or a payout that came back already.
    """
    if status not in STATUSES or payout["status"] in RETURNED:
        raise ValueError(f"a payout that is {payout['status']} cannot become {status}")
    payout["status"] = status
    if status == "paid":
        payout["trace_id"] = {"status": "supported", "value": new_id("", 15).upper()}
    if status in RETURNED:
        back = ledger.book(
            call,
            kind="payout_failure" if status == "failed" else "payout_cancel",
            category="payout_reversal",
            source=payout["id"],
            amount=payout["amount"],
            currency=payout["currency"],
            description="STRIPE PAYOUT FAILURE",
        )
        payout["failure_balance_transaction"] = back["id"]
    if status == "failed":
        payout.update(
            failure_code="account_closed", failure_message="The bank account has been closed."
        )
    call.save(payout)
    call.tell("payout.updated", payout)
    if status in {"paid", "failed", "canceled"}:
        call.tell(f"payout.{status}", payout)
    return payout


@routes.add("GET", "/v1/payouts", "payouts.list")
def listing(call: Call) -> Json:
    """Payouts, by time and status."""
    return lists.page(call, "/v1/payouts", "payout", status=call.params.get("status"))


@routes.add("GET", "/v1/payouts/{payout}", "payouts.retrieve")
def retrieve(call: Call) -> Json:
    """One payout."""
    return call.load("payout", call.ids["payout"], "payout")
