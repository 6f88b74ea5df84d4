"""Disputes: read, answered with a document, or given up.

Paystack takes the money when a dispute is lost, not while it is open. Who does not answer until
``dueAt`` has accepted.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import structlog

from legato_payments.lib.money import MINOR_DIGITS
from payments.gateways.base import InvalidRequest
from payments.gateways.paystack import errors, fields
from payments.gateways.paystack.client import Client, segment
from payments.gateways.paystack.fields import Row, members, text
from payments.gateways.values import DisputeState, DisputeStatus, Evidence, Window

log = structlog.get_logger(__name__)

STATUSES = {
    "awaiting-merchant-feedback": DisputeStatus.NEEDS_RESPONSE,
    "awaiting-bank-feedback": DisputeStatus.UNDER_REVIEW,
    "pending": DisputeStatus.UNDER_REVIEW,
    # Put away without a decision: nothing was taken.
    "archived": DisputeStatus.WON,
}

RESOLUTIONS = {
    "declined": DisputeStatus.WON,
    "merchant-accepted": DisputeStatus.LOST,
    "auto-accepted": DisputeStatus.LOST,
    "bank-accepted": DisputeStatus.LOST,
}

NOT_COLLECTED = "not collected"
"""For what Paystack asks and we do not know of a reader: name and telephone number."""


def find(client: Client, gateway_id: str) -> DisputeState | None:
    """One dispute; ``None`` when Paystack says that it has none."""
    answer = client.find(f"/dispute/{segment(gateway_id)}")
    return None if answer is None else state_of(fields.row_of(answer.data))


def decline(client: Client, gateway_id: str, evidence: Evidence) -> DisputeState:
    """Answer with evidence. One that was answered already is left alone, and its state returned.

    Raises:
        Unavailable: The document could not be uploaded; nothing was answered.
        GatewayError: See ``errors``.
    """
    before = _require(client, gateway_id)
    if before.status is not DisputeStatus.NEEDS_RESPONSE:
        return before
    document = _document(evidence)
    file_name = _upload(client, gateway_id, document)
    answer = client.post(
        f"/dispute/{segment(gateway_id)}/evidence",
        {
            "customer_email": evidence.customer_email or NOT_COLLECTED,
            "customer_name": NOT_COLLECTED,
            "customer_phone": NOT_COLLECTED,
            "service_details": document,
        },
    )
    resolution: dict[str, Any] = {
        "resolution": "declined",
        "message": evidence.message or "The service was delivered; see the document.",
        "refund_amount": 0,
        "uploaded_filename": file_name,
    }
    evidence_id = fields.integer(members(answer.data).get("id"))
    if evidence_id is not None:
        resolution["evidence"] = evidence_id
    return _resolve(client, before, resolution)


def accept(client: Client, gateway_id: str) -> DisputeState:
    """Give the dispute up: the payer has the money. One that is closed is left alone."""
    before = _require(client, gateway_id)
    if before.status in (DisputeStatus.LOST, DisputeStatus.WON):
        return before
    message = "Accepted by the merchant."
    resolution = {
        "resolution": "merchant-accepted",
        "message": message,
        "refund_amount": before.amount.minor,
        # The route asks for a document, also of who gives up.
        "uploaded_filename": _upload(client, gateway_id, message),
    }
    return _resolve(client, before, resolution)


def list_all(client: Client, window: Window) -> Iterator[DisputeState]:
    """Disputes opened in the window."""
    for row in client.rows("/dispute", fields.query_of(window)):
        if not fields.is_within(row, window):
            continue
        if _currency(row) not in MINOR_DIGITS:
            log.warning("paystack_other_currency", currency=_currency(row)[:10])
            continue
        yield state_of(row)


def state_of(row: Row) -> DisputeState:
    """A dispute of Paystack's in our words.

    Raises:
        Ambiguous: It has no id, or no amount of its own or its payment.
    """
    gateway_id = text(row.get("id"))
    if not gateway_id:
        raise errors.unreadable("a dispute without an id")
    payment = members(row.get("transaction"))
    # Nothing of it is given back of one that was declined: what was disputed is the payment.
    amount = fields.integer(row.get("refund_amount")) or payment.get("amount")
    status = _status(row)
    return DisputeState(
        gateway_id=gateway_id,
        payment_id=text(payment.get("id")) or text(row.get("transaction")),
        charge_reference=text(payment.get("reference"))
        or text(row.get("merchant_transaction_reference"))
        or text(row.get("transaction_reference")),
        status=status,
        amount=fields.money(amount, _currency(row)),
        reason=text(row.get("category")),
        holds_funds=status is DisputeStatus.LOST,
        is_withdrawn=text(row.get("status")) == "archived",
        evidence_due_at=fields.moment(row, "dueAt", "due_at"),
        opened_at=fields.created_at(row),
        occurred_at=fields.moment(
            row, "resolvedAt", "resolved_at", "updatedAt", "updated_at", "createdAt", "created_at"
        ),
    )


def _status(row: Row) -> DisputeStatus:
    status = text(row.get("status"))
    if status != "resolved":
        return STATUSES.get(status, DisputeStatus.UNDER_REVIEW)
    # Neither won nor lost by a word that we do not know: both move money.
    return RESOLUTIONS.get(text(row.get("resolution")), DisputeStatus.UNDER_REVIEW)


def _currency(row: Row) -> str:
    return text(row.get("currency")) or text(members(row.get("transaction")).get("currency"))


def _require(client: Client, gateway_id: str) -> DisputeState:
    state = find(client, gateway_id)
    if state is None:
        raise InvalidRequest("There is no such dispute.", gateway=errors.CODE, code="not_found")
    return state


def _resolve(client: Client, before: DisputeState, resolution: dict[str, Any]) -> DisputeState:
    path = f"/dispute/{segment(before.gateway_id)}/resolve"
    row = fields.row_of(client.put(path, resolution).data)
    # The answer of this route may have the payment's id in place of the payment, and no amount.
    after = state_of({**row, "refund_amount": before.amount.minor})
    return replace(
        after,
        amount=before.amount,
        payment_id=before.payment_id,
        charge_reference=before.charge_reference,
    )


def _upload(client: Client, gateway_id: str, document: str) -> str:
    path = f"/dispute/{segment(gateway_id)}/upload_url"
    place = fields.row_of(client.get(path, {"upload_filename": "evidence.txt"}).data)
    url, file_name = text(place.get("signedUrl")), text(place.get("fileName"))
    if not url or not file_name:
        raise errors.unreadable("no address to upload to")
    client.upload(url, document.encode())
    return file_name


def _document(evidence: Evidence) -> str:
    parts = {
        "Product": evidence.product_description,
        "Use of what was bought": evidence.access_log,
        "Receipt": evidence.receipt_url,
        "Terms": evidence.terms,
        "Message": evidence.message,
    }
    return "\n\n".join(f"{title}\n{words}" for title, words in parts.items() if words)
