"""The adapters at the real test modes of Stripe and Paystack, when keys are in the environment

STRIPE_SECRET_KEY=sk_test_… PAYSTACK_SECRET_KEY=sk_test_… make test
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.ids import gateway_reference
from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import (
    ChargeRequest,
    ChargeState,
    CustomerRef,
    Outcome,
    RefundRequest,
    Window,
)

EMAIL = "legato-test@example.com"


def request(currency: str, amount: str, **more: Any) -> ChargeRequest:
    reference = gateway_reference()
    return ChargeRequest(
        reference=reference,
        amount=Money.parse(amount, currency),
        customer=CustomerRef("reader-1", EMAIL),
        description="525 Legato coins",
        metadata={"legato_reference": reference, "purchase_id": "test"},
        return_url="https://www.example.com/back",
        **more,
    )


@pytest.fixture
def stripe(settings: Any) -> StripeGateway:
    if not settings.REAL_STRIPE_KEY:
        pytest.skip("no STRIPE_SECRET_KEY=sk_test_… in the environment")
    settings.STRIPE_SECRET_KEY = settings.REAL_STRIPE_KEY
    return StripeGateway()


@pytest.fixture
def paystack(settings: Any) -> PaystackGateway:
    if not settings.REAL_PAYSTACK_KEY:
        pytest.skip("no PAYSTACK_SECRET_KEY=sk_test_… in the environment")
    settings.PAYSTACK_SECRET_KEY = settings.REAL_PAYSTACK_KEY
    return PaystackGateway()


def now() -> datetime:
    return datetime.now(UTC)


class TestStripe:
    def charge(self, stripe: StripeGateway, method: str) -> tuple[ChargeRequest, ChargeState]:
        wanted = request("USD", "4.99", saved_method=method)
        return wanted, stripe.create_charge(wanted, key=wanted.reference, now=now())

    def test_a_page_is_opened_once_and_closed(self, stripe: StripeGateway) -> None:
        wanted = request("USD", "4.99", expires_at=now() + timedelta(hours=1))
        opened = stripe.create_charge(wanted, key=wanted.reference, now=now())
        assert opened.outcome is Outcome.ACTION_REQUIRED
        assert opened.action is not None
        found = stripe.get_charge(reference=wanted.reference, gateway_id=opened.gateway_id)
        assert found is not None
        assert found.reference == wanted.reference

        closed = stripe.cancel_charge(
            reference=wanted.reference, gateway_id=opened.gateway_id, now=now()
        )

        assert closed is not None
        assert closed.outcome is Outcome.CANCELLED

    def test_a_card_is_charged_and_paid_back(self, stripe: StripeGateway) -> None:
        wanted, paid = self.charge(stripe, "pm_card_visa")
        assert (paid.outcome, paid.amount) == (Outcome.SUCCEEDED, wanted.amount)
        back = RefundRequest(
            reference=gateway_reference(),
            charge_reference=wanted.reference,
            payment_id=paid.payment_id,
            amount=Money.parse("1.00", "USD"),
        )

        made = stripe.refund(back, key=back.reference, now=now())
        again = stripe.refund(back, key=back.reference, now=now())

        assert made.gateway_id == again.gateway_id
        window = Window(now() - timedelta(minutes=10), now() + timedelta(minutes=10))
        assert wanted.reference in {state.reference for state in stripe.list_charges(window)}

    def test_a_refused_card_says_why(self, stripe: StripeGateway) -> None:
        with pytest.raises(base.Declined) as refusal:
            self.charge(stripe, "pm_card_chargeDeclinedInsufficientFunds")

        assert refusal.value.code == "insufficient_funds"


class TestPaystack:
    def test_a_page_is_opened_once(self, paystack: PaystackGateway) -> None:
        wanted = request("NGN", "6850.00")
        opened = paystack.create_charge(wanted, key=wanted.reference, now=now())
        assert opened.action is not None

        with pytest.raises(base.DuplicateReference):
            paystack.create_charge(wanted, key=wanted.reference, now=now())

        found = paystack.get_charge(reference=wanted.reference)
        assert found is not None
        assert found.outcome is Outcome.ACTION_REQUIRED

    def test_what_was_never_opened_is_certainly_absent(self, paystack: PaystackGateway) -> None:
        assert paystack.get_charge(reference=gateway_reference()) is None
