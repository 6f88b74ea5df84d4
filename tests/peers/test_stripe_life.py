"""What a shop lives through at Stripe, by the official SDK."""

from collections.abc import Mapping
from typing import Any

import pytest
import requests
import stripe

from tests.peers.client import Peer, Refused
from tests.peers.shops import StripeShop


def kinds(peer: Peer) -> list[str]:
    """The events so far."""
    return [delivery["kind"] for delivery in peer.outbox()]


def test_a_page_is_paid_and_tells_the_fee(shop: StripeShop, api: stripe.StripeClient) -> None:
    opened = shop.open(amount=499)
    assert opened.payment_intent is None

    shop.peer.pay("lp1")

    session = api.v1.checkout.sessions.retrieve(
        opened.id, {"expand": ["payment_intent.latest_charge.balance_transaction"]}
    )
    intent: Any = session.payment_intent
    row = intent.latest_charge.balance_transaction
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert intent.metadata["reference"] == "lp1"
    assert (row.amount, row.fee, row.net, row.currency) == (499, 44, 455, "usd")
    assert kinds(shop.peer) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_declined_card_leaves_the_page_open(shop: StripeShop, api: stripe.StripeClient) -> None:
    opened = shop.open()

    shop.peer.decline("lp1")
    declined = api.v1.checkout.sessions.retrieve(opened.id, {"expand": ["payment_intent"]})
    shop.peer.pay("lp1")

    intent: Any = declined.payment_intent
    assert (declined.status, declined.payment_status) == ("open", "unpaid")
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == "card_declined"
    assert api.v1.checkout.sessions.retrieve(opened.id).payment_status == "paid"


def test_a_page_closes_when_its_time_is_over(shop: StripeShop, api: stripe.StripeClient) -> None:
    now = shop.peer.set_clock("2026-11-20T10:00:00Z")
    opened = shop.open(expires_at=now + 1_800)

    shop.peer.advance(1_801)

    assert api.v1.checkout.sessions.retrieve(opened.id).status == "expired"
    assert "checkout.session.expired" in kinds(shop.peer)
    with pytest.raises(Refused, match="expired"):
        shop.peer.pay("lp1")


def test_a_person_pays_on_the_page(shop: StripeShop, api: stripe.StripeClient) -> None:
    opened = shop.open()
    assert opened.url

    page = requests.get(opened.url, timeout=20)
    declined = requests.post(opened.url, {"action": "decline"}, timeout=20)
    left = requests.post(opened.url, {"action": "cancel"}, timeout=20, allow_redirects=False)
    paid = requests.post(opened.url, {"action": "pay"}, timeout=20, allow_redirects=False)

    assert "Pay 4.99 USD" in page.text
    assert "Your card was declined." in declined.text
    assert left.headers["Location"] == "https://legato.example/cancelled"
    assert paid.headers["Location"] == f"https://legato.example/paid?session={opened.id}"
    assert api.v1.checkout.sessions.retrieve(opened.id).payment_status == "paid"


def test_a_kept_card_is_charged_without_the_customer(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    customer = api.v1.customers.create({"email": "reader@legato.example"})
    intent = shop.paid(
        customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"}
    )

    kept = api.v1.payment_methods.list({"customer": customer.id}).data
    charged = shop.charge({"customer": customer.id, "payment_method": kept[0].id})

    assert len(kept) == 1
    assert (charged.status, charged.amount_received) == ("succeeded", 999)
    assert {row.id for row in api.v1.payment_intents.list({"customer": customer.id})} == {
        intent,
        charged.id,
    }
    api.v1.payment_methods.detach(kept[0].id)
    assert api.v1.payment_methods.list({"customer": customer.id}).data == []


def test_a_kept_card_may_behave_differently_later(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    customer = api.v1.customers.create({"email": "reader@legato.example"})
    shop.paid(customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"})
    (kept,) = api.v1.payment_methods.list({"customer": customer.id}).data

    shop.peer.control("method", id=kept.id, acts_as="pm_card_chargeDeclined")

    with pytest.raises(stripe.CardError):
        shop.charge({"customer": customer.id, "payment_method": kept.id})


@pytest.mark.parametrize(
    ("method", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_card_that_fails_says_why(
    shop: StripeShop, api: stripe.StripeClient, method: str, code: str, decline: str
) -> None:
    with pytest.raises(stripe.CardError) as failed:
        shop.charge({"payment_method": method})

    error: Any = failed.value.error
    intent: Mapping[str, Any] = error.payment_intent
    assert (failed.value.http_status, failed.value.code, error.decline_code) == (402, code, decline)
    assert intent["status"] == "requires_payment_method"
    assert api.v1.balance_transactions.list().data == []


def test_a_bank_asks_a_customer_who_is_here(shop: StripeShop, api: stripe.StripeClient) -> None:
    asked = api.v1.payment_intents.create(
        {
            "amount": 999,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True},
            "return_url": "https://legato.example/back",
        }
    )
    action: Any = asked.next_action
    answered = requests.post(
        action.redirect_to_url.url, {"action": "yes"}, timeout=20, allow_redirects=False
    )

    assert asked.status == "requires_action"
    assert answered.headers["Location"] == "https://legato.example/back"
    assert api.v1.payment_intents.retrieve(asked.id).status == "succeeded"


def test_an_unpaid_intent_is_cancelled_and_a_paid_one_is_not(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    unpaid = api.v1.payment_intents.create({"amount": 999, "currency": "usd"})
    paid = shop.paid()

    cancelled = api.v1.payment_intents.cancel(unpaid.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.payment_intents.cancel(paid)

    assert cancelled.status == "canceled"
    assert refused.value.code == "payment_intent_unexpected_state"
    assert api.v1.payment_intents.retrieve(paid).status == "succeeded"


def test_refunds_never_exceed_the_payment(shop: StripeShop, api: stripe.StripeClient) -> None:
    intent = shop.paid(amount=500)
    api.v1.refunds.create({"payment_intent": intent, "amount": 300})

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        api.v1.refunds.create({"payment_intent": intent, "amount": 201})
    api.v1.refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create({"payment_intent": intent})

    amounts = [refund.amount for refund in api.v1.refunds.list({"payment_intent": intent})]
    charge = api.v1.charges.list({"payment_intent": intent}).data[0]
    assert refused.value.code == "charge_already_refunded"
    assert amounts == [200, 300]
    assert (charge.amount_refunded, charge.refunded) == (500, True)


def test_a_refund_fails_after_it_succeeded(shop: StripeShop, api: stripe.StripeClient) -> None:
    intent = shop.paid(amount=500)
    refund = api.v1.refunds.create({"payment_intent": intent})
    assert refund.status == "succeeded"

    shop.peer.move_refund(refund.id, "failed", reason="lost_or_stolen_card")

    failed = api.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    back: Any = failed.failure_balance_transaction
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert (back.type, back.net) == ("refund_failure", 500)
    assert not api.v1.charges.list({"payment_intent": intent}).data[0].refunded
    assert kinds(shop.peer)[-3:] == ["refund.updated", "charge.refund.updated", "refund.failed"]


def test_a_dispute_takes_the_money_and_a_won_one_gives_it_back(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    intent = shop.paid(amount=5_000)
    dispute = shop.peer.open_dispute("lp1")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create({"payment_intent": intent})
    answered = api.v1.disputes.update(
        dispute["id"], {"evidence": {"product_description": "coins"}, "submit": True}
    )
    shop.peer.move_dispute(dispute["id"], "lost")
    shop.peer.move_dispute(dispute["id"], "won")

    rows = api.v1.disputes.retrieve(dispute["id"]).balance_transactions
    assert refused.value.code == "charge_disputed"
    assert answered.status == "under_review"
    assert [(row.reporting_category, row.amount, row.fee) for row in rows] == [
        ("dispute", -5_000, 1_500),
        ("dispute_reversal", 5_000, 0),
    ]


def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    shop.paid(amount=5_000)
    inquiry = shop.peer.open_dispute("lp1", inquiry=True)
    assert api.v1.disputes.retrieve(inquiry["id"]).balance_transactions == []

    shop.peer.move_dispute(inquiry["id"], "needs_response")

    disputed = api.v1.disputes.retrieve(inquiry["id"])
    assert (disputed.status, disputed.balance_transactions[0].net) == ("needs_response", -6_500)


def test_a_payout_bundles_what_is_available(shop: StripeShop, api: stripe.StripeClient) -> None:
    now = shop.peer.set_clock("2026-11-20T10:00:00Z")
    shop.paid("lp1", amount=1_000)
    shop.peer.advance(2 * 86_400)
    shop.paid("lp2", amount=2_000)

    [payout] = shop.peer.settle()

    lines = api.v1.balance_transactions.list({"payout": payout["id"], "limit": 1})
    rows = list(lines.auto_paging_iter())
    balance = api.v1.balance.retrieve()
    assert [(row.type, row.net) for row in rows] == [("payout", -941), ("charge", 941)]
    assert (balance.available[0].amount, balance.pending[0].amount) == (0, 1_912)
    assert [row.id for row in api.v1.payouts.list({"created": {"gte": now}})] == [payout["id"]]


def test_lists_have_pages(shop: StripeShop, api: stripe.StripeClient) -> None:
    made = [shop.open(f"lp{number}").id for number in range(7)]

    first = api.v1.checkout.sessions.list({"limit": 3})
    all_of_them = [session.id for session in first.auto_paging_iter()]

    assert (len(first.data), first.has_more) == (3, True)
    assert all_of_them == made[::-1]


def test_canadian_dollars_settle_in_american_ones(
    shop: StripeShop, api: stripe.StripeClient
) -> None:
    shop.peer.options(settle_in={"cad": "usd"}, rates={"cad:usd": "0.7312"})
    intent = shop.paid(amount=1_000, currency="cad")
    shop.peer.options(rates={"cad:usd": "0.75"})
    api.v1.refunds.create({"payment_intent": intent})

    refund, charge = api.v1.balance_transactions.list().data
    assert (charge.currency, charge.amount, charge.fee) == ("usd", 731, 51)
    assert charge.exchange_rate == pytest.approx(0.7312)
    assert (refund.currency, refund.amount) == ("usd", -750)


def test_tax_is_on_top_or_inside(api: stripe.StripeClient) -> None:
    def tax(behavior: Any) -> tuple[int, int, int]:
        calculation = api.v1.tax.calculations.create(
            {
                "currency": "cad",
                "line_items": [{"amount": 1_000, "reference": "coins", "tax_behavior": behavior}],
                "customer_details": {
                    "address": {"country": "CA", "state": "ON", "postal_code": "M5V 2T6"},
                    "address_source": "billing",
                },
            }
        )
        total, outside = calculation.amount_total, calculation.tax_amount_exclusive
        return total, outside, calculation.tax_amount_inclusive

    assert tax("exclusive") == (1_130, 130, 0)
    assert tax("inclusive") == (1_000, 0, 115)


def test_a_fee_may_come_late(shop: StripeShop, api: stripe.StripeClient) -> None:
    shop.peer.options(late_balance_transactions=True)
    intent = shop.paid()
    early = api.v1.charges.list({"payment_intent": intent}).data[0]

    shop.peer.control("enter-late")

    late = api.v1.charges.list({"payment_intent": intent}).data[0]
    assert early.balance_transaction is None
    assert late.balance_transaction is not None
    assert kinds(shop.peer)[-1] == "charge.updated"
