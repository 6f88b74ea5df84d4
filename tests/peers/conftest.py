"""One process of each peer, emptied for each test."""

from collections.abc import Iterator

import pytest
import stripe

from tests.peers.client import Peer
from tests.peers.receiver import Receiver
from tests.peers.shops import PaystackShop, StripeShop


@pytest.fixture(scope="session")
def stripe_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A Stripe peer, shared by the tests of this process."""
    with Peer("stripe", tmp_path_factory.mktemp("stripe") / "state.db") as peer:
        yield peer


@pytest.fixture(scope="session")
def paystack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A Paystack peer, shared by the tests of this process."""
    with Peer("paystack", tmp_path_factory.mktemp("paystack") / "state.db") as peer:
        yield peer


@pytest.fixture
def stripe_peer(stripe_process: Peer) -> Iterator[Peer]:
    """An account at Stripe in which nothing happened yet; nothing is against the description."""
    stripe_process.reset()
    yield stripe_process
    assert stripe_process.violations() == []


@pytest.fixture
def paystack_peer(paystack_process: Peer) -> Iterator[Peer]:
    """The same at Paystack."""
    paystack_process.reset()
    yield paystack_process
    assert paystack_process.violations() == []


@pytest.fixture
def shop(stripe_peer: Peer) -> StripeShop:
    """Sells coins by the official SDK."""
    return StripeShop(stripe_peer)


@pytest.fixture
def api(shop: StripeShop) -> stripe.StripeClient:
    """The official SDK, which retries nothing by itself."""
    return shop.api


@pytest.fixture
def paystack_shop(paystack_peer: Peer) -> PaystackShop:
    """Sells coins by plain HTTP."""
    return PaystackShop(paystack_peer)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where webhooks arrive."""
    with Receiver() as listening:
        yield listening
