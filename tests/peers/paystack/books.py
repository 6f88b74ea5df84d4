"""The peer's own books, for comparing with ours."""

from collections import defaultdict

from tests.peers.paystack import disputes, ledger, refunds, settlements, transactions
from tests.peers.paystack.calls import Call, shown
from tests.peers.store import Json


def books(call: Call) -> Json:
    """Everything that happened to the money, amounts in subunits.

    Returns:
        ``charges`` (with those that were never paid), ``refunds``, ``disputes``, ``payouts`` and
        ``transactions`` as lists; ``fees`` and ``balance`` per currency.
    """
    payments = call.store.find(transactions.KIND)
    fees: dict[str, int] = defaultdict(int)
    for payment in payments:
        fees[payment["currency"]] += payment["fees"] or 0
    lines = call.store.find(ledger.KIND)
    currencies = {line["currency"] for line in lines}
    return {
        "charges": [
            {
                **_some(payment, "reference", "amount", "currency", "status", "metadata"),
                "fee": payment["fees"],
                "amount_refunded": payment["_refunded"],
                "settlement": payment["_settlement"],
            }
            for payment in payments
        ],
        "refunds": [
            _some(refund, "transaction_reference", "amount", "currency", "status", "merchant_note")
            for refund in call.store.find(refunds.KIND)
        ],
        "disputes": [
            {
                **_some(dispute, "refund_amount", "currency", "status", "resolution"),
                "transaction": dispute["_payment"],
                "holds_funds": dispute["_takes"],
            }
            for dispute in call.store.find(disputes.KIND)
        ],
        "payouts": [shown(settlement) for settlement in call.store.find(settlements.KIND)],
        "transactions": [shown(line) for line in lines],
        "fees": dict(fees),
        "balance": {code: ledger.balance(call, code) for code in sorted(currencies)},
    }


def _some(body: Json, *names: str) -> Json:
    return {"id": body["id"], **{name: body[name] for name in names}}
