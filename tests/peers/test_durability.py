"""A peer that is killed has lost nothing it answered."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.peers.client import ROOT, Peer
from tests.peers.shops import PaystackShop, StripeShop


@pytest.fixture
def mortal_stripe(tmp_path: Path) -> Iterator[Peer]:
    """A Stripe peer of this test alone."""
    with Peer("stripe", tmp_path / "state.db") as peer:
        yield peer


@pytest.fixture
def mortal_paystack(tmp_path: Path) -> Iterator[Peer]:
    """A Paystack peer of this test alone."""
    with Peer("paystack", tmp_path / "state.db") as peer:
        yield peer


def test_a_killed_stripe_peer_knows_everything_again(mortal_stripe: Peer) -> None:
    shop = StripeShop(mortal_stripe)
    opened = shop.open("lp1")
    mortal_stripe.pay("lp1")
    books, told = mortal_stripe.books(), mortal_stripe.outbox()

    mortal_stripe.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(mortal_stripe.address, timeout=5)
    mortal_stripe.start()

    assert shop.open("lp1").id == opened.id
    assert mortal_stripe.books() == books
    assert mortal_stripe.outbox() == told
    assert [charge["amount"] for charge in books["charges"]] == [499]


def test_a_peer_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.peers.client import Peer;"
        "peer = Peer('stripe', Path(sys.argv[1])); print(peer.start(), flush=True);"
        "import os; os._exit(1)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "state.db")]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    address = said.stdout.strip()

    while _listens(address):
        time.sleep(0.05)

    assert address.startswith("http://127.0.0.1:")


def _listens(address: str) -> bool:
    try:
        requests.get(address, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_a_killed_paystack_peer_knows_everything_again(mortal_paystack: Peer) -> None:
    shop = PaystackShop(mortal_paystack)
    paid = shop.paid("lp1")

    mortal_paystack.kill()
    mortal_paystack.start()

    assert shop.verify("lp1") == paid
    assert paid["status"] == "success"
