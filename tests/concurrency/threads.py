"""Many callers at once, each on a database connection of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from tests import databases

PATIENCE_SECONDS = 60


class Crowd:
    """Threads that start together, and again whenever they ``gather``."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._barrier = threading.Barrier(size, timeout=PATIENCE_SECONDS)

    def gather(self) -> None:
        """Wait until everybody is here."""
        self._barrier.wait()

    def run[Result](self, work: Callable[[int], Result]) -> list[Result]:
        """What ``work`` returned to each, by number; whatever it raised is raised here."""
        with ThreadPoolExecutor(self.size) as pool:
            futures = [pool.submit(self._one, work, number) for number in range(self.size)]
        return [future.result() for future in futures]

    def _one[Result](self, work: Callable[[int], Result], number: int) -> Result:
        try:
            with connection.cursor() as cursor:
                # What is asked here is who wins, not how long two shared cores may take.
                cursor.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
                cursor.execute(f"SET statement_timeout = '{PATIENCE_SECONDS}s'")
            self.gather()
            return work(number)
        except BaseException:
            self._barrier.abort()
            raise
        finally:
            connection.close()


def until_blocked(work: Future[Any]) -> None:
    """Return once somebody waits for a lock in this database, or ``work`` has ended without."""
    query = "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with databases.connect("postgres") as superuser:
        while not work.done() and not superuser.execute(query, [settings.TEST_DATABASE]).rowcount:
            time.sleep(0.02)


@contextmanager
def no_deadlocks() -> Iterator[None]:
    """The server broke no deadlock meanwhile, not even one that somebody tried again."""
    before = _deadlocks()
    yield
    assert _deadlocks() == before


def _deadlocks() -> int:
    with databases.connect("postgres") as superuser:
        # A connection reports what it counted when it ends.
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> ALL(%s)"
        mine = [connection.connection.info.backend_pid] if connection.connection else []
        for _ in range(100):
            if superuser.execute(others, [settings.TEST_DATABASE, mine]).fetchone() == (0,):
                break
            time.sleep(0.05)
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = %s"
        row = superuser.execute(query, [settings.TEST_DATABASE]).fetchone()
    assert row is not None
    return int(row[0])
