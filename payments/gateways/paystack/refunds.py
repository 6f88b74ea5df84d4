"""Refunds. Paystack has no key for them: ours is in the merchant's note, and looked for first."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from payments.gateways.base import Declined, InvalidRequest
from payments.gateways.paystack import charges, errors, fields
from payments.gateways.paystack.client import Client, segment
from payments.gateways.paystack.fields import Row, text
from payments.gateways.values import Outcome, RefundRequest, RefundState, Window

log = structlog.get_logger(__name__)

OUTCOMES = {
    "pending": Outcome.PENDING,
    "processing": Outcome.PENDING,
    "processed": Outcome.SUCCEEDED,
    # The money is back in our balance.
    "failed": Outcome.FAILED,
    # Until somebody gives the payer's bank account.
    "needs-attention": Outcome.ACTION_REQUIRED,
}

SKEW = timedelta(hours=1)
"""How far Paystack's clock may be behind ours before a refund of ours is overlooked."""

# At the start and nowhere else: the note of a refund made at the dashboard is free text, and the
# one Paystack writes by itself names the reference of the payment.
_OUR_NOTE = re.compile(r"legato:([A-Za-z0-9.=-]{1,64})(?: |$)")

_NEVER = re.compile(
    r"fully (reversed|refunded)|already (been )?(fully )?(reversed|refunded)|dispute"
    r"|(greater|more|higher) than|cannot be (reversed|refunded)|(not|non-?)\s?refundable",
    re.IGNORECASE,
)
"""Refusals that another try, or money in our balance, does not change."""


def create(client: Client, request: RefundRequest) -> RefundState:
    """Give money back, unless the refund with this reference exists.

    Two calls at the same moment would both find none: the caller holds the refund meanwhile.

    Raises:
        Declined: Refunded already, disputed, or more than was paid.
        InsufficientFunds: Our balance is too low.
        InvalidRequest: There is no such payment (``transaction_not_found``), or as Paystack says.
        Ambiguous: Perhaps done; a refund asked for again is found by its note.
    """
    charge = charges.find_row(client, request.charge_reference)
    if charge is None:
        fault, code = "There is no such payment.", "transaction_not_found"
        raise InvalidRequest(fault, gateway=errors.CODE, code=code)
    if found := _find_by_note(client, request.reference, since=fields.created_at(charge)):
        return found
    try:
        answer = client.post("/refund", _body(request))
    except InvalidRequest as error:
        if _NEVER.search(str(error)):
            raise Declined(str(error), gateway=errors.CODE, code=error.code) from error
        raise
    state = state_of(fields.row_of(answer.data))
    # The answer may leave out what we gave.
    return replace(
        state,
        reference=request.reference,
        payment_id=state.payment_id or request.payment_id,
        charge_reference=state.charge_reference or request.charge_reference,
    )


def find(
    client: Client,
    *,
    reference: str,
    charge_reference: str,
    gateway_id: str = "",
    since: datetime | None = None,
) -> RefundState | None:
    """The refund with Paystack's id, else with our reference; ``None`` when there is none."""
    if gateway_id:
        answer = client.find(f"/refund/{segment(gateway_id)}")
        return None if answer is None else state_of(fields.row_of(answer.data))
    if since is None:
        charge = charges.find_row(client, charge_reference)
        since = None if charge is None else fields.created_at(charge)
    return _find_by_note(client, reference, since=since)


def list_all(client: Client, window: Window) -> Iterator[RefundState]:
    """Refunds made in the window, ours and those of the dashboard."""
    for row in client.rows("/refund", fields.query_of(window)):
        if not fields.is_within(row, window):
            continue
        if not fields.is_ours(row):
            log.warning("paystack_other_currency", currency=text(row.get("currency"))[:10])
            continue
        yield state_of(row)


def state_of(row: Row) -> RefundState:
    """A refund of Paystack's in our words. Its payment may be an object or an id.

    Raises:
        Ambiguous: It has no id or no amount.
    """
    gateway_id = text(row.get("id"))
    if not gateway_id:
        raise errors.unreadable("a refund without an id")
    payment = fields.members(row.get("transaction"))
    outcome = OUTCOMES.get(text(row.get("status")).lower(), Outcome.UNKNOWN)
    note = _OUR_NOTE.match(text(row.get("merchant_note")))
    return RefundState(
        gateway_id=gateway_id,
        reference=note[1] if note else "",
        payment_id=text(payment.get("id")) or text(row.get("transaction")),
        charge_reference=text(payment.get("reference")) or text(row.get("transaction_reference")),
        outcome=outcome,
        amount=fields.money(row.get("amount"), row.get("currency")),
        failure_code=fields.slug(row.get("reason")) if outcome is Outcome.FAILED else "",
        occurred_at=fields.moment(row, "refunded_at", "createdAt", "created_at"),
    )


def _find_by_note(client: Client, reference: str, *, since: datetime | None) -> RefundState | None:
    query = {} if since is None else {"from": fields.stamp(since - SKEW)}
    for row in client.rows("/refund", query):
        note = _OUR_NOTE.match(text(row.get("merchant_note")))
        if note and note[1] == reference:
            return state_of(row)
    return None


def _body(request: RefundRequest) -> dict[str, str | int]:
    return {
        "transaction": request.charge_reference,
        "amount": request.amount.minor,
        "currency": request.amount.currency,
        "merchant_note": f"legato:{request.reference} {request.reason[:200]}".rstrip(),
        "customer_note": "Refund of your Legato payment",
    }
