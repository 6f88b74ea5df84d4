"""Disputes: read, answered, given up."""

from datetime import UTC, datetime, timedelta

import pytest

from legato_payments.lib.money import Money
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import DisputeState, DisputeStatus, Evidence, Window
from tests.payments.gateways.stripe import objects
from tests.payments.gateways.stripe.objects import CREATED, REFERENCE
from tests.payments.gateways.stripe.peer import Refusal, StrictPeer

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
READ = "GET /v1/disputes/{dispute}"
ANSWER = "POST /v1/disputes/{dispute}"
GIVE_UP = "POST /v1/disputes/{dispute}/close"
LIST = "GET /v1/disputes"

TAKEN = {"amount": -999, "fee": 1500, "net": -2499}
GIVEN_BACK = {"amount": 999, "fee": -1500, "net": 2499, "created": CREATED + 86_400}


def test_reads_what_the_bank_wants(gateway: StripeGateway, peer: StrictPeer) -> None:
    details = {**objects.example("dispute")["evidence_details"], "due_by": CREATED + 7 * 86_400}
    peer.will_answer(READ, objects.dispute(evidence_details=details, reason="fraudulent"))

    state = gateway.get_dispute(gateway_id="du_1")

    opened_at = datetime.fromtimestamp(CREATED, UTC)
    assert state == DisputeState(
        gateway_id="du_1",
        payment_id="pi_1",
        charge_reference=REFERENCE,
        status=DisputeStatus.NEEDS_RESPONSE,
        amount=Money.from_minor(999, "USD"),
        reason="fraudulent",
        holds_funds=True,
        fee=Money.from_minor(1500, "USD"),
        evidence_due_at=opened_at + timedelta(days=7),
        opened_at=opened_at,
        occurred_at=opened_at,
    )


@pytest.mark.parametrize(
    ("status", "lines", "expected", "holds_funds", "is_withdrawn"),
    [
        ("warning_needs_response", [], DisputeStatus.NEEDS_RESPONSE, False, False),
        ("warning_under_review", [], DisputeStatus.UNDER_REVIEW, False, False),
        ("warning_closed", [], DisputeStatus.WON, False, True),
        ("under_review", [TAKEN], DisputeStatus.UNDER_REVIEW, True, False),
        ("lost", [TAKEN], DisputeStatus.LOST, True, False),
        ("won", [TAKEN], DisputeStatus.WON, True, False),
        ("won", [TAKEN, GIVEN_BACK], DisputeStatus.WON, False, False),
        ("prevented", [TAKEN], DisputeStatus.LOST, True, False),
        ("prevented", [], DisputeStatus.WON, False, True),
    ],
)
def test_says_how_it_stands_and_who_has_the_money(
    gateway: StripeGateway,
    peer: StrictPeer,
    status: str,
    lines: list[dict[str, int]],
    expected: DisputeStatus,
    holds_funds: bool,
    is_withdrawn: bool,
) -> None:
    booked = [objects.line(**line) for line in lines]
    peer.will_answer(READ, objects.dispute(status, balance_transactions=booked))

    state = gateway.get_dispute(gateway_id="du_1")

    assert state
    assert (state.status, state.holds_funds, state.is_withdrawn) == (
        expected,
        holds_funds,
        is_withdrawn,
    )


def test_says_what_of_the_fee_came_back(gateway: StripeGateway, peer: StrictPeer) -> None:
    lines = [objects.line(**TAKEN), objects.line(**GIVEN_BACK)]
    peer.will_answer(READ, objects.dispute("won", balance_transactions=lines))

    state = gateway.get_dispute(gateway_id="du_1")

    assert state
    assert state.fee == state.fee_returned == Money.from_minor(1500, "USD")
    assert state.occurred_at == datetime.fromtimestamp(CREATED + 86_400, UTC)


def test_knows_that_there_is_none(gateway: StripeGateway, peer: StrictPeer) -> None:
    missing = {"type": "invalid_request_error", "code": "resource_missing"}
    peer.will_answer(READ, Refusal(404, missing))

    assert gateway.get_dispute(gateway_id="du_1") is None


def test_answers_with_all_we_have(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(ANSWER, objects.dispute("under_review"))
    evidence = Evidence(
        customer_email="reader@legato.example",
        product_description="1,100 coins",
        access_log="x" * 20_001,
        receipt_url="https://legato.example/r/1",
        terms="No refund of coins that were used.",
        message="The reader opened 40 chapters.",
    )

    state = gateway.submit_evidence(gateway_id="du_1", evidence=evidence, key="dispute:1")

    assert state.status is DisputeStatus.UNDER_REVIEW
    assert peer.only(ANSWER).key == "dispute:1"
    assert peer.only(ANSWER).params == {
        "evidence": {
            "customer_email_address": "reader@legato.example",
            "product_description": "1,100 coins",
            "access_activity_log": "x" * 20_000,
            "refund_policy_disclosure": "No refund of coins that were used.",
            "uncategorized_text": (
                "The reader opened 40 chapters.\nReceipt: https://legato.example/r/1"
            ),
        },
        "submit": True,
        "expand": ["payment_intent"],
    }


def test_gives_up(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(GIVE_UP, objects.dispute("lost"))

    state = gateway.accept_dispute(gateway_id="du_1", key="dispute:1:accept")

    assert state.status is DisputeStatus.LOST
    assert peer.only(GIVE_UP).path == "/v1/disputes/du_1/close"
    assert peer.only(GIVE_UP).key == "dispute:1:accept"


def test_lists_those_in_our_currencies(gateway: StripeGateway, peer: StrictPeer) -> None:
    euros = objects.dispute(id="du_2", currency="eur")
    peer.will_answer(LIST, objects.page(objects.dispute(), euros))

    states = list(gateway.list_disputes(Window(NOW, NOW + timedelta(days=1))))

    assert [state.gateway_id for state in states] == ["du_1"]
