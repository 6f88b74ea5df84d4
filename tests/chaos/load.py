"""Readers who buy, spend, tip and give back through the API while the database goes away.

Every request has a key and is sent again until it is acknowledged. So whatever was acknowledged
must be in the books, once, and nothing else.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from access.models import ContentRefund, Entitlement, Tip
from access.services import catalogue
from legato_payments.lib import clock
from payments.gateways.sandbox import books as sandbox
from payments.ledger import chart
from payments.models import CoinBalance, IdempotencyKey, Purchase, SandboxCharge, Transaction
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, ApiClient, api
from tests.crash.recovery import assert_nothing_is_lost
from tests.factories import NOW, WRITER
from tests.ledger import books

READERS = 6
MOST_ROUNDS = 400
"""Of one reader, before the test gives up."""

MOST_TRIES = 1_200
"""Of one request; with the pauses between them, a minute or more."""

PAUSE_SECONDS = 0.05

AWAY = (OperationalError, InterfaceError)

PAID, PRICE, TIP = 100, 5, 10
"""Coins of a Starter Pack, of a chapter, of a tip."""

SHARES = {WRITER: 6_667, "writer-2": 3_333}


class Reader:
    """One reader's rounds of purchase, two chapters, tip and refund, on a connection of its own."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.rounds = 0
        self.is_at_work = True
        self.acknowledged = 0
        self.refused = 0
        """Tries that ended without an answer that counts."""

    def live(self, stop: threading.Event) -> None:
        """Round after round, until told to stop; the last one is finished."""
        self.package_id = str(factories.package("Starter Pack").pk)
        self.client = api(user=self.user_id, raise_request_exception=False)
        self.service = api(
            service="content", scopes=["refunds:write"], raise_request_exception=False
        )
        try:
            while not stop.is_set() and self.rounds < MOST_ROUNDS:
                self._round()
                self.rounds += 1
        finally:
            self.is_at_work = False
            connection.close()

    def _round(self) -> None:
        own = f"{PAYMENTS}/users/{self.user_id}"
        order = {"package_id": self.package_id, "currency": "USD"}
        purchase_id = self._ask(f"{own}/purchase-coins", order, name="buy")["transaction_id"]
        self._pay(purchase_id)
        self._confirm(f"{own}/confirm-purchase", purchase_id)
        sales = [
            self._ask(
                f"{own}/spend-coins",
                {"content_id": f"chapter-{2 * self.rounds + half}"},
                name=f"spend-{half}",
            )["transaction_id"]
            for half in range(2)
        ]
        self._ask(f"{own}/send-tip", {"recipient_id": WRITER, "coins": TIP}, name="tip")
        self._ask(
            f"{PAYMENTS}/transactions/{sales[0]}/refund",
            {"reason": "misclick", "read_percent": 3},
            name="refund",
            client=self.service,
        )

    def _ask(
        self, path: str, body: Mapping[str, Any], *, name: str, client: ApiClient | None = None
    ) -> Any:
        key = f"{self.user_id}-{self.rounds}-{name}"
        for _ in range(MOST_TRIES):
            answer = (client or self.client).keyed(path, body, key=key)
            if answer.status_code == 201:
                self.acknowledged += 1
                return answer.json()
            assert answer.status_code in (409, 503), answer.content
            self._take_breath()
            if answer.status_code == 409:
                assert answer.json()["code"] == "idempotency_in_progress", answer.content
                _end_the_lease(key)
        raise AssertionError(f"{key} was never acknowledged")

    def _confirm(self, path: str, purchase_id: str) -> None:
        for _ in range(MOST_TRIES):
            answer = self.client.post(path, {"transaction_id": purchase_id})
            if answer.status_code == 200:
                assert answer.json()["status"] == "succeeded", answer.content
                self.acknowledged += 1
                return
            assert answer.status_code == 503, answer.content
            self._take_breath()
        raise AssertionError(f"{purchase_id} was never confirmed")

    def _pay(self, purchase_id: str) -> None:
        for _ in range(MOST_TRIES):
            with suppress(*AWAY):
                purchase = Purchase.objects.get(pk=purchase_id)
                sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=clock.now())
                return
            self._take_breath()
        raise AssertionError(f"{purchase_id} was never paid")

    def _take_breath(self) -> None:
        self.refused += 1
        connection.close()
        time.sleep(PAUSE_SECONDS)


def _end_the_lease(key: str) -> None:
    # Ours is the only request with this key, and it is over: nobody is still at it.
    past = timezone.now() - timedelta(seconds=1)
    with suppress(*AWAY):
        leased = IdempotencyKey.objects.filter(key=key, locked_until__isnull=False)
        leased.update(locked_until=past)


def prepare() -> None:
    """Chapters for every round of every reader."""
    catalogue.put(
        descriptions=[
            catalogue.Description(
                content_id=f"chapter-{number}",
                title=f"Chapter {number}",
                shares=SHARES,
                price_coins=PRICE,
            )
            for number in range(2 * MOST_ROUNDS)
        ],
        now=NOW,
    )


@contextmanager
def readers_at_work() -> Iterator[list[Reader]]:
    """Several readers, each in a thread; in the end they finish their rounds.

    What went wrong in a thread is raised here.
    """
    stop = threading.Event()
    readers = [Reader(f"reader-{number}") for number in range(READERS)]
    with ThreadPoolExecutor(READERS) as pool:
        lives = [pool.submit(reader.live, stop) for reader in readers]
        try:
            yield readers
        finally:
            stop.set()
            for life in lives:
                life.result()


def assert_done_once(readers: list[Reader]) -> None:
    """What was acknowledged is in the books, once, and nothing else; every check is clean."""
    connection.close()  # our own may be one of those that are gone
    for reader in readers:
        held = CoinBalance.objects.get(user_id=reader.user_id).coins
        assert held == reader.rounds * (PAID - 2 * PRICE - TIP + PRICE), reader.user_id
    rounds = sum(reader.rounds for reader in readers)
    kinds = Counter(Transaction.objects.values_list("kind", flat=True))
    assert kinds == {
        "COIN_PURCHASE": rounds,
        "GATEWAY_FEE": rounds,
        "CONTENT_PURCHASE": 2 * rounds,
        "TIP": rounds,
        "REVERSAL": rounds,
    }
    assert sum(reader.acknowledged for reader in readers) == 6 * rounds
    assert Purchase.objects.filter(status=Purchase.Status.SUCCEEDED).count() == rounds
    for rows in (Purchase, SandboxCharge, Tip, ContentRefund):
        assert rows.objects.count() == rounds, rows
    assert Entitlement.objects.filter(revoked_at=None).count() == rounds
    # Two authors of each chapter, sold and taken back, and one recipient of the tip.
    assert Earning.objects.count() == (4 + 2 + 1) * rounds
    assert IdempotencyKey.objects.count() == 5 * rounds
    # 0.99 for a pack, less 2.9 % rounded up to a cent and 0.30.
    assert books.balance(chart.gateway("SANDBOX", "USD")) == rounds * (990_000 - 330_000)
    assert_nothing_is_lost()
