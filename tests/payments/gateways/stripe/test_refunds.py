"""Refunds: made once, found again, listed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import Outcome, RefundRequest, RefundState, Window
from tests.payments.gateways.stripe import objects
from tests.payments.gateways.stripe.objects import REFERENCE
from tests.payments.gateways.stripe.peer import Refusal, StrictPeer

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
MAKE = "POST /v1/refunds"
READ = "GET /v1/refunds/{refund}"
LIST = "GET /v1/refunds"

REQUEST = RefundRequest(
    reference="lprefund",
    charge_reference=REFERENCE,
    payment_id="pi_1",
    amount=Money.from_minor(400, "USD"),
)
STATE = RefundState(
    gateway_id="re_1",
    reference="lprefund",
    payment_id="pi_1",
    charge_reference=REFERENCE,
    outcome=Outcome.SUCCEEDED,
    amount=Money.from_minor(400, "USD"),
    occurred_at=datetime.fromtimestamp(objects.CREATED, UTC),
)


def test_gives_back_a_part_of_a_payment(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(LIST, objects.page())
    peer.will_answer(MAKE, objects.refund())

    state = gateway.refund(REQUEST, key="refund:1", now=NOW)

    assert state == STATE
    assert peer.only(MAKE).key == "refund:1"
    assert peer.only(MAKE).params == {
        "payment_intent": "pi_1",
        "amount": 400,
        "metadata": {"legato_reference": "lprefund", "legato_charge_reference": REFERENCE},
        "expand": ["payment_intent", "balance_transaction", "failure_balance_transaction"],
    }


def test_gives_back_once_although_stripe_forgot_the_key(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    other = objects.refund(id="re_0", metadata={"legato_reference": "lpother"})
    peer.will_answer(LIST, objects.page(other, objects.refund()))

    state = gateway.refund(REQUEST, key="refund:1", now=NOW)

    assert state == STATE
    assert peer.names == [LIST]
    assert peer.only(LIST).params["payment_intent"] == "pi_1"


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("duplicate", "duplicate"), ("the reader changed their mind", None), ("", None)],
)
def test_tells_a_reason_that_stripe_knows(
    gateway: StripeGateway, peer: StrictPeer, reason: str, sent: str | None
) -> None:
    peer.will_answer(LIST, objects.page())
    peer.will_answer(MAKE, objects.refund())

    gateway.refund(replace(REQUEST, reason=reason), key="refund:1", now=NOW)

    assert peer.only(MAKE).params.get("reason") == sent


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("charge_already_refunded", base.Declined),
        ("charge_disputed", base.Declined),
        ("refund_disputed_payment", base.Declined),
        ("balance_insufficient", base.InsufficientFunds),
        ("insufficient_funds", base.InsufficientFunds),
        ("parameter_invalid_integer", base.InvalidRequest),
    ],
)
def test_says_why_it_cannot_be(
    gateway: StripeGateway, peer: StrictPeer, code: str, raised: type[base.GatewayError]
) -> None:
    peer.will_answer(LIST, objects.page())
    peer.will_answer(MAKE, Refusal(400, {"type": "invalid_request_error", "code": code}))

    with pytest.raises(raised) as refusal:
        gateway.refund(REQUEST, key="refund:1", now=NOW)

    assert type(refusal.value) is raised
    assert refusal.value.code == code


def test_reads_a_refund_by_its_id(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(READ, objects.refund())

    state = gateway.get_refund(reference="", payment_id="", charge_reference="", gateway_id="re_1")

    assert state == STATE


def test_finds_a_refund_among_those_of_its_payment(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    peer.will_answer(LIST, objects.page(objects.refund()))

    state = gateway.get_refund(reference="lprefund", payment_id="pi_1", charge_reference=REFERENCE)

    assert state == STATE


def test_knows_that_there_is_none(gateway: StripeGateway, peer: StrictPeer) -> None:
    missing = {"type": "invalid_request_error", "code": "resource_missing"}
    peer.will_answer(LIST, objects.page())
    peer.will_answer(READ, Refusal(404, missing))

    terms: dict[str, Any] = {
        "reference": "lprefund",
        "payment_id": "pi_1",
        "charge_reference": REFERENCE,
    }

    assert gateway.get_refund(**terms) is None
    assert gateway.get_refund(**terms, gateway_id="re_1") is None


def test_lists_refunds_of_the_dashboard_too(gateway: StripeGateway, peer: StrictPeer) -> None:
    by_hand = objects.refund(id="re_2", metadata={}, status="pending")
    euros = objects.refund(id="re_3", currency="eur")
    peer.will_answer(LIST, objects.page(objects.refund(), by_hand, euros))

    states = list(gateway.list_refunds(Window(NOW, NOW + timedelta(days=1))))

    start = int(NOW.timestamp())
    assert peer.only(LIST).params["created"] == {"gte": start, "lt": start + 86_400}
    assert [(s.gateway_id, s.reference, s.charge_reference, s.outcome) for s in states] == [
        ("re_1", "lprefund", REFERENCE, Outcome.SUCCEEDED),
        ("re_2", "", REFERENCE, Outcome.PENDING),
    ]


def test_says_why_a_refund_failed(gateway: StripeGateway, peer: StrictPeer) -> None:
    failed = objects.refund(status="failed", failure_reason="expired_or_canceled_card")
    peer.will_answer(READ, failed)

    state = gateway.get_refund(reference="", payment_id="", charge_reference="", gateway_id="re_1")

    assert state
    assert state.outcome is Outcome.FAILED
    assert state.failure_code == "expired_or_canceled_card"
