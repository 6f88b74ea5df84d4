"""The balance, and the book of what changed it."""

from tests.peers.paystack.calls import DOMAIN, INTEGRATION, Call, Reply, page, routes
from tests.peers.store import Json

KIND = "ledger"


def enter(
    call: Call, model: str, row: int, difference: int, currency: str, reason: str = ""
) -> Json:
    """Write a line.

    Args:
        model: ``Transaction``, ``Refund``, ``Dispute`` or ``Settlement``.
        row: The id of that.
        difference: Subunits; above zero when the balance grows.
    """
    return call.store.put(
        KIND,
        {
            "id": call.number(),
            "integration": INTEGRATION,
            "domain": DOMAIN,
            "balance": balance(call, currency) + difference,
            "currency": currency,
            "difference": difference,
            "reason": reason,
            "model_responsible": model,
            "model_row": row,
            "createdAt": call.iso,
            "updatedAt": call.iso,
        },
    )


def balance(call: Call, currency: str) -> int:
    """What Paystack holds for us."""
    return sum(line["difference"] for line in call.store.find(KIND, currency=currency))


@routes.add("GET", "/balance", "balance.fetch")
def fetch(call: Call) -> Reply:
    """The balance of each currency."""
    currencies = {line["currency"] for line in call.store.find(KIND)} | {"NGN"}
    return Reply(
        "Balances retrieved",
        [{"currency": code, "balance": balance(call, code)} for code in sorted(currencies)],
    )


@routes.add("GET", "/balance/ledger", "balance.ledger")
def listing(call: Call) -> Reply:
    """The book."""
    return page(call, "Balance ledger retrieved", call.store.find(KIND), "createdAt")
