"""Payments: opened on Paystack's page or charged to a saved card, read by our reference.

A payment's ``gateway_id`` is our reference: Paystack knows it by that from the first answer on,
while its own id, ``payment_id``, is first told when the payment is read.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog

from payments.gateways.base import ActionRequired, Declined, InvalidRequest
from payments.gateways.paystack import errors, fields
from payments.gateways.paystack.client import Client, segment
from payments.gateways.paystack.fields import Row, text
from payments.gateways.values import (
    ChargeRequest,
    ChargeState,
    ClientAction,
    Outcome,
    SavedMethod,
    Window,
)

log = structlog.get_logger(__name__)

OUTCOMES = {
    "success": Outcome.SUCCEEDED,
    # Paid, and given back later: the charge itself was a success.
    "reversed": Outcome.SUCCEEDED,
    "reversal pending": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    # Opened and not paid: what a payment is from the start. Its page can still be paid.
    "abandoned": Outcome.ACTION_REQUIRED,
    "ongoing": Outcome.ACTION_REQUIRED,
    "pending": Outcome.PENDING,
    "processing": Outcome.PENDING,
    "queued": Outcome.PENDING,
}

_NOT_OUR_METADATA = {"cancel_action", "referrer"}


def create(client: Client, request: ChargeRequest) -> ChargeState:
    """Open a page, or charge the saved card. The reference is what makes it happen once.

    Raises:
        InvalidRequest: No e-mail (``email_required``), or what Paystack found wrong.
        DuplicateReference: Asked for before. The page of a first answer that was lost cannot be
            had again: Paystack gives an ``authorization_url`` once, and takes no reference twice.
        Declined: The saved card was refused, or cannot be charged any more.
        ActionRequired: Off session, and the bank wants to see the reader.
    """
    if not request.customer.email:
        raise InvalidRequest(
            "Paystack needs an e-mail address.", gateway=errors.CODE, code="email_required"
        )
    if request.saved_method:
        return _charge_saved(client, request)
    return _open_page(client, request)


def find(client: Client, reference: str) -> ChargeState | None:
    """The payment with our reference; ``None`` when Paystack says that it has none."""
    row = find_row(client, reference)
    return None if row is None else state_of(row)


def fetch(client: Client, payment_id: str) -> ChargeState | None:
    """The payment with Paystack's own id; ``None`` when Paystack says that it has none."""
    answer = client.find(f"/transaction/{segment(payment_id)}")
    return None if answer is None else state_of(fields.row_of(answer.data))


def find_row(client: Client, reference: str) -> Row | None:
    """As ``find``, in Paystack's words."""
    answer = client.find(f"/transaction/verify/{segment(reference)}")
    if answer is None:
        return None
    row = fields.row_of(answer.data)
    _require_reference(row, reference)
    return row


def list_all(client: Client, window: Window) -> Iterator[ChargeState]:
    """Payments opened in the window, in the currencies of our books."""
    query = fields.query_of(window)
    for row in client.rows("/transaction", query, size_name="per_page"):
        if not fields.is_within(row, window):
            continue
        if not fields.is_ours(row):
            log.warning("paystack_other_currency", currency=text(row.get("currency"))[:10])
            continue
        yield state_of(row)


def forget_card(client: Client, token: str) -> None:
    """Let a saved card not be charged any more. One that cannot be by now is fine.

    Raises:
        GatewayError: See ``errors``.
    """
    body = {"authorization_code": token}
    try:
        client.post("/customer/authorization/deactivate", body, has_data=False)
    except InvalidRequest as error:
        if not _is_about_the_card(error):
            raise


def state_of(row: Row) -> ChargeState:
    """A transaction of Paystack's in our words.

    Raises:
        Ambiguous: It has no amount or no reference.
    """
    reference = text(row.get("reference"))
    if not reference:
        raise errors.unreadable("a transaction without a reference")
    outcome = OUTCOMES.get(text(row.get("status")).lower(), Outcome.UNKNOWN)
    is_paid = outcome is Outcome.SUCCEEDED
    return ChargeState(
        gateway_id=reference,
        reference=reference,
        outcome=outcome,
        amount=fields.money(row.get("amount"), row.get("currency")),
        fee=fields.money_or_none(row.get("fees"), row.get("currency")) if is_paid else None,
        failure_code=_failure_code(row) if outcome is Outcome.FAILED else "",
        occurred_at=paid_at(row) if is_paid else None,
        payment_id=text(row.get("id")),
        method=_saved_method(row) if is_paid else None,
        metadata=_metadata(row),
    )


def paid_at(row: Row) -> datetime | None:
    """When a transaction was paid."""
    return fields.moment(row, "paid_at", "paidAt", "transaction_date")


def _open_page(client: Client, request: ChargeRequest) -> ChargeState:
    metadata = _metadata_of(request)
    body = {**_terms(request), "metadata": metadata}
    if request.return_url:
        body["callback_url"] = request.return_url
        # Where the page's own cancel button leads.
        metadata["cancel_action"] = request.return_url
    row = fields.row_of(client.post("/transaction/initialize", body).data)
    _require_reference(row, request.reference)
    return _waiting(request, row)


def _charge_saved(client: Client, request: ChargeRequest) -> ChargeState:
    # Here, and only here, metadata is a string.
    body = {
        **_terms(request),
        "authorization_code": request.saved_method,
        "metadata": json.dumps(_metadata_of(request)),
    }
    try:
        answer = client.post("/transaction/charge_authorization", body)
    except InvalidRequest as error:
        if _is_about_the_card(error):
            raise _declined(str(error), "authorization_unusable") from error
        raise
    row = fields.row_of(answer.data)
    _require_reference(row, request.reference)
    if row.get("authorization_url"):
        if request.off_session:
            message, code = "The bank wants to see the reader.", "authentication_required"
            raise ActionRequired(message, gateway=errors.CODE, code=code)
        return _waiting(request, row)
    state = state_of(row)
    if state.outcome is Outcome.FAILED:
        raise _declined("The saved card was refused.", state.failure_code)
    return state


def _is_about_the_card(error: InvalidRequest) -> bool:
    # Paystack has no code of its own for it.
    return "authorization" in str(error).lower()


def _terms(request: ChargeRequest) -> dict[str, Any]:
    return {
        "email": request.customer.email,
        "amount": request.amount.minor,
        "currency": request.amount.currency,
        "reference": request.reference,
    }


def _metadata_of(request: ChargeRequest) -> dict[str, Any]:
    # Custom fields are what Paystack's dashboard and receipt show.
    description = {
        "display_name": "Description",
        "variable_name": "description",
        "value": request.description,
    }
    return {
        **request.metadata,
        "legato_reference": request.reference,
        "custom_fields": [description],
    }


def _waiting(request: ChargeRequest, row: Row) -> ChargeState:
    url = text(row.get("authorization_url"))
    if not url.startswith(("https://", "http://")):
        raise errors.unreadable("no address of a page")
    return ChargeState(
        gateway_id=request.reference,
        reference=request.reference,
        outcome=Outcome.ACTION_REQUIRED,
        amount=request.amount,
        action=ClientAction("redirect", url=url),
    )


def _require_reference(row: Row, reference: str) -> None:
    if text(row.get("reference")) != reference:
        raise errors.unreadable("another reference than asked for")


def _declined(message: str, code: str) -> Declined:
    return Declined(message, gateway=errors.CODE, code=code)


def _failure_code(row: Row) -> str:
    return fields.slug(row.get("gateway_response")) or fields.slug(row.get("message")) or "failed"


def _saved_method(row: Row) -> SavedMethod | None:
    method = fields.members(row.get("authorization"))
    if method.get("reusable") is not True or not text(method.get("authorization_code")):
        return None
    customer = fields.members(row.get("customer"))
    return SavedMethod(
        token=text(method["authorization_code"]),
        customer_id=text(customer.get("customer_code")),
        kind=text(method.get("channel")) or "card",
        brand=text(method.get("brand")).strip(),
        last4=text(method.get("last4")),
        expires=_expires(method),
        email=text(customer.get("email")),
    )


def _expires(method: Row) -> str:
    year, month = fields.integer(method.get("exp_year")), fields.integer(method.get("exp_month"))
    # 9999 stands for wallets and bank accounts, which do not expire.
    if year is None or month is None or not (2000 <= year < 9999 and 1 <= month <= 12):
        return ""
    return f"{year}-{month:02}"


def _metadata(row: Row) -> dict[str, str]:
    given = fields.members(row.get("metadata"))
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and name not in _NOT_OUR_METADATA
    }
