"""What is not as the gateway describes it is refused, and remembered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from tests import specs
from tests.peers.client import Peer
from tests.peers.paystack.app import PaystackPeer
from tests.peers.paystack.description import description as paystack_description
from tests.peers.shops import PaystackShop, StripeShop
from tests.peers.stripe.schema import description as stripe_description


@pytest.fixture
def lenient(stripe_peer: Peer) -> Iterator[StripeShop]:
    """A shop that breaks the rules on purpose."""
    specs.path("stripe-openapi-trimmed.json")
    yield StripeShop(stripe_peer)
    stripe_peer.forget_violations()


@pytest.fixture
def lenient_paystack(paystack_peer: Peer) -> Iterator[PaystackShop]:
    """The same at Paystack."""
    specs.path("paystack-openapi-trimmed.npm.json")
    yield PaystackShop(paystack_peer)
    paystack_peer.forget_violations()


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"payment_method_kind": "card"}, "payment_method_kind"),
        ({"metadata": {"reference": {"deeper": "1"}}}, "metadata[reference]"),
        ({"payment_intent_data": {"colour": "red"}}, "payment_intent_data[colour]"),
        ({"expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_stripe_refuses_parameters_it_does_not_describe(
    lenient: StripeShop, wrong: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        lenient.open(**wrong)

    [violation] = lenient.peer.violations()
    assert (refused.value.http_status, refused.value.param) == (400, param)
    assert (violation["operation"], violation["side"]) == ("checkout.sessions.create", "request")
    assert lenient.api.v1.checkout.sessions.list().data == []


def test_stripe_refuses_another_version_and_another_key(lenient: StripeShop) -> None:
    url = f"{lenient.peer.address}/v1/balance"
    key = {"Authorization": f"Bearer {lenient.peer.key}"}

    other_version = requests.get(url, headers={**key, "Stripe-Version": "2019-01-01"}, timeout=20)
    other_key = requests.get(url, headers={"Authorization": "Bearer sk_test_other"}, timeout=20)
    no_key = requests.get(url, timeout=20)

    assert other_version.status_code == 400
    assert "Invalid Stripe API version" in lenient.peer.violations()[0]["message"]
    assert [other_key.status_code, no_key.status_code] == [401, 401]
    assert "Invalid API Key" in other_key.json()["error"]["message"]


@pytest.mark.parametrize(
    "wrong",
    [{"amount": "500000"}, {"currency": "EUR"}, {"metadata": "text"}, {"colour": "red"}],
)
def test_paystack_refuses_bodies_it_does_not_describe(
    lenient_paystack: PaystackShop, wrong: dict[str, Any]
) -> None:
    body = {"email": "reader@legato.example", "amount": 500_000, "reference": "lp1"}

    refused = lenient_paystack.post("/transaction/initialize", **{**body, **wrong})

    [violation] = lenient_paystack.peer.violations()
    assert (refused.status_code, refused.json()["status"]) == (400, False)
    assert (violation["operation"], violation["side"]) == ("transaction.initialize", "request")
    assert lenient_paystack.get("/transaction/verify/lp1").status_code == 404


def test_paystack_refuses_another_key(lenient_paystack: PaystackShop) -> None:
    refused = requests.get(
        f"{lenient_paystack.peer.address}/balance",
        headers={"Authorization": "Bearer sk_test_other"},
        timeout=20,
    )

    assert (refused.status_code, refused.json()["message"]) == (401, "Invalid key")


def test_stripe_parameters_the_peer_would_leave_out_are_refused_too(lenient: StripeShop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not know discounts"):
        lenient.open(discounts=[{"coupon": "half"}])

    assert [violation["side"] for violation in lenient.peer.violations()] == ["peer"]


def test_an_object_unlike_stripe_s_is_noticed(shop: StripeShop) -> None:
    specs.path("stripe-openapi-trimmed.json")
    described = stripe_description()
    assert described is not None
    shop.paid()

    for delivery in shop.peer.outbox():
        body = json.loads(delivery["body"])["data"]["object"]
        assert described.wrong_in_object(body) == []
        assert described.wrong_in_object({**body, "colour": "red"}) != []
        assert described.wrong_in_object({**body, "created": "today"}) != []
        del body["id"]
        assert described.wrong_in_object(body) != []


def test_every_event_is_one_of_stripe_s(shop: StripeShop) -> None:
    official = set(specs.load("stripe-event-types.json"))
    for number in range(3):
        shop.paid(f"lp{number}", amount=5_000)
    shop.peer.abandon(shop.open("lp4").id)
    refund = shop.peer.control("refund/make", id="lp0")
    shop.peer.move_refund(refund["id"], "failed")
    shop.peer.open_dispute("lp1")
    shop.peer.move_dispute("lp1", "won")
    shop.peer.settle(at_once=True, status="paid")

    told = {delivery["kind"] for delivery in shop.peer.outbox()}

    assert told <= official
    assert len(told) > 15


def test_an_answer_that_lacks_a_member_of_the_sample_is_noticed() -> None:
    specs.path("paystack-sample-responses.json")
    described = paystack_description()
    assert described is not None
    route = next(r for r in PaystackPeer.routes if r.name == "transaction.initialize")
    data = {"authorization_url": "https://x", "access_code": "x", "reference": "lp1"}

    def wrong(body: dict[str, Any]) -> list[str]:
        return described.wrong_in_answer(route, 200, body)

    assert wrong({"status": True, "message": "m", "data": data}) == []
    del data["reference"]
    assert wrong({"status": True, "message": "m", "data": data}) == ["data.reference is missing"]
    assert wrong({"status": True, "data": data}) == ["no message"]


def test_paystack_s_webhooks_have_all_that_the_samples_have(paystack_shop: PaystackShop) -> None:
    events = specs.load("paystack-sample-events.json")["events"]
    samples = [body for name, body in events.items() if name.startswith(("webhooks/", "refunds/"))]
    paystack_shop.paid("lp1")
    paystack_shop.paid("lp2")
    refund = paystack_shop.peer.control("refund/make", id="lp1", amount=100_000)
    for status in ("processing", "needs-attention", "processed", "failed"):
        paystack_shop.peer.move_refund(refund["id"], status)
    paystack_shop.peer.open_dispute("lp2")
    paystack_shop.peer.move_dispute("lp2", "resolved", resolution="auto-accepted")

    told = [json.loads(delivery["body"]) for delivery in paystack_shop.peer.outbox()]

    compared = set()
    for body in told:
        for sample in samples:
            if sample["event"] == body["event"]:
                assert set(sample["data"]) - set(body["data"]) == set(), body["event"]
                compared.add(body["event"])
    assert compared == {body["event"] for body in told}
