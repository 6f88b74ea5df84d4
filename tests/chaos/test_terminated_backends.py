"""PostgreSQL throws connections out under load: keyed retries make every effect happen once"""

import time
from collections.abc import Callable

import pytest
from django.db import connection

from legato_payments.local import paths
from tests import databases
from tests.chaos import load

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TERMINATIONS = 100
MOST_LOOKS = 6_000
"""For somebody to throw out, before the test gives up."""

THROW_OUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = %s AND usename = %s AND state <> 'idle' ORDER BY random() LIMIT 1
"""
"""True once the backend is gone."""


def terminate(count: int) -> int:
    """Throw out connections that are in the middle of something; says how many went."""
    terminated = 0
    arguments = [connection.settings_dict["NAME"], paths.APP_ROLE]
    with databases.connect("postgres") as superuser:
        for _ in range(MOST_LOOKS):
            row = superuser.execute(THROW_OUT, arguments).fetchone()
            terminated += row == (True,)
            if terminated == count:
                break
            time.sleep(0.02)
    return terminated


def test_a_hundred_terminations_lose_and_double_nothing(
    summarise: Callable[[str], None],
) -> None:
    load.prepare()

    with load.readers_at_work() as readers:
        terminated = terminate(TERMINATIONS)

    assert terminated == TERMINATIONS
    refused = sum(reader.refused for reader in readers)
    acknowledged = sum(reader.acknowledged for reader in readers)
    # They were in the way of requests: some were repeated by the server, some by the readers.
    assert refused > 0
    load.assert_done_once(readers)
    summarise(
        f"{terminated} connections terminated, {acknowledged:,} requests acknowledged after "
        f"{refused:,} tries in vain, 0 lost, 0 doubled"
    )
