"""Stripe's own books: balance, balance transactions, payouts to our bank.

Lines in currencies that we keep no books in are left out: an account may hold some.
"""

from collections.abc import Iterator

import stripe

from legato_payments.lib.money import Money
from payments.gateways.stripe.answers import PAGE, Object, ask, walk
from payments.gateways.stripe.fields import (
    REFERENCE,
    created,
    id_of,
    is_ours,
    metadata_of,
    moment,
    money,
    object_of,
)
from payments.gateways.values import (
    BalanceState,
    LedgerLine,
    LineKind,
    SettlementState,
    SettlementStatus,
    Window,
)

_KINDS = {
    "charge": LineKind.CHARGE,
    "refund": LineKind.REFUND,
    "refund_failure": LineKind.REFUND_FAILURE,
    "dispute": LineKind.DISPUTE,
    "dispute_reversal": LineKind.DISPUTE_REVERSAL,
    "payout": LineKind.SETTLEMENT,
    "payout_reversal": LineKind.SETTLEMENT_FAILURE,
    "fee": LineKind.FEE,
    "network_cost": LineKind.FEE,
    "tax": LineKind.FEE,
}
"""By reporting category: https://docs.stripe.com/reports/reporting-categories. The types put
disputes among all other adjustments."""

_SETTLEMENTS = {
    "pending": SettlementStatus.PENDING,
    "in_transit": SettlementStatus.PENDING,
    "paid": SettlementStatus.PAID,
    "failed": SettlementStatus.FAILED,
    "canceled": SettlementStatus.FAILED,
}

_EXPAND = ["data.source"]


def ledger(client: stripe.StripeClient, window: Window) -> Iterator[LedgerLine]:
    """See ``ChargeGateway.ledger``."""
    return walk(
        lambda: client.v1.balance_transactions.list(
            {"created": created(window), "expand": _EXPAND, "limit": PAGE}
        ),
        line_of,
    )


def settlement_lines(client: stripe.StripeClient, gateway_id: str) -> Iterator[LedgerLine]:
    """See ``ChargeGateway.settlement_lines``. Stripe knows it of automatic payouts only.

    Raises:
        base.InvalidRequest: A payout made by hand.
    """
    lines = walk(
        lambda: client.v1.balance_transactions.list(
            {"payout": gateway_id, "expand": _EXPAND, "limit": PAGE}
        ),
        lambda line: line_of(line, settlement_id=gateway_id),
    )
    return (line for line in lines if line.source_id != gateway_id)


def settlements(client: stripe.StripeClient, window: Window) -> Iterator[SettlementState]:
    """See ``ChargeGateway.list_settlements``."""
    return walk(
        lambda: client.v1.payouts.list({"created": created(window), "limit": PAGE}),
        settlement_of,
    )


def balances(client: stripe.StripeClient) -> list[BalanceState]:
    """See ``ChargeGateway.balances``."""
    return ask(client.v1.balance.retrieve, balances_of)


def line_of(line: Object, settlement_id: str = "") -> LedgerLine | None:
    """A balance transaction; ``None`` in a currency that is not ours."""
    if not is_ours(line["currency"]):
        return None
    source = object_of(line["source"]) or {}
    # Of a payment we know the PaymentIntent, which has the charge.
    is_charge = source.get("object") == "charge"
    payment_id = id_of(source.get("payment_intent")) if is_charge else ""
    return LedgerLine(
        id=line["id"],
        kind=_KINDS.get(line["reporting_category"], LineKind.OTHER),
        gross=money(line["amount"], line["currency"]),
        fee=money(line["fee"], line["currency"]),
        source_id=payment_id or id_of(line["source"]),
        reference=metadata_of(source).get(REFERENCE, ""),
        occurred_at=moment(line["created"]),
        settlement_id=settlement_id,
        description=line.get("description") or "",
    )


def settlement_of(payout: Object) -> SettlementState | None:
    """A payout; ``None`` in a currency that is not ours."""
    if not is_ours(payout["currency"]):
        return None
    trace = payout.get("trace_id") or {}
    return SettlementState(
        gateway_id=payout["id"],
        amount=money(payout["amount"], payout["currency"]),
        status=_SETTLEMENTS[payout["status"]],
        arrives_on=moment(payout["arrival_date"]).date(),
        created_at=moment(payout["created"]),
        bank_reference=trace.get("value") or payout.get("statement_descriptor") or "",
    )


def balances_of(balance: Object) -> list[BalanceState]:
    """The balance in each of our currencies that it has."""
    available, pending = _sums(balance["available"]), _sums(balance["pending"])
    return [
        BalanceState(
            available=Money.from_minor(available.get(currency, 0), currency),
            pending=Money.from_minor(pending.get(currency, 0), currency),
        )
        for currency in sorted(available.keys() | pending.keys())
    ]


def _sums(parts: list[Object]) -> dict[str, int]:
    return {part["currency"].upper(): part["amount"] for part in parts if is_ours(part["currency"])}
