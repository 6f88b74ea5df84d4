"""Payments: opened, found, closed; every request as Stripe describes it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import (
    ChargeRequest,
    ClientAction,
    CustomerRef,
    Outcome,
    SavedMethod,
    Window,
)
from tests.payments.gateways.stripe import objects
from tests.payments.gateways.stripe.objects import REFERENCE
from tests.payments.gateways.stripe.peer import Refusal, StrictPeer

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
PRICE = Money.from_minor(999, "USD")

OPEN_PAGE = "POST /v1/checkout/sessions"
OPEN_INTENT = "POST /v1/payment_intents"
READ_PAGE = "GET /v1/checkout/sessions/{session}"
READ_INTENT = "GET /v1/payment_intents/{intent}"
LIST_PAGES = "GET /v1/checkout/sessions"
LIST_INTENTS = "GET /v1/payment_intents"
CLOSE_PAGE = "POST /v1/checkout/sessions/{session}/expire"
CLOSE_INTENT = "POST /v1/payment_intents/{intent}/cancel"

REQUEST = ChargeRequest(
    reference=REFERENCE,
    amount=PRICE,
    customer=CustomerRef("reader-1", email="reader@legato.example"),
    description="1,100 Legato coins",
    metadata={"purchase_id": "p1"},
    return_url="https://legato.example/coins",
)
KNOWN = CustomerRef("reader-1", email="reader@legato.example", gateway_id="cus_1")
SAVED = replace(REQUEST, customer=KNOWN, saved_method="pm_1")


class TestHostedPage:
    def test_asks_for_exactly_one_payment(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(OPEN_PAGE, objects.session())

        state = gateway.create_charge(REQUEST, key="purchase:1:charge", now=NOW)

        metadata = {"purchase_id": "p1", "legato_reference": REFERENCE}
        call = peer.only(OPEN_PAGE)
        assert call.key == "purchase:1:charge"
        assert call.params == {
            "mode": "payment",
            "client_reference_id": REFERENCE,
            "customer_email": "reader@legato.example",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 999,
                        "product_data": {"name": "1,100 Legato coins"},
                    },
                }
            ],
            "success_url": "https://legato.example/coins",
            "cancel_url": "https://legato.example/coins",
            "metadata": metadata,
            "payment_intent_data": {"description": "1,100 Legato coins", "metadata": metadata},
            "adaptive_pricing": {"enabled": False},
        }
        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.gateway_id == "cs_test_1"
        assert state.payment_id == ""
        assert state.reference == REFERENCE
        assert state.amount == PRICE
        assert state.action == ClientAction(
            "redirect", url="https://checkout.stripe.com/c/pay/cs_test_1"
        )

    def test_comes_back_to_us_when_nothing_else_is_said(
        self, gateway: StripeGateway, peer: StrictPeer, settings: Any
    ) -> None:
        peer.will_answer(OPEN_PAGE, objects.session())

        gateway.create_charge(replace(REQUEST, return_url=None), key="k", now=NOW)

        assert peer.only(OPEN_PAGE).params["success_url"] == settings.PUBLIC_URL

    def test_names_a_customer_that_stripe_knows_and_no_address(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(OPEN_PAGE, objects.session())

        gateway.create_charge(replace(REQUEST, customer=KNOWN), key="k", now=NOW)

        assert peer.only(OPEN_PAGE).params["customer"] == "cus_1"
        assert "customer_email" not in peer.only(OPEN_PAGE).params

    def test_makes_a_customer_to_save_the_method_for(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer("POST /v1/customers", objects.example("customer", id="cus_new"))
        peer.will_answer(OPEN_PAGE, objects.session())

        gateway.create_charge(replace(REQUEST, save_method=True), key="k", now=NOW)

        params = peer.only(OPEN_PAGE).params
        assert peer.only("POST /v1/customers").key == "k:customer"
        assert params["customer"] == "cus_new"
        assert params["payment_intent_data"]["setup_future_usage"] == "off_session"

    @pytest.mark.parametrize(
        ("closes_in", "sent_in"),
        [
            (timedelta(hours=1), timedelta(hours=1)),
            (timedelta(minutes=5), timedelta(minutes=31)),
            (timedelta(days=3), timedelta(hours=23, minutes=59)),
        ],
    )
    def test_closes_as_near_to_our_time_as_stripe_can(
        self,
        gateway: StripeGateway,
        peer: StrictPeer,
        closes_in: timedelta,
        sent_in: timedelta,
    ) -> None:
        peer.will_answer(OPEN_PAGE, objects.session())

        gateway.create_charge(replace(REQUEST, expires_at=NOW + closes_in), key="k", now=NOW)

        assert peer.only(OPEN_PAGE).params["expires_at"] == int((NOW + sent_in).timestamp())


class TestOwnPage:
    def test_gets_a_secret_for_the_browser(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(OPEN_INTENT, objects.intent("requires_payment_method"))

        state = gateway.create_charge(replace(REQUEST, inline=True), key="k", now=NOW)

        assert peer.only(OPEN_INTENT).params == {
            "amount": 999,
            "currency": "usd",
            "description": "1,100 Legato coins",
            "metadata": {"purchase_id": "p1", "legato_reference": REFERENCE},
            "automatic_payment_methods": {"enabled": True},
            "expand": ["latest_charge.balance_transaction"],
        }
        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.gateway_id == state.payment_id == "pi_1"
        assert state.action == ClientAction(
            "client_secret", client_secret="pi_1_secret_x", publishable_key="pk_test_0123456789"
        )

    def test_saves_the_method_for_a_customer(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(OPEN_INTENT, objects.intent("requires_payment_method"))
        request = replace(REQUEST, inline=True, save_method=True, customer=KNOWN)

        gateway.create_charge(request, key="k", now=NOW)

        assert peer.only(OPEN_INTENT).params["customer"] == "cus_1"
        assert peer.only(OPEN_INTENT).params["setup_future_usage"] == "off_session"
        assert peer.names == [OPEN_INTENT]


class TestSavedMethod:
    @pytest.mark.parametrize("off_session", [False, True])
    def test_is_charged_at_once(
        self, gateway: StripeGateway, peer: StrictPeer, off_session: bool
    ) -> None:
        peer.will_answer(OPEN_INTENT, objects.intent())

        state = gateway.create_charge(replace(SAVED, off_session=off_session), key="k", now=NOW)

        params = peer.only(OPEN_INTENT).params
        assert params["customer"] == "cus_1"
        assert params["payment_method"] == "pm_1"
        assert params["confirm"] is True
        assert params["off_session"] is off_session
        assert params["automatic_payment_methods"] == {"enabled": True, "allow_redirects": "never"}
        assert state.outcome is Outcome.SUCCEEDED
        assert state.fee == Money.from_minor(59, "USD")
        assert state.action is None

    def test_may_want_the_reader_who_is_here(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(OPEN_INTENT, objects.intent("requires_action"))

        state = gateway.create_charge(SAVED, key="k", now=NOW)

        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.action
        assert state.action.client_secret == "pi_1_secret_x"

    @pytest.mark.parametrize(
        "answer",
        [
            Refusal(402, {"type": "card_error", "code": "authentication_required"}),
            Refusal(
                402,
                {
                    "type": "card_error",
                    "code": "card_declined",
                    "decline_code": "authentication_required",
                },
            ),
            None,
        ],
        ids=["code", "decline code", "state"],
    )
    def test_may_want_the_reader_who_is_not_here(
        self, gateway: StripeGateway, peer: StrictPeer, answer: Refusal | None
    ) -> None:
        peer.will_answer(OPEN_INTENT, answer or objects.intent("requires_action"))

        with pytest.raises(base.ActionRequired) as raised:
            gateway.create_charge(replace(SAVED, off_session=True), key="k", now=NOW)

        assert raised.value.code == "authentication_required"

    def test_may_be_declined(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        error = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}
        peer.will_answer(OPEN_INTENT, Refusal(402, error))

        with pytest.raises(base.Declined) as raised:
            gateway.create_charge(SAVED, key="k", now=NOW)

        assert not isinstance(raised.value, base.ActionRequired)
        assert raised.value.code == "lost_card"
        assert raised.value.request_id == "req_1"

    def test_is_declined_when_it_was_detached(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        error = {"type": "invalid_request_error", "param": "payment_method"}
        peer.will_answer(OPEN_INTENT, Refusal(400, error))

        with pytest.raises(base.Declined) as raised:
            gateway.create_charge(SAVED, key="k", now=NOW)

        assert raised.value.code == "payment_method_unusable"

    def test_is_not_blamed_for_another_fault(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        error = {"type": "invalid_request_error", "param": "amount"}
        peer.will_answer(OPEN_INTENT, Refusal(400, error))

        with pytest.raises(base.InvalidRequest):
            gateway.create_charge(SAVED, key="k", now=NOW)


class TestFinding:
    def test_reads_a_page_with_its_payment(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(READ_PAGE, objects.session("complete"))

        state = gateway.get_charge(reference=REFERENCE, gateway_id="cs_test_1")

        assert peer.only(READ_PAGE).path == "/v1/checkout/sessions/cs_test_1"
        assert state
        assert state.outcome is Outcome.SUCCEEDED
        assert state.gateway_id == "cs_test_1"
        assert state.payment_id == "pi_1"
        assert state.amount == PRICE
        assert state.fee == Money.from_minor(59, "USD")
        assert state.occurred_at == datetime.fromtimestamp(objects.CREATED, UTC)
        assert state.metadata == {"legato_reference": REFERENCE, "purchase_id": "p1"}

    def test_reads_a_payment(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(READ_INTENT, objects.intent())

        state = gateway.get_charge(reference=REFERENCE, gateway_id="pi_1")

        assert peer.only(READ_INTENT).path == "/v1/payment_intents/pi_1"
        assert state
        assert state.outcome is Outcome.SUCCEEDED

    @pytest.mark.parametrize(("name", "gateway_id"), [(READ_PAGE, "cs_1"), (READ_INTENT, "pi_1")])
    def test_knows_what_does_not_exist(
        self, gateway: StripeGateway, peer: StrictPeer, name: str, gateway_id: str
    ) -> None:
        missing = {"type": "invalid_request_error", "code": "resource_missing"}
        peer.will_answer(name, Refusal(404, missing))

        assert gateway.get_charge(reference=REFERENCE, gateway_id=gateway_id) is None

    def test_looks_through_pages_and_payments_since_we_asked(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        others: dict[str, Any] = {
            "metadata": {"legato_reference": "lpother"},
            "client_reference_id": "lpother",
        }
        older = objects.page(objects.intent(id="pi_2"))
        newer = objects.page(
            objects.intent(id="pi_9", **others), has_more=True, url=LIST_INTENTS[4:]
        )
        peer.will_answer(LIST_PAGES, objects.page(objects.session(id="cs_9", **others)))
        peer.will_answer(LIST_INTENTS, newer, older)

        state = gateway.get_charge(reference=REFERENCE, since=NOW)

        earliest = int((NOW - timedelta(minutes=5)).timestamp())
        assert state
        assert state.gateway_id == "pi_2"
        assert [call.params["created"] for call in peer.calls] == [{"gte": earliest}] * 3
        assert [call.params["limit"] for call in peer.calls] == [100] * 3
        assert peer.calls[2].params["starting_after"] == "pi_9"

    def test_finds_the_page_before_its_payment(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(LIST_PAGES, objects.page(objects.session("complete")))
        peer.will_answer(LIST_INTENTS, objects.page(objects.intent()))

        state = gateway.get_charge(reference=REFERENCE, since=NOW)

        assert state
        assert state.gateway_id == "cs_test_1"
        assert peer.names == [LIST_PAGES]

    def test_knows_that_nothing_was_made(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(LIST_PAGES, objects.page())
        peer.will_answer(LIST_INTENTS, objects.page())

        assert gateway.get_charge(reference=REFERENCE, since=NOW) is None


class TestClosing:
    def test_closes_an_open_page(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(READ_PAGE, objects.session())
        peer.will_answer(CLOSE_PAGE, objects.session("expired"))

        state = gateway.cancel_charge(reference=REFERENCE, gateway_id="cs_test_1", now=NOW)

        assert state
        assert state.outcome is Outcome.CANCELLED
        assert state.action is None

    @pytest.mark.parametrize("status", ["requires_payment_method", "requires_action"])
    def test_cancels_an_open_payment(
        self, gateway: StripeGateway, peer: StrictPeer, status: str
    ) -> None:
        peer.will_answer(READ_INTENT, objects.intent(status))
        peer.will_answer(CLOSE_INTENT, objects.intent("canceled"))

        state = gateway.cancel_charge(reference=REFERENCE, gateway_id="pi_1", now=NOW)

        assert state
        assert state.outcome is Outcome.CANCELLED
        assert state.occurred_at == datetime.fromtimestamp(objects.CREATED, UTC)

    def test_cancels_a_refused_one_that_a_browser_may_still_pay(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        ways = {"enabled": True, "allow_redirects": "never"}
        refused = objects.intent("requires_payment_method", automatic_payment_methods=ways)
        peer.will_answer(READ_INTENT, refused)
        peer.will_answer(CLOSE_INTENT, objects.intent("canceled"))

        gateway.cancel_charge(reference=REFERENCE, gateway_id="pi_1", now=NOW)

        assert peer.names == [READ_INTENT, CLOSE_INTENT]

    @pytest.mark.parametrize("status", ["succeeded", "processing", "canceled"])
    def test_leaves_what_is_over_or_under_way(
        self, gateway: StripeGateway, peer: StrictPeer, status: str
    ) -> None:
        peer.will_answer(READ_INTENT, objects.intent(status))

        gateway.cancel_charge(reference=REFERENCE, gateway_id="pi_1", now=NOW)

        assert peer.names == [READ_INTENT]

    def test_finds_what_was_paid_in_the_meantime(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(READ_PAGE, objects.session(), objects.session("complete"))
        peer.will_answer(CLOSE_PAGE, Refusal(400, {"type": "invalid_request_error"}))

        state = gateway.cancel_charge(reference=REFERENCE, gateway_id="cs_test_1", now=NOW)

        assert state
        assert state.outcome is Outcome.SUCCEEDED

    def test_does_not_call_an_open_page_closed(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        peer.will_answer(READ_PAGE, objects.session())
        peer.will_answer(CLOSE_PAGE, Refusal(400, {"type": "invalid_request_error"}))

        with pytest.raises(base.InvalidRequest):
            gateway.cancel_charge(reference=REFERENCE, gateway_id="cs_test_1", now=NOW)

    def test_looks_for_what_it_has_no_id_of(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(LIST_PAGES, objects.page(objects.session()))
        peer.will_answer(CLOSE_PAGE, objects.session("expired"))

        gateway.cancel_charge(reference=REFERENCE, since=NOW, now=NOW)

        assert peer.only(CLOSE_PAGE).path == "/v1/checkout/sessions/cs_test_1/expire"

    def test_has_nothing_to_close(self, gateway: StripeGateway, peer: StrictPeer) -> None:
        peer.will_answer(LIST_PAGES, objects.page())
        peer.will_answer(LIST_INTENTS, objects.page())

        assert gateway.cancel_charge(reference=REFERENCE, since=NOW, now=NOW) is None


class TestListing:
    def test_lists_pages_and_the_payments_of_no_page(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        earlier = objects.session("complete", id="cs_0", payment_intent=objects.intent(id="pi_0"))
        window = Window(NOW, NOW + timedelta(days=1))
        peer.will_answer(
            LIST_PAGES,
            objects.page(earlier),
            objects.page(objects.session("complete"), objects.session(id="cs_test_2")),
        )
        intents = [objects.intent(id=f"pi_{number}") for number in range(3)]
        peer.will_answer(LIST_INTENTS, objects.page(*intents))

        states = list(gateway.list_charges(window))

        start, end = int(window.start.timestamp()), int(window.end.timestamp())
        assert [state.gateway_id for state in states] == ["cs_test_1", "cs_test_2", "pi_2"]
        assert [call.params["created"] for call in peer.calls] == [
            {"gte": start - 24 * 3600, "lt": start},
            {"gte": start, "lt": end},
            {"gte": start, "lt": end},
        ]

    def test_leaves_out_what_is_no_payment_in_our_currencies(
        self, gateway: StripeGateway, peer: StrictPeer
    ) -> None:
        euros = objects.intent(id="pi_8", currency="eur")
        pages = [
            objects.session(mode="setup", currency=None, amount_total=None),
            objects.session(currency="eur"),
        ]
        peer.will_answer(LIST_PAGES, objects.page(), objects.page(*pages))
        peer.will_answer(LIST_INTENTS, objects.page(euros, objects.intent()))

        states = list(gateway.list_charges(Window(NOW, NOW)))

        assert [state.gateway_id for state in states] == ["pi_1"]


def test_a_method_saved_with_a_payment_can_be_charged_again(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    paid = objects.intent(setup_future_usage="off_session", payment_method="pm_7", customer="cus_1")
    peer.will_answer(READ_PAGE, objects.session("complete", payment_intent=paid))

    state = gateway.get_charge(reference=REFERENCE, gateway_id="cs_test_1")

    assert state
    assert state.method == SavedMethod("pm_7", "cus_1", "card", "visa", "4242", "2030-08")


def test_a_method_that_was_not_to_be_saved_is_not_kept(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    paid = objects.intent(payment_method="pm_7", customer="cus_1")
    peer.will_answer(READ_INTENT, paid)

    state = gateway.get_charge(reference=REFERENCE, gateway_id="pi_1")

    assert state
    assert state.outcome is Outcome.SUCCEEDED
    assert state.method is None


def test_a_fee_in_another_currency_is_told_with_what_arrived(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    line = objects.line(amount=1369, fee=81, net=1288, currency="cad")
    paid = objects.intent(latest_charge=objects.charge(balance_transaction=line))
    peer.will_answer(READ_INTENT, paid)

    state = gateway.get_charge(reference=REFERENCE, gateway_id="pi_1")

    assert state
    assert state.amount == PRICE
    assert state.fee == Money.from_minor(81, "CAD")
    assert state.settled == Money.from_minor(1369, "CAD")


def test_a_fee_that_is_not_known_yet_is_none(gateway: StripeGateway, peer: StrictPeer) -> None:
    paid = objects.intent(latest_charge=objects.charge(balance_transaction=None))
    peer.will_answer(READ_INTENT, paid)

    state = gateway.get_charge(reference=REFERENCE, gateway_id="pi_1")

    assert state
    assert state.outcome is Outcome.SUCCEEDED
    assert state.fee is None
    assert state.settled is None
