"""A stack as the tests see it: a process, its folders, what it printed, and whom it left behind."""

import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from legato_payments.local import binaries, paths, servers
from tests.local.small_stack import WELCOME

OURSELVES = "ourselves"
ORDINARY = "an ordinary user"

PATIENCE_SECONDS = 90
"""For a machine that is busy with other things; nothing is expected to be fast."""


_NOT_OURS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
"""What the test run was told about its own servers."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """How a command is started as somebody."""

    prefix: Sequence[str]
    user: pwd.struct_passwd | None


def ordinary_account() -> Account | None:
    """``nobody``, if it can run our PostgreSQL and, with the right to read all, our Python."""
    user = pwd.getpwnam("nobody")
    # setpriv itself still opens its program as root; `env` then starts the next one as nobody.
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if not _works([*become, "env", str(binaries.postgres_folder() / "postgres"), "--version"]):
        return None
    # An interpreter below a closed home folder: still not root, but it may read everything.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for prefix in (become, [*become, *reading]):
        if _works([*prefix, "env", sys.executable, "-c", "import psycopg"]):
            return Account(prefix=prefix, user=user)
    return None


def _works(command: Sequence[str]) -> bool:
    with suppress(OSError):
        done = subprocess.run(command, capture_output=True, check=False, cwd=paths.ROOT)
        return done.returncode == 0
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, f"still not: {what}"
        time.sleep(0.02)


class Stack:
    """One state folder, one run folder, one port; started as often as a test likes."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.account = account
        self.port = free_port()
        self.state = self._make(folder / "state")
        self.run_folder = self._make(folder / "run")
        self._log = folder / "output"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, module: str = "tests.local.small_stack") -> None:
        """Start it and do not wait for anything."""
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(
                [*self.account.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=paths.ROOT,
                env=self.env(),
            )
        self._started.append(process)

    def start_and_wait(self, *arguments: str) -> None:
        """Start it and wait until it says that it is ready."""
        self.start(*arguments)
        self.wait_until_says(WELCOME)

    def start_another(self, **env: str) -> subprocess.CompletedProcess[str]:
        """A start that is expected to end by itself."""
        command = [sys.executable, "-m", "tests.local.small_stack"]
        return self.run([*self.account.prefix, *command], **env)

    def run(self, command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
        """Run any command with the stack's folders, to its end."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=paths.ROOT,
            env=self.env() | env,
            timeout=PATIENCE_SECONDS,
        )

    def env(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        return ours | {
            "LEGATO_STATE_DIR": str(self.state),
            "LEGATO_RUN_DIR": str(self.run_folder),
            "PORT": str(self.port),
        }

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._started[-1].pid

    def wait_until_says(self, text: str) -> None:
        def says() -> bool:
            assert text in self.output or self._started[-1].poll() is None, self.output
            return text in self.output

        wait_until(says, what=f"printed {text!r}")

    def wait_until_exists(self, path: Path) -> None:
        def exists() -> bool:
            assert self._started[-1].poll() is None, self.output
            return path.exists()

        wait_until(exists, what=f"{path} exists")

    @contextmanager
    def sleeper(self, *, as_owner_of: Path) -> Iterator[int]:
        """An unrelated living process of the account that owns a folder."""
        owner = as_owner_of.stat()
        process = subprocess.Popen(["sleep", "600"], user=owner.st_uid, group=owner.st_gid)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def send(self, number: signal.Signals) -> None:
        self._started[-1].send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self._started[-1].wait(PATIENCE_SECONDS)

    def pid_of(self, name: str) -> int:
        """The newest process of that name that inherited the children's lock."""
        lines = (self.run_folder / "children").read_text().splitlines()
        return next(int(line.split()[1]) for line in reversed(lines) if line.startswith(name))

    def has_left_nobody(self) -> bool:
        """Whether no descendant lives: each of them holds the children's lock for its life."""
        with (self.run_folder / "children").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def execute(self, statement: LiteralString) -> list[tuple[object, ...]]:
        """Run SQL as the superuser, who may enter the socket's folder."""
        with psycopg.connect(
            host=str(self.run_folder / "pg"),
            user=servers.SUPERUSER,
            dbname=servers.DATABASE,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def end(self) -> None:
        """Leave nothing behind, whatever the test did; children end with their runner."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
        if (self.run_folder / "children").exists():
            wait_until(self.has_left_nobody, what="every process ended")

    def _make(self, path: Path) -> Path:
        path.mkdir(mode=0o711)
        if self.account.user:
            os.chown(path, self.account.user.pw_uid, self.account.user.pw_gid)
        return path
