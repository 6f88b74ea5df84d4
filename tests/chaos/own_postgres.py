"""A PostgreSQL of a test's own, durable as in production, that may be killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connections
from psycopg import OperationalError

from legato_payments.local import processes, servers
from tests.chaos.folders import own_folder

MOST_STARTS = 200
"""Until the sessions of a killed server have let go of its memory."""


class OwnPostgres:
    """The application's database on a server of its own."""

    def __init__(self, folder: Path) -> None:
        self.server = servers.Postgres(folder, folder)

    def kill(self) -> None:
        """As a power cut does to the server: it and the memory it held are gone at once.

        Start it again from the main thread: the kernel ends it with the thread that started it.
        """
        assert self.server.process
        os.kill(self.server.process.pid, signal.SIGKILL)
        processes.collect(self.server.process)
        for start in range(MOST_STARTS):
            try:
                self.server.start()
            except servers.NotStarted as refusal:
                # Its sessions live on for a moment, and keep their shared memory.
                if start + 1 == MOST_STARTS or "shared memory" not in str(refusal):
                    raise
            else:
                return

    def kill_one_session(self) -> bool:
        """Kill one process of the server: it then ends all others and recovers.

        Returns:
            Whether there was one in the middle of something.
        """
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
        try:
            with self.server.connect() as superuser:
                row = superuser.execute(query, [servers.DATABASE]).fetchone()
        except OperationalError:  # it is not back from the last time
            return False
        if row is None:
            return False
        assert isinstance(row[0], int)
        os.kill(row[0], signal.SIGKILL)
        return True


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """The application uses a migrated database of a new server, until it is removed again."""
    with ExitStack() as stack:
        postgres = OwnPostgres(stack.enter_context(own_folder()))
        postgres.server.start()
        stack.callback(postgres.server.stop)
        stack.enter_context(_django_uses(postgres.server))
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        yield postgres


@contextmanager
def _django_uses(server: servers.Postgres) -> Iterator[None]:
    # Every thread's connections share these settings.
    shared = [connections[alias].settings_dict for alias in connections]
    before = [dict(settings) for settings in shared]
    connections.close_all()
    try:
        for settings in shared:
            settings.update(HOST=str(server.sockets), NAME=servers.DATABASE)
        yield
    finally:
        connections.close_all()
        for settings, was in zip(shared, before, strict=True):
            settings.update(was)
