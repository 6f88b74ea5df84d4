"""Deliveries: signed by the gateways' schemes, and spoilt in every way that is ordered."""

import hashlib
import hmac
import json
import time

import pytest
import stripe

from tests.peers.client import Peer
from tests.peers.receiver import Receiver
from tests.peers.shops import PaystackShop, StripeShop


def arrived(receiver: Receiver) -> list[str]:
    """The kinds of what arrived."""
    bodies = [json.loads(delivery.body) for delivery in receiver.deliveries]
    return [body.get("type") or body["event"] for body in bodies]


def test_the_official_sdk_accepts_stripe_s_signature(shop: StripeShop, receiver: Receiver) -> None:
    shop.paid()

    sent = shop.peer.deliver(url=receiver.url)

    delivery = receiver.deliveries[-1]
    header = delivery.headers["stripe-signature"]
    event = stripe.Webhook.construct_event(delivery.body, header, "whsec_peer")
    assert {line["status"] for line in sent} == {200}
    assert (event.type, event.api_version) == (
        "checkout.session.completed",
        "2026-05-27.dahlia",
    )
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.body, header, "whsec_other")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.body + b" ", header, "whsec_peer")


def test_both_secrets_sign_while_one_is_replaced(shop: StripeShop) -> None:
    shop.peer.options(webhook_secrets=["whsec_old", "whsec_new"])
    body = '{"id": "evt_1", "object": "event", "type": "ping"}'

    header = shop.peer.sign(body)["Stripe-Signature"]

    for secret in ("whsec_old", "whsec_new"):
        assert stripe.Webhook.construct_event(body.encode(), header, secret).id == "evt_1"


def test_a_signature_is_as_old_as_the_peer_s_clock(shop: StripeShop, receiver: Receiver) -> None:
    shop.peer.set_clock(int(time.time()) - 301)
    shop.open("lp1", expires_at=int(time.time()) + 3_600)
    shop.peer.abandon("lp1")

    shop.peer.deliver(url=receiver.url)

    delivery = receiver.deliveries[-1]
    with pytest.raises(stripe.SignatureVerificationError, match="outside the tolerance"):
        stripe.Webhook.construct_event(
            delivery.body, delivery.headers["stripe-signature"], "whsec_peer"
        )


def test_paystack_signs_the_raw_body_by_the_secret_key(
    paystack_shop: PaystackShop, receiver: Receiver
) -> None:
    paystack_shop.paid()

    paystack_shop.peer.deliver(url=receiver.url)

    [delivery] = receiver.deliveries
    expected = hmac.new(b"sk_test_peer", delivery.body, hashlib.sha512).hexdigest()
    assert delivery.headers["x-paystack-signature"] == expected
    assert arrived(receiver) == ["charge.success"]


def test_deliveries_are_lost_held_back_doubled_and_shuffled(
    shop: StripeShop, receiver: Receiver
) -> None:
    shop.paid()
    order = {"drop": ["charge.*"], "without": ["payment_intent.created"], "duplicates": 2}

    shop.peer.deliver(url=receiver.url, seed=5, **order)

    states = {delivery["kind"]: delivery["state"] for delivery in shop.peer.outbox()}
    assert states == {
        "payment_intent.created": "pending",
        "charge.succeeded": "dropped",
        "payment_intent.succeeded": "delivered",
        "checkout.session.completed": "delivered",
    }
    kinds = arrived(receiver)
    assert sorted(kinds) == ["checkout.session.completed"] * 3 + ["payment_intent.succeeded"] * 3
    assert kinds != sorted(kinds)
    receiver.deliveries.clear()
    shop.peer.deliver(url=receiver.url)
    assert arrived(receiver) == ["payment_intent.created"]


def test_the_same_seed_gives_the_same_order(stripe_peer: Peer, receiver: Receiver) -> None:
    orders = []
    for _ in range(2):
        stripe_peer.reset()
        StripeShop(stripe_peer).paid()
        stripe_peer.deliver(url=receiver.url, seed=7)
        orders.append(arrived(receiver))
        receiver.deliveries.clear()

    assert orders[0] == orders[1]
    assert len(orders[0]) == 4


def test_what_is_not_taken_is_sent_again(shop: StripeShop, receiver: Receiver) -> None:
    shop.paid()
    receiver.status = 500
    shop.peer.deliver(url=receiver.url, only=["checkout.session.completed"])
    receiver.status = 200

    sent = shop.peer.deliver(url=receiver.url, only=["checkout.*"])

    bodies = {delivery.body for delivery in receiver.deliveries}
    assert [line["status"] for line in sent] == [200]
    assert (len(receiver.deliveries), len(bodies)) == (2, 1)
    assert shop.peer.deliver(url=receiver.url, only=["checkout.*"]) == []


def test_deliveries_go_out_by_themselves_when_asked_to(
    tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    state = tmp_path_factory.mktemp("automatic") / "state.db"
    with Peer("stripe", state, webhooks=receiver.url, options={"automatic": True}) as peer:
        StripeShop(peer).paid()

        peer.wait_until_delivered()

        assert arrived(receiver)[-1] == "checkout.session.completed"
        assert peer.violations() == []
