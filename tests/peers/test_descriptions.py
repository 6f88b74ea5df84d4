"""What is not as the gateway describes it is refused, and remembered."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from tests import specs
from tests.peers.client import Peer
from tests.peers.shops import PaystackShop, StripeShop


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
