"""The peer's own books, for comparing with ours."""

from collections import defaultdict

from tests.peers.store import Json
from tests.peers.stripe import ledger, sessions
from tests.peers.stripe.calls import Call


def books(call: Call) -> Json:
    """Everything that happened to the money, amounts in minor units.

    Returns:
        ``charges``, ``refunds``, ``disputes``, ``payouts`` and ``transactions`` as lists;
        ``fees`` and ``balance`` per currency. ``balance`` + paid out = what came in.
    """
    rows = call.store.find(ledger.KIND)
    fees: dict[str, int] = defaultdict(int)
    for row in rows:
        fees[row["currency"]] += row["fee"]
    return {
        "charges": [_charge(call, charge) for charge in call.store.find("charge")],
        "refunds": [
            _some(refund, "payment_intent", "charge", "amount", "currency", "status", "metadata")
            for refund in call.store.find("refund")
        ],
        "disputes": [
            {
                **_some(dispute, "payment_intent", "charge", "amount", "currency", "status"),
                "holds_funds": dispute["_holds"],
                "fee": sum(row["fee"] for row in dispute["balance_transactions"]),
            }
            for dispute in call.store.find("dispute")
        ],
        "payouts": [
            _some(payout, "amount", "currency", "status", "arrival_date")
            for payout in call.store.find("payout")
        ],
        "transactions": [
            {
                **_some(row, "type", "reporting_category", "amount", "fee", "net", "currency"),
                "source": row["source"],
                "payout": row["_payout"],
            }
            for row in rows
        ],
        "fees": dict(fees),
        "balance": {
            currency: {"available": available, "pending": pending}
            for currency, (available, pending) in ledger.balances(call).items()
        },
    }


def _some(body: Json, *names: str) -> Json:
    return {"id": body["id"], **{name: body[name] for name in names}}


def _charge(call: Call, charge: Json) -> Json:
    session = call.store.first(sessions.KIND, payment_intent=charge["payment_intent"])
    row = call.store.get(ledger.KIND, charge["balance_transaction"] or "")
    return {
        **_some(charge, "payment_intent", "amount", "currency", "status", "amount_refunded"),
        "disputed": charge["disputed"],
        "metadata": charge["metadata"],
        "session": session["id"] if session else None,
        "client_reference_id": session["client_reference_id"] if session else None,
        "settled": row["amount"] if row else None,
        "settled_currency": row["currency"] if row else None,
        "fee": row["fee"] if row else None,
    }
