"""Watches the processes of a stack: shows what they print, notices their end, stops them in order.

There are no threads: everything happens in ``pause``, so a child is never forked while another
thread holds a lock, and the kernel's "your parent ended" signal means the runner, not a thread.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from legato_payments.local import locks, processes, servers

LOCAL = "local"
"""The name that the runner's own lines carry."""

_NAME_WIDTH = 8
_BLOCKS_AT_ONCE = 1000
"""A child that prints without end must not keep us from looking at the others."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody asked the stack to stop."""


class Ended(Exception):
    """A process that should go on has ended, or a preparation failed."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One command of the stack."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""


class Supervisor:
    """The processes of one stack, in the order they were started."""

    def __init__(self, *, folder: Path, is_quiet: bool = False) -> None:
        """Take over the signals that ask for an end.

        Args:
            folder: Where programs run.
            is_quiet: Say nothing of our own: standard output belongs to a command.
        """
        self._folder = folder
        self._is_quiet = is_quiet
        self._inherited: list[int] = []
        self._servers: list[tuple[str, servers.Server]] = []
        self._services: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._output = selectors.DefaultSelector()
        self._signals: list[int] = []
        for number in _STOP_SIGNALS:
            signal.signal(number, self._remember)

    def let_inherit(self, descriptor: int) -> None:
        """Give every later child this file descriptor: the children's lock."""
        self._inherited.append(descriptor)

    def say(self, text: str) -> None:
        """Print lines of our own."""
        for line in text.splitlines() if not self._is_quiet else ():
            _show(LOCAL, line.encode())

    def start_server(self, name: str, server: servers.Server) -> None:
        """Start an embedded server; the stack ends when it ends.

        Raises:
            servers.NotStarted: It cannot run here.
            Interrupted: A stop was asked for meanwhile.
        """
        server.start(keep_open=self._inherited)
        self._servers.append((name, server))
        if server.process:
            self._note(name, server.process)

    def run(self, program: Program) -> None:
        """Run one command to its end.

        Raises:
            Ended: It failed.
            Interrupted: A stop was asked for meanwhile; the command is stopped.
        """
        process = self._spawn(program)
        try:
            while not processes.has_ended(process):
                self.pause(0.02)
        except BaseException:
            processes.stop(process, with_signal=signal.SIGTERM, timeout_seconds=10)
            raise
        self._show_what_was_printed(0)
        if code := processes.collect(process):
            raise Ended(f"{program.name} failed with {code}")

    def start(self, program: Program) -> None:
        """Start one command that is to run until the stack stops."""
        self._services.append((program.name, self._spawn(program)))

    def pause(self, seconds: float) -> None:
        """Wait, showing what the children print meanwhile.

        Raises:
            Interrupted: A stop was asked for.
            Ended: A service or a server is gone.
        """
        self._show_what_was_printed(seconds)
        if self._signals:
            raise Interrupted(signal.Signals(self._signals[0]).name)
        for name, process in self._everything():
            if processes.has_ended(process):
                self._show_what_was_printed(0)
                raise Ended(f"{name} has ended ({_how(processes.collect(process))})")

    def shut_down(self, *, patience_seconds: float) -> None:
        """Stop services, then servers, last started first; a second Ctrl-C does it by force."""
        if self._everything():
            self.say("Stopping; Ctrl-C again does it by force.")
        for _, process in reversed(self._services):
            processes.ask(process, signal.SIGTERM)
        give_up = time.monotonic() + patience_seconds
        while any(not processes.has_ended(process) for _, process in self._services):
            self._show_what_was_printed(0.05)
            if self._is_forced() or time.monotonic() > give_up:
                self.say("Stopping by force.")
                break
        for name, process in reversed(self._services):
            self.say(f"{name} stopped ({_how(processes.collect(process))}).")
        self._show_what_was_printed(0)
        for name, server in reversed(self._servers):
            server.stop(now=self._is_forced())
            self.say(f"{name} stopped.")

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _is_forced(self) -> bool:
        # Only Ctrl-C counts: a supervisor above us may well send SIGTERM twice, once to us and
        # once to our process group.
        return self._signals.count(signal.SIGINT) > 1

    def _everything(self) -> list[tuple[str, subprocess.Popen[bytes]]]:
        embedded = [(name, server.process) for name, server in self._servers if server.process]
        return [*embedded, *self._services]

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        process = processes.spawn(
            program.command,
            last_signal=signal.SIGTERM,
            output=subprocess.PIPE,
            folder=self._folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **program.env},
            keep_open=self._inherited,
        )
        self._note(program.name, process)
        assert process.stdout
        os.set_blocking(process.stdout.fileno(), False)
        self._output.register(process.stdout, selectors.EVENT_READ, _Lines(program.name))
        return process

    def _note(self, name: str, process: subprocess.Popen[bytes]) -> None:
        for descriptor in self._inherited:
            locks.note(descriptor, f"{name} {process.pid}")

    def _show_what_was_printed(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for _ in range(_BLOCKS_AT_ONCE):
            ready = self._output.select(max(0.0, until - time.monotonic()))
            for key, _ in ready:
                block = os.read(key.fd, 65536)
                key.data.add(block)
                if not block:
                    self._output.unregister(key.fileobj)
            if not ready and time.monotonic() >= until:
                return


class _Lines:
    """Cuts what one child prints into lines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""

    def add(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if not block and self._rest:
            lines.append(self._rest)
        for line in lines:
            _show(self._name, line)


def _show(name: str, line: bytes) -> None:
    # The reader may be gone: a closed terminal, a pipe into `head`.
    with suppress(OSError):
        sys.stdout.buffer.write(f"{name:{_NAME_WIDTH}}| ".encode() + line + b"\n")
        sys.stdout.buffer.flush()


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
