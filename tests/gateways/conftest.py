"""The gateways under test, one after the other, each empty and configured."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import factories
from tests.factories import NOW
from tests.gateways.tills import PaystackTill, SandboxTill, StripeTill, Till
from tests.peers.conftest import paystack_peer, paystack_process, stripe_peer, stripe_process

__all__ = ["paystack_peer", "paystack_process", "stripe_peer", "stripe_process"]


@pytest.fixture(params=["sandbox", "stripe", "paystack"])
def till(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> Iterator[Till]:
    """A gateway, with exchange rates of the day."""
    factories.rates()
    if request.param == "sandbox":
        yield SandboxTill(monkeypatch)
        return
    peer = request.getfixturevalue(f"{request.param}_peer")
    peer.set_clock(int(NOW.timestamp()))
    settings.GATEWAY_SANDBOX = False
    if request.param == "stripe":
        settings.STRIPE_SECRET_KEY = peer.key
        settings.STRIPE_API_BASE = peer.address
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_peer"]
        yield StripeTill(peer)
    else:
        settings.PAYSTACK_SECRET_KEY = peer.key
        settings.PAYSTACK_API_BASE = peer.address
        yield PaystackTill(peer)
    peer.forget_faults()
