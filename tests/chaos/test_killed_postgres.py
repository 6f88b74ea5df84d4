"""PostgreSQL itself is killed under load: what was acknowledged is there when it is back"""

import time
from collections.abc import Callable

import pytest

from tests.chaos import load
from tests.chaos.load import Reader
from tests.chaos.own_postgres import own_postgres

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "owner"]),
    pytest.mark.slow,
]

SESSIONS = 10
"""Kills of one session, after each of which the server recovers."""

SERVERS = 3
"""Kills of the whole server."""

BETWEEN = 12
"""Requests acknowledged before the next kill."""

MOST_LOOKS = 20_000


def work_goes_on(readers: list[Reader]) -> None:
    """Wait until some more requests are acknowledged: the server is up and in use."""
    wanted = sum(reader.acknowledged for reader in readers) + BETWEEN
    for _ in range(MOST_LOOKS):
        if sum(reader.acknowledged for reader in readers) >= wanted:
            return
        if not any(reader.is_at_work for reader in readers):
            break
        time.sleep(0.01)
    pytest.fail("nothing is acknowledged any more")


def test_a_killed_server_loses_and_doubles_nothing(summarise: Callable[[str], None]) -> None:
    with own_postgres() as postgres:
        load.prepare()

        with load.readers_at_work() as readers:
            sessions = 0
            while sessions < SESSIONS:
                work_goes_on(readers)
                sessions += postgres.kill_one_session()
            for _ in range(SERVERS):
                work_goes_on(readers)
                postgres.kill()
            work_goes_on(readers)

        refused = sum(reader.refused for reader in readers)
        acknowledged = sum(reader.acknowledged for reader in readers)
        assert refused > 0
        load.assert_done_once(readers)
    summarise(
        f"{sessions} sessions and {SERVERS} servers killed, {acknowledged:,} requests "
        f"acknowledged after {refused:,} tries in vain, 0 lost, 0 doubled"
    )
