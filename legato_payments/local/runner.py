"""Runs a plan: embedded servers, preparations, services; until Ctrl-C or until one of them ends."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from legato_payments.local import accounts, binaries, locks, paths, processes, servers
from legato_payments.local.supervisor import Ended, Interrupted, Program, Supervisor

LEFT_OVERS_SECONDS = 40
"""How long a killed runner's children may take: a worker finishes its task for 20 s."""

STOP_SECONDS = 25


class PortTaken(Exception):
    """Something else listens where the web server should."""


REFUSALS = (
    PortTaken,
    accounts.Unreachable,
    binaries.Missing,
    locks.AlreadyRunning,
    locks.LeftOvers,
    servers.NotStarted,
)
"""Why a stack does not start: the message is for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a stack is made of."""

    port: int
    services: Sequence[Program]
    """Run until the stack stops; it also stops when one of them ends."""
    preparations: Sequence[Program] = ()
    """Run to their end one after the other, once the servers answer."""
    health_path: str = "/readyz"
    """What the web service answers with 200 when it is ready."""
    welcome: str = ""
    """Shown when it is."""
    folder: Path = field(default=paths.ROOT)


def up(plan: Plan) -> int:
    """Run a stack until it is asked to stop.

    Returns:
        The exit code: 0 after Ctrl-C, SIGTERM or SIGHUP; 1 when it could not start or something in
        it ended by itself.
    """
    supervisor = Supervisor(folder=plan.folder)
    try:
        with _servers_running(supervisor, before=lambda: _check_port(plan.port)):
            return _run_services(supervisor, plan)
    except REFUSALS as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201
        return 1
    except Interrupted as reason:
        supervisor.say(f"Stopped ({reason}).")
        return 0
    except Ended as reason:
        supervisor.say(f"Stopped: {reason}.")
        return 1


def run(command: Sequence[str]) -> int:
    """Run one command beside the embedded servers: those of a running stack, else our own.

    Returns:
        The command's exit code, or 1 when the servers do not start.
    """
    supervisor = Supervisor(folder=Path.cwd(), is_quiet=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(_servers_running(supervisor, before=lambda: None))
        except locks.AlreadyRunning:
            pass
        except Interrupted:
            return 130
        except REFUSALS as refusal:
            print(refusal, file=sys.stderr)  # noqa: T201
            return 1
        return _in_foreground(command)


@contextmanager
def _servers_running(supervisor: Supervisor, *, before: Callable[[], None]) -> Iterator[None]:
    state, run_folder = paths.state_dir(), paths.run_dir()
    accounts.own_folder(run_folder, None)
    held = locks.hold(run_folder, pause=supervisor.pause, patience_seconds=LEFT_OVERS_SECONDS)
    with held as children_lock:
        supervisor.let_inherit(children_lock)
        # Nobody counts any more: the lock is ours.
        shutil.rmtree(paths.metrics_dir(), ignore_errors=True)
        before()
        try:
            if not os.environ.get("DATABASE_URL"):
                postgres = servers.Postgres(state, run_folder, pause=supervisor.pause)
                supervisor.start_server("PostgreSQL", postgres)
            if not os.environ.get("REDIS_URL"):
                valkey = servers.Valkey(state, run_folder, pause=supervisor.pause)
                supervisor.start_server("Valkey", valkey)
            yield
        finally:
            supervisor.shut_down(patience_seconds=STOP_SECONDS)


def _run_services(supervisor: Supervisor, plan: Plan) -> int:
    for program in plan.preparations:
        supervisor.run(program)
    for program in plan.services:
        supervisor.start(program)
    while not _is_ready(plan):
        supervisor.pause(0.1)
    supervisor.say(plan.welcome)
    while True:
        supervisor.pause(0.3)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}): stop what listens "
                f"there, or choose another one, for example `PORT={port + 1} make up`."
            ) from error


def _is_ready(plan: Plan) -> bool:
    # Not urllib: it would send this through the proxy of the environment.
    connection = http.client.HTTPConnection("127.0.0.1", plan.port, timeout=2)
    try:
        connection.request("GET", plan.health_path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _in_foreground(command: Sequence[str]) -> int:
    """Run a command that owns the terminal: Ctrl-C reaches it too, and we end when it does."""
    process = subprocess.Popen(  # noqa: S603 - what the person at the terminal typed
        command,
        preexec_fn=processes.die_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: processes.ask(process, received))
    code = process.wait()
    return code if code >= 0 else 128 - code
