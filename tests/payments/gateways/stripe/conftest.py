"""A gateway whose every request is held against Stripe's own description."""

from typing import Any

import pytest

from payments.gateways.stripe.gateway import StripeGateway
from tests.payments.gateways.stripe.peer import StrictPeer


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_0123456789"
    settings.STRIPE_PUBLISHABLE_KEY = "pk_test_0123456789"
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    settings.STRIPE_ACCOUNT_ID = "acct_ours"
    settings.STRIPE_API_BASE = "https://api.stripe.com"


@pytest.fixture
def peer() -> StrictPeer:
    """Stripe, in this process."""
    return StrictPeer()


@pytest.fixture
def gateway(peer: StrictPeer) -> StripeGateway:
    """The adapter, talking to ``peer``."""
    return StripeGateway(peer)
