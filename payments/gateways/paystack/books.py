"""Paystack's own books: settlements to our bank, its ledger, its balances."""

from collections.abc import Iterator
from datetime import datetime

import structlog

from legato_payments.lib.money import Money
from payments.gateways.paystack import charges, errors, fields
from payments.gateways.paystack.client import Client, segment
from payments.gateways.paystack.fields import Row, text
from payments.gateways.values import (
    BalanceState,
    LedgerLine,
    LineKind,
    SettlementState,
    SettlementStatus,
    Window,
)

log = structlog.get_logger(__name__)

SETTLEMENT_STATUSES = {
    "success": SettlementStatus.PAID,
    "failed": SettlementStatus.FAILED,
}
"""Whatever else it says has not arrived yet."""

KINDS = {
    "transaction": (LineKind.CHARGE, LineKind.OTHER),
    "refund": (LineKind.REFUND_FAILURE, LineKind.REFUND),
    "dispute": (LineKind.DISPUTE_REVERSAL, LineKind.DISPUTE),
    "settlement": (LineKind.SETTLEMENT_FAILURE, LineKind.SETTLEMENT),
}
"""By the model a line is about: its kind when our balance grew, and when it shrank."""


def list_settlements(client: Client, window: Window) -> Iterator[SettlementState]:
    """Transfers to our bank made in the window."""
    # The list takes no dates in the official description; there is one row a day at most.
    for row in client.rows("/settlement"):
        if fields.is_within(row, window) and _is_kept(row):
            yield settlement_of(row)


def settlement_lines(client: Client, gateway_id: str) -> Iterator[LedgerLine]:
    """The payments that one transfer to our bank paid out.

    What Paystack deducted from it for refunds and disputes is no line of this list.
    """
    for row in client.rows(f"/settlement/{segment(gateway_id)}/transactions"):
        if _is_kept(row):
            yield _payment_line(row, settlement_id=gateway_id)


def ledger(client: Client, window: Window) -> Iterator[LedgerLine]:
    """What changed our balance in the window. The fee is taken off already: a line has only a net.

    The lines name the payment, refund or dispute by Paystack's id, never by our reference.
    """
    for row in client.rows("/balance/ledger", fields.query_of(window)):
        if fields.is_within(row, window) and _is_kept(row):
            yield line_of(row)


def balances(client: Client) -> list[BalanceState]:
    """What we can send or refund from; Paystack does not say what is still to come."""
    answer = client.get("/balance")
    if not isinstance(answer.data, list):
        raise errors.unreadable("no list of balances")
    rows = [fields.members(row) for row in answer.data]
    return [
        BalanceState(
            available=fields.money(row.get("balance"), row.get("currency")),
            pending=Money(0, text(row.get("currency"))),
        )
        for row in rows
        if _is_kept(row)
    ]


def settlement_of(row: Row) -> SettlementState:
    """A settlement of Paystack's in our words.

    Raises:
        Ambiguous: It has no id, amount or date.
    """
    gateway_id, made_at = text(row.get("id")), _made_at(row)
    if not gateway_id:
        raise errors.unreadable("a settlement without an id")
    effective = fields.integer(row.get("effective_amount"))
    amount = row.get("total_amount") if effective is None else effective
    return SettlementState(
        gateway_id=gateway_id,
        amount=fields.money(amount, row.get("currency")),
        status=SETTLEMENT_STATUSES.get(text(row.get("status")), SettlementStatus.PENDING),
        arrives_on=(fields.moment(row, "settlement_date") or made_at).date(),
        created_at=made_at,
    )


def line_of(row: Row) -> LedgerLine:
    """A line of Paystack's ledger in our words.

    Raises:
        Ambiguous: It has no id, amount or date.
    """
    line_id = text(row.get("id"))
    if not line_id:
        raise errors.unreadable("a line without an id")
    gross = fields.money(row.get("difference"), row.get("currency"))
    model = text(row.get("model_responsible"))
    grown, shrunk = KINDS.get(model.lower(), (LineKind.OTHER, LineKind.OTHER))
    return LedgerLine(
        id=line_id,
        kind=grown if gross.micros > 0 else shrunk,
        gross=gross,
        fee=Money(0, gross.currency),
        source_id=text(row.get("model_row")),
        reference="",
        occurred_at=_made_at(row),
        description=f"{model}: {text(row.get('reason'))}".rstrip(": "),
        is_net=True,
    )


def _payment_line(row: Row, *, settlement_id: str) -> LedgerLine:
    payment_id = text(row.get("id"))
    if not payment_id:
        raise errors.unreadable("a settled payment without an id")
    gross = fields.money(row.get("amount"), row.get("currency"))
    return LedgerLine(
        id=f"{settlement_id}:{payment_id}",
        kind=LineKind.CHARGE,
        gross=gross,
        fee=fields.money_or_none(row.get("fees"), gross.currency) or Money(0, gross.currency),
        source_id=payment_id,
        reference=text(row.get("reference")),
        occurred_at=charges.paid_at(row) or _made_at(row),
        settlement_id=settlement_id,
    )


def _made_at(row: Row) -> datetime:
    made_at = fields.created_at(row)
    if made_at is None:
        raise errors.unreadable("no date")
    return made_at


def _is_kept(row: Row) -> bool:
    if fields.is_ours(row):
        return True
    log.warning("paystack_other_currency", currency=text(row.get("currency"))[:10])
    return False
