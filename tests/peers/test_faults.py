"""Faults: what was executed, and what the caller sees."""

from typing import Any

import pytest
import requests
import stripe

from tests.peers.client import Peer, Refused
from tests.peers.faults import Fault
from tests.peers.shops import PaystackShop, StripeShop

TIMEOUT = 0.3

FAULTS: list[tuple[Fault, bool, type[stripe.StripeError], int | None]] = [
    (Fault.REFUSE, False, stripe.APIConnectionError, None),
    (Fault.TIMEOUT_BEFORE, False, stripe.APIConnectionError, None),
    (Fault.TIMEOUT_AFTER, True, stripe.APIConnectionError, None),
    (Fault.ERROR_BEFORE, False, stripe.APIError, 500),
    (Fault.ERROR_AFTER, True, stripe.APIError, 500),
    (Fault.CONFLICT, False, stripe.APIError, 409),
    (Fault.RATE_LIMIT, False, stripe.RateLimitError, 429),
    (Fault.GARBAGE, True, stripe.APIError, 200),
    (Fault.RESET, True, stripe.APIConnectionError, None),
]


@pytest.mark.parametrize(("kind", "is_executed", "error", "status"), FAULTS)
def test_a_fault_at_stripe(
    stripe_peer: Peer,
    kind: Fault,
    is_executed: bool,
    error: type[stripe.StripeError],
    status: int | None,
) -> None:
    shop = StripeShop(stripe_peer, timeout=TIMEOUT)
    stripe_peer.fail("checkout.sessions.create", kind)

    with pytest.raises(error) as failed:
        shop.open("lp1")

    patient = StripeShop(stripe_peer).api
    assert failed.value.http_status == status
    assert len(patient.v1.checkout.sessions.list().data) == int(is_executed)


@pytest.mark.parametrize("kind", [kind for kind, is_executed, *_ in FAULTS if is_executed])
def test_the_same_key_finds_out_what_happened(stripe_peer: Peer, kind: Fault) -> None:
    stripe_peer.fail("checkout.sessions.create", kind, status=502)
    with pytest.raises(stripe.StripeError):
        StripeShop(stripe_peer, timeout=TIMEOUT).open("lp1")

    shop = StripeShop(stripe_peer)
    found = shop.open("lp1")

    assert [session.id for session in shop.api.v1.checkout.sessions.list()] == [found.id]


def test_a_500_of_the_api_is_the_answer_of_its_key(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    shop.peer.fail("checkout.sessions.create", Fault.ERROR_AFTER, status=500)

    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            shop.open("lp1")
        assert failed.value.http_status == 500

    assert [one.client_reference_id for one in api.v1.checkout.sessions.list()] == ["lp1"]


def test_a_slow_call_is_answered(shop: StripeShop) -> None:
    shop.peer.fail("*", Fault.SLOW, seconds=0.1)

    assert shop.open().status == "open"
    assert [call["fault"] for call in shop.peer.calls()] == ["slow"]


def test_faults_are_counted_and_may_wait(shop: StripeShop, api: stripe.StripeClient) -> None:
    shop.peer.fail("checkout.*", Fault.ERROR_BEFORE, count=2, skip=1)

    outcomes = []
    for number in range(4):
        try:
            outcomes.append(shop.open(f"lp{number}").status)
        except stripe.APIError:
            outcomes.append("failed")

    assert outcomes == ["open", "failed", "failed", "open"]
    assert api.v1.balance.retrieve().object == "balance"


def test_an_order_that_meets_nothing_is_refused(stripe_peer: Peer) -> None:
    with pytest.raises(Refused, match="no operation is called"):
        stripe_peer.fail("checkout.session.create", Fault.SLOW)


EXECUTED_AT_PAYSTACK = [
    (Fault.REFUSE, False, requests.ConnectionError),
    (Fault.TIMEOUT_BEFORE, False, requests.ReadTimeout),
    (Fault.TIMEOUT_AFTER, True, requests.ReadTimeout),
    (Fault.RESET, True, requests.RequestException),
]


@pytest.mark.parametrize(("kind", "is_executed", "error"), EXECUTED_AT_PAYSTACK)
def test_no_answer_from_paystack(
    paystack_peer: Peer, kind: Fault, is_executed: bool, error: type[Exception]
) -> None:
    paystack_peer.fail("transaction.initialize", kind)

    with pytest.raises(error):
        PaystackShop(paystack_peer, timeout=TIMEOUT).open("lp1")

    found = PaystackShop(paystack_peer).get("/transaction/verify/lp1")
    assert found.status_code == (200 if is_executed else 404)


@pytest.mark.parametrize(
    ("kind", "status", "is_executed"),
    [
        (Fault.ERROR_BEFORE, 500, False),
        (Fault.ERROR_AFTER, 500, True),
        (Fault.RATE_LIMIT, 429, False),
        (Fault.GARBAGE, 200, True),
    ],
)
def test_a_useless_answer_from_paystack(
    paystack_shop: PaystackShop, kind: Fault, status: int, is_executed: bool
) -> None:
    paystack_shop.peer.fail("transaction.initialize", kind)
    body: dict[str, Any] = {"email": "reader@legato.example", "amount": 500_000}

    answer = paystack_shop.post("/transaction/initialize", reference="lp1", **body)

    found = paystack_shop.get("/transaction/verify/lp1")
    assert answer.status_code == status
    assert found.status_code == (200 if is_executed else 404)
