"""The balance: every change of it is a balance transaction."""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

from tests.peers.store import Json
from tests.peers.stripe import lists
from tests.peers.stripe.calls import Call, new_id, routes

KIND = "balance_transaction"
DAY = 86_400


def half_up(value: Decimal) -> int:
    """Rounded as a merchant does."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def settled(call: Call, amount: int, currency: str) -> tuple[int, str, Decimal | None]:
    """What an amount is in the currency of our balance, that currency and the rate used.

    The rate is the one of now: a refund weeks later comes at another one than its charge.
    """
    target = call.options["settle_in"].get(currency)
    if target is None:
        return amount, currency, None
    rate = Decimal(call.options["rates"][f"{currency}:{target}"])
    return half_up(amount * rate), target, rate


def charge_fee(call: Call, amount: int) -> int:
    """2.9 % + 30, in the currency of the balance, unless the options say otherwise."""
    share = Decimal(amount) * call.options["fee_bps"] / 10_000
    return half_up(share) + int(call.options["fee_fixed"])


def book(
    call: Call,
    *,
    kind: str,
    category: str,
    source: str,
    amount: int,
    currency: str,
    rate: Decimal | None = None,
    fee: int = 0,
    fee_name: str = "Stripe processing fees",
    description: str | None = None,
    days: int = 0,
) -> Json:
    """Write a balance transaction.

    Args:
        amount: In ``currency``, the balance's; above zero when it grows.
        fee: Below zero when a fee is given back.
        days: Until the money is available.
    """
    details = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": fee_name,
        "type": "stripe_fee",
    }
    return call.save(
        {
            "id": new_id("txn_"),
            "object": KIND,
            "amount": amount,
            "available_on": call.now + days * DAY,
            "balance_type": "payments",
            "created": call.now,
            "currency": currency,
            "description": description,
            "exchange_rate": None if rate is None else float(rate),
            "fee": fee,
            "fee_details": [details] if fee else [],
            "net": amount - fee,
            "reporting_category": category,
            "source": source,
            "status": "available" if days == 0 else "pending",
            "type": kind,
            "_payout": None,
        }
    )


def ripen(call: Call) -> None:
    """Make available what has become so by now."""
    for row in call.store.find(KIND, status="pending", at_most=("available_on", call.now)):
        call.save({**row, "status": "available"})


def balances(call: Call) -> dict[str, tuple[int, int]]:
    """Available and pending, per currency."""
    ripen(call)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in call.store.find(KIND):
        sums[row["currency"]][row["status"] == "pending"] += row["net"]
    return {currency: (available, pending) for currency, (available, pending) in sums.items()}


@routes.add("GET", "/v1/balance", "balance.retrieve")
def balance(call: Call) -> Json:
    """What Stripe holds for us."""
    sums = balances(call) or {"usd": (0, 0)}

    def part(place: int) -> list[Json]:
        return [
            {"amount": pair[place], "currency": currency, "source_types": {"card": pair[place]}}
            for currency, pair in sorted(sums.items())
        ]

    return {"object": "balance", "available": part(0), "livemode": False, "pending": part(1)}


@routes.add("GET", "/v1/balance_transactions", "balance_transactions.list")
def listing(call: Call) -> Json:
    """The book, by time, payout, source, kind."""
    ripen(call)
    params = call.params
    return lists.page(
        call,
        "/v1/balance_transactions",
        KIND,
        _payout=params.get("payout"),
        source=params.get("source"),
        type=params.get("type"),
        currency=params.get("currency"),
    )


@routes.add("GET", "/v1/balance_transactions/{id}", "balance_transactions.retrieve")
def retrieve(call: Call) -> Json:
    """One line of the book."""
    ripen(call)
    return call.load(KIND, call.ids["id"])
