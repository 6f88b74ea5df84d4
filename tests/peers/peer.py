"""What both peers do with a call: faults, the log, and what is wrong with it."""

import contextlib
import sqlite3
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers import faults, outbox, web
from tests.peers.clock import Clock
from tests.peers.faults import Fault
from tests.peers.routes import Route, Routes
from tests.peers.store import Json, Store
from tests.peers.web import Answer, Request

REMEMBERED_CALLS = 20_000
AUTOMATIC_ATTEMPTS = 5

GARBAGE = Answer(200, b"<html><body>Just a moment...</body></html>", content_type="text/html")


class Peer(ABC):
    """One gateway: its operations, its pages and the control interface.

    Args:
        key: The secret API key that callers must show.
        webhooks: Where deliveries go unless an order says otherwise.
    """

    name: str
    routes: Routes
    control: Routes
    defaults: Mapping[str, Any]
    """The options there are, with their values at the start."""

    def __init__(self, state: Path, *, key: str, webhooks: str = "") -> None:
        self.store = Store(state)
        self.clock = Clock(self.store)
        self.key = key
        self.webhooks = webhooks
        self.address = ""
        self.calls: deque[Json] = deque(maxlen=REMEMBERED_CALLS)
        self._told = threading.Event()
        threading.Thread(target=self._deliver_automatically, daemon=True).start()

    @abstractmethod
    def execute(self, request: Request, route: Route, ids: Json, fault: Json | None) -> Answer:
        """Do what is asked. The answer is committed before it is returned."""

    @abstractmethod
    def trouble(self, status: int) -> Answer:
        """The gateway's own words for 404, 409, 429 or 5xx."""

    @abstractmethod
    def page(self, request: Request) -> Answer:
        """The hosted page, or what a button on it does."""

    @abstractmethod
    def sign(self, body: bytes) -> Mapping[str, str]:
        """The headers that prove that a delivery is ours."""

    @abstractmethod
    def books(self) -> Json:
        """What happened to the money, by this peer."""

    @abstractmethod
    def warm_up(self) -> bool:
        """Load the gateway's description; whether there is one."""

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith("/pay/"):
            answer = self.page(request)
            self.wake()
            return answer
        found = self.routes.find(request.method, request.path)
        if found is None:
            self.violation("unknown", "request", f"{request.method} {request.path}")
            return self.trouble(404)
        route, ids = found
        fault = faults.take(self.store, route.name)
        call = {
            "operation": route.name,
            "path": request.path,
            "key": request.header("Idempotency-Key"),
            "fault": fault["kind"] if fault else None,
            "status": None,
            "at": self.clock.now(),
        }
        self.calls.append(call)
        answer = self._with_fault(request, route, ids, fault)
        call["status"] = answer.status
        return answer

    def option(self, name: str) -> Any:
        """How the peer behaves, as set by the control interface."""
        return self.options()[name]

    def options(self) -> Json:
        """All of them."""
        return {**self.defaults, **self.store.setting("options", {})}

    def violation(self, operation: str, side: str, message: str) -> None:
        """Record that a request, an answer or the peer itself is not as described."""
        with self.store.transaction():
            number = len(self.store.find("_violation")) + 1
            self.store.put(
                "_violation",
                {
                    "id": number,
                    "operation": operation,
                    "side": side,
                    "message": message,
                    "at": self.clock.now(),
                },
            )

    def _with_fault(self, request: Request, route: Route, ids: Json, fault: Json | None) -> Answer:
        kind = Fault(fault["kind"]) if fault else None
        if kind is Fault.REFUSE:
            web.hang_up(request.connection)
        _ = request.body
        if fault and kind in faults.NOT_EXECUTED:
            return self._refusal(request, fault)
        try:
            answer = self.execute(request, route, ids, fault)
        except web.HungUp:
            raise
        except Exception:  # noqa: BLE001 - it is recorded, whatever it is
            self.violation(route.name, "peer", traceback.format_exc())
            return self.trouble(500)
        finally:
            self.wake()
        return self._spoilt(request, answer, fault) if fault else answer

    def _refusal(self, request: Request, fault: Json) -> Answer:
        match Fault(fault["kind"]):
            case Fault.CONFLICT:
                return self.trouble(409)
            case Fault.RATE_LIMIT:
                return self.trouble(429)
            case Fault.ERROR_BEFORE:
                return self.trouble(fault["status"])
        web.hold(request.connection, fault["seconds"])
        web.hang_up(request.connection)
        raise AssertionError

    def _spoilt(self, request: Request, answer: Answer, fault: Json) -> Answer:
        match Fault(fault["kind"]):
            case Fault.TIMEOUT_AFTER:
                web.hold(request.connection, fault["seconds"])
                web.hang_up(request.connection)
            case Fault.RESET:
                half = answer.body[: len(answer.body) // 2]
                head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(answer.body)}\r\n\r\n"
                web.hang_up(request.connection, head.encode() + half)
            case Fault.GARBAGE:
                return GARBAGE
            case Fault.ERROR_AFTER:
                return self.trouble(fault["status"])
        return answer

    def pause(self, fault: Json | None) -> None:
        """What a slow call does before it is executed."""
        if fault and fault["kind"] == Fault.SLOW:
            time.sleep(fault["seconds"])

    def deliver(self, order: outbox.Order) -> list[Json]:
        """Send webhooks as ordered."""
        return outbox.deliver(self.store, order, self.sign)

    def wake(self) -> None:
        """There may be something to deliver."""
        self._told.set()

    def _deliver_automatically(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError):  # the peer ends, its file is closed
            while True:
                self._told.wait(timeout=1.0)
                self._told.clear()
                if self.webhooks and self.option("automatic"):
                    self.deliver(outbox.Order(self.webhooks, attempts=AUTOMATIC_ATTEMPTS))
