"""Starts a peer in a process of its own and tells it what to do."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.faults import Fault
from tests.peers.store import Json

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 10


class Refused(Exception):
    """The peer could not do what the control call asked for; the message says why."""


class Peer:
    """One peer. It keeps its state file and its port over ``stop()`` and ``start()``.

    Args:
        name: ``stripe`` or ``paystack``.
        state: The file the peer knows everything from; made when it is not there.
        webhooks: Where ``deliver`` sends to, unless it says otherwise.
        key: The secret API key it asks for.
        options: As for ``/_peer/options``.
    """

    def __init__(
        self,
        name: str,
        state: Path,
        *,
        webhooks: str = "",
        key: str = "sk_test_peer",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.key = key
        self.address = ""
        self._state = state
        self._webhooks = webhooks
        self._options = dict(options or {})
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Peer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> str:
        """Start it, on the same port as before; the address."""
        port = self.address.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "tests.peers", self.name, "--port", port]
        command += ["--state", str(self._state), "--key", self.key]
        command += ["--webhooks", self._webhooks, "--options", json.dumps(self._options)]
        command += ["--attached"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        self.address = self._process.stdout.readline().strip() if ready else ""
        if not self.address:
            self.stop()
            raise RuntimeError(f"the {self.name} peer did not start")
        return self.address

    def stop(self) -> None:
        """End it in an orderly way; until it is started again, connections are refused."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process = None

    def control(self, name: str, method: str = "POST", **body: Any) -> Any:
        """One call of the control interface, ``/_peer/<name>``.

        Raises:
            Refused: The peer says why.
        """
        request = urllib.request.Request(
            f"{self.address}/_peer/{name}",
            data=json.dumps(body).encode() if method == "POST" else None,
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                raise Refused(json.load(refused)["error"]) from refused

    def status(self) -> Json:
        """Who it is, its clock, its options and whether it compares with a description."""
        return dict(self.control("status", "GET"))

    def options(self, **changed: Any) -> Json:
        """Change how it behaves."""
        return dict(self.control("options", **changed))

    def reset(self, **options: Any) -> None:
        """Forget everything, so that the next test can use the same process."""
        self.control("reset", **{**self._options, **options})

    def set_clock(self, now: str | int | None) -> int:
        """Let its clock stand at a moment; ``None`` for the real time again."""
        return int(self.control("clock", now=now)["now"])

    def advance(self, seconds: int) -> int:
        """Move its clock on, and let it stand there."""
        return int(self.control("clock", advance=seconds)["now"])

    def fail(self, operation: str, kind: Fault, *, count: int = 1, **more: Any) -> Json:
        """Order a fault for the next calls of an operation (``*`` matches any part of a name).

        Args:
            more: ``seconds``, ``status``, and ``skip``: so many calls go well before.
        """
        return dict(self.control("faults", operation=operation, kind=kind, count=count, **more))

    def forget_faults(self) -> None:
        """No more faults."""
        self.control("faults", "DELETE")

    def pay(self, payment: str, **more: Any) -> Json:
        """The customer pays. By id or by our reference, as in all that follow."""
        return dict(self.control("pay", id=payment, **more))

    def decline(self, payment: str, **more: Any) -> Json:
        """The customer's card is declined."""
        return dict(self.control("decline", id=payment, **more))

    def abandon(self, payment: str) -> Json:
        """The customer never comes back."""
        return dict(self.control("abandon", id=payment))

    def move_refund(self, refund: str | int, status: str, **more: Any) -> Json:
        """The bank answers a refund."""
        return dict(self.control("refund", id=refund, status=status, **more))

    def open_dispute(self, payment: str, **more: Any) -> Json:
        """The payer disputes a payment."""
        return dict(self.control("dispute/open", id=payment, **more))

    def move_dispute(self, dispute: str | int, status: str, **more: Any) -> Json:
        """The bank decides a dispute, or opens it again."""
        return dict(self.control("dispute/move", id=dispute, status=status, **more))

    def settle(self, **more: Any) -> list[Json]:
        """Pay our balance out to our bank."""
        return list(self.control("settle", **more))

    def deliver(self, **order: Any) -> list[Json]:
        """Send webhooks, as ``outbox.Order`` says."""
        return list(self.control("deliver", **order))

    def outbox(self) -> list[Json]:
        """All webhooks with their raw bodies."""
        return list(self.control("outbox", "GET"))

    def sign(self, body: str) -> dict[str, str]:
        """The headers it would send with this body."""
        return dict(self.control("sign", body=body))

    def calls(self, operation: str = "") -> list[Json]:
        """What was called since its start."""
        found = self.control("calls", "GET")
        return [call for call in found if operation in {"", call["operation"]}]

    def books(self) -> Json:
        """Its own books."""
        return dict(self.control("books", "GET"))

    def violations(self) -> list[Json]:
        """What was not as the gateway describes it. A test ends with none."""
        return list(self.control("violations", "GET"))

    def forget_violations(self) -> None:
        """After breaking the rules on purpose."""
        self.control("violations", "DELETE")

    def wait_until_delivered(self, seconds: float = 30) -> None:
        """With the option ``automatic``: until no webhook is pending."""
        end = time.monotonic() + seconds
        while any(delivery["state"] == "pending" for delivery in self.outbox()):
            if time.monotonic() > end:
                raise TimeoutError("webhooks are still pending")
            time.sleep(0.05)
