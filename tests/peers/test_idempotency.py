"""Stripe's idempotency keys."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests import specs
from tests.peers.faults import Fault
from tests.peers.shops import StripeShop


def test_the_same_key_gives_the_same_answer_once(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    first = shop.open("lp1")
    again = shop.open("lp1")

    headers: Any = again.last_response
    assert again.id == first.id
    assert headers.headers["Idempotent-Replayed"] == "true"
    assert len(api.v1.checkout.sessions.list().data) == 1


def test_the_same_key_with_other_parameters_is_refused(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    shop.open("lp1", amount=499)

    with pytest.raises(stripe.IdempotencyError):
        shop.open("lp1", amount=500)

    assert [session.amount_total for session in api.v1.checkout.sessions.list()] == [499]


def test_a_declined_payment_stays_declined_under_its_key(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    answers = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            shop.charge({"payment_method": "pm_card_chargeDeclined"}, "key")
        answers.append(declined.value.json_body)

    assert answers[0] == answers[1]
    assert len(api.v1.charges.list().data) == 1


def test_what_was_refused_unread_is_not_kept(shop: StripeShop) -> None:
    specs.path("stripe-openapi-trimmed.json")
    with pytest.raises(stripe.InvalidRequestError):
        shop.charge({"payment_method": "pm_card_visa", "amount": "many"}, "key")
    shop.peer.forget_violations()

    assert shop.charge({"payment_method": "pm_card_visa"}, "key").status == "succeeded"


def test_of_two_at_once_one_is_told_to_wait(shop: StripeShop, api: stripe.StripeClient) -> None:
    shop.peer.fail("payment_intents.create", Fault.SLOW, seconds=3)

    with ThreadPoolExecutor(1) as other:
        first = other.submit(shop.charge, {"payment_method": "pm_card_visa"}, "key")
        while not shop.peer.calls("payment_intents.create"):
            time.sleep(0.01)
        with pytest.raises(stripe.APIError) as refused:
            shop.charge({"payment_method": "pm_card_visa"}, "key")

    assert refused.value.http_status == 409
    assert first.result().status == "succeeded"
    assert len(api.v1.charges.list().data) == 1


def test_a_key_is_forgotten_after_a_day(shop: StripeShop, api: stripe.StripeClient) -> None:
    shop.peer.set_clock("2026-11-20T10:00:00Z")
    first = shop.open("lp1")

    shop.peer.advance(86_400)

    assert shop.open("lp1").id != first.id
    assert len(api.v1.checkout.sessions.list().data) == 2
