"""PostgreSQL throws connections out under load: keyed retries make every effect happen once"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from payments.ledger import invariants, sealing
from payments.models import CoinBalance, Transaction
from tests import databases, factories
from tests.clients import api
from tests.factories import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

READERS = 6
SPENDS = 40
TERMINATIONS = 100
TRIES = 60
"""Of one spend, before the test gives up."""


def terminate(done: threading.Event) -> int:
    """Throw out whoever is connected to this database, again and again; says how many went."""
    terminated = 0
    database = connection.settings_dict["NAME"]
    with databases.connect("postgres") as superuser:
        while not done.is_set() and terminated < TERMINATIONS:
            row = superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                " AND state <> 'idle' ORDER BY random() LIMIT 1",
                [database],
            ).fetchone()
            terminated += row is not None
            time.sleep(0.02)
    return terminated


def spend_all(reader: str) -> int:
    """Buy every chapter, each with one key, repeating until it is acknowledged."""
    client = api(user=reader, raise_request_exception=False)
    path = f"/api/v1/payments/users/{reader}/spend-coins"
    tries = 0
    try:
        for number in range(SPENDS):
            for _ in range(TRIES):
                tries += 1
                answer = client.keyed(path, {"content_id": f"c-{number}"}, key=f"k-{number}")
                if answer.status_code == 201:
                    break
                assert answer.status_code in (409, 503), answer.content
                connection.close()
            else:
                pytest.fail(f"c-{number} was never acknowledged")
    finally:
        connection.close()
    return tries


def test_a_hundred_terminations_lose_and_double_nothing() -> None:
    readers = [f"reader-{number}" for number in range(READERS)]
    for reader in readers:
        factories.buy_coins(reader, "Reader Pack")
    for number in range(SPENDS):
        factories.put_content(f"c-{number}", price=5)
    done = threading.Event()

    with ThreadPoolExecutor(READERS + 1) as pool:
        killer = pool.submit(terminate, done)
        spenders = [pool.submit(spend_all, reader) for reader in readers]
        tries = sum(spender.result() for spender in spenders)
        done.set()
        terminated = killer.result()

    assert terminated > 10
    assert tries >= READERS * SPENDS
    spent = Transaction.objects.filter(kind="CONTENT_PURCHASE")
    assert spent.count() == READERS * SPENDS
    for reader in readers:
        assert CoinBalance.objects.get(user_id=reader).coins == 525 - 5 * SPENDS
    sealing.seal_all(now=NOW)
    assert list(invariants.discrepancies()) == []
