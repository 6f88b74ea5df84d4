"""Disputes: what a payer's bank says, and what we answer."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import stripe

from legato_payments.lib.money import Money
from payments.gateways.stripe.answers import PAGE, Object, ask, find, walk
from payments.gateways.stripe.fields import (
    REFERENCE,
    created,
    figures_of,
    id_of,
    is_ours,
    metadata_of,
    moment,
    money,
)
from payments.gateways.values import DisputeState, DisputeStatus, Evidence, Window

if TYPE_CHECKING:
    from stripe.params import DisputeUpdateParamsEvidence

_EXPAND = ["payment_intent"]
_EXPAND_LIST = ["data.payment_intent"]

MAX_TEXT = 20_000
"""Characters of one text of the evidence."""

_STATUSES = {
    "warning_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "warning_under_review": DisputeStatus.UNDER_REVIEW,
    "warning_closed": DisputeStatus.WON,
    "needs_response": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "appeal_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "appeal_under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def get(client: stripe.StripeClient, gateway_id: str) -> DisputeState | None:
    """See ``ChargeGateway.get_dispute``."""
    return find(lambda: client.v1.disputes.retrieve(gateway_id, {"expand": _EXPAND}), state_of)


def submit_evidence(
    client: stripe.StripeClient, gateway_id: str, evidence: Evidence, *, key: str
) -> DisputeState:
    """See ``ChargeGateway.submit_evidence``."""
    texts = _texts(evidence)
    return ask(
        lambda: client.v1.disputes.update(
            gateway_id,
            {"evidence": texts, "submit": True, "expand": _EXPAND},
            {"idempotency_key": key},
        ),
        state_of,
    )


def accept(client: stripe.StripeClient, gateway_id: str, *, key: str) -> DisputeState:
    """See ``ChargeGateway.accept_dispute``."""
    return ask(
        lambda: client.v1.disputes.close(gateway_id, {"expand": _EXPAND}, {"idempotency_key": key}),
        state_of,
    )


def in_window(client: stripe.StripeClient, window: Window) -> Iterator[DisputeState]:
    """See ``ChargeGateway.list_disputes``."""
    return walk(
        lambda: client.v1.disputes.list(
            {"created": created(window), "expand": _EXPAND_LIST, "limit": PAGE}
        ),
        lambda dispute: state_of(dispute) if is_ours(dispute["currency"]) else None,
    )


def state_of(dispute: Object) -> DisputeState:
    """A dispute of Stripe's. The lines of its own book say whether it holds the money."""
    lines = dispute["balance_transactions"]
    holds_funds = sum(line["amount"] for line in lines) < 0
    status = _status(dispute["status"], holds_funds=holds_funds)
    due_by = dispute["evidence_details"].get("due_by")
    return DisputeState(
        gateway_id=dispute["id"],
        payment_id=id_of(dispute["payment_intent"]),
        charge_reference=metadata_of(dispute["payment_intent"]).get(REFERENCE, ""),
        status=status,
        amount=money(dispute["amount"], dispute["currency"]),
        reason=dispute["reason"],
        holds_funds=holds_funds,
        is_inquiry=dispute["status"].startswith("warning_"),
        is_withdrawn=status is DisputeStatus.WON and dispute["status"] != "won",
        fee=_sum_of(lines, [line["fee"] for line in lines if line["fee"] > 0]),
        fee_returned=_sum_of(lines, [-line["fee"] for line in lines if line["fee"] < 0]),
        settled=figures_of(lines, dispute["currency"]).settled,
        evidence_due_at=moment(due_by) if due_by else None,
        opened_at=moment(dispute["created"]),
        occurred_at=moment(max(dispute["created"], *(line["created"] for line in lines), 0)),
    )


def _status(status: str, *, holds_funds: bool) -> DisputeStatus:
    if status == "prevented":
        # Before it began: blocked, or settled by giving the money back.
        return DisputeStatus.LOST if holds_funds else DisputeStatus.WON
    return _STATUSES[status]


def _sum_of(lines: Sequence[Object], fees: Sequence[int]) -> Money | None:
    # All lines of a dispute are in the currency of our balance.
    currency = lines[0]["currency"] if lines else ""
    return money(sum(fees), currency) if fees and is_ours(currency) else None


def _texts(evidence: Evidence) -> "DisputeUpdateParamsEvidence":
    # A receipt would have to be a file; its address is as good.
    receipt = f"Receipt: {evidence.receipt_url}" if evidence.receipt_url else ""
    message = "\n".join(part for part in (evidence.message, receipt) if part)
    texts: DisputeUpdateParamsEvidence = {}
    if evidence.customer_email:
        texts["customer_email_address"] = evidence.customer_email
    if evidence.product_description:
        texts["product_description"] = evidence.product_description[:MAX_TEXT]
    if evidence.access_log:
        texts["access_activity_log"] = evidence.access_log[:MAX_TEXT]
    if evidence.terms:
        texts["refund_policy_disclosure"] = evidence.terms[:MAX_TEXT]
    if message:
        texts["uncategorized_text"] = message[:MAX_TEXT]
    return texts
