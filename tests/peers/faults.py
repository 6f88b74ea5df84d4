"""Faults a test orders in advance, for the next calls of an operation."""

from enum import StrEnum
from fnmatch import fnmatchcase

from tests.peers.store import Json, Store


class Fault(StrEnum):
    """What goes wrong. Whether the operation is executed is the point of each."""

    REFUSE = "refuse"
    """Not executed: the connection is reset before the body is read."""
    SLOW = "slow"
    """Executed and answered, after ``seconds``."""
    TIMEOUT_BEFORE = "timeout_before"
    """Not executed, not answered: silence for ``seconds``, then the connection ends."""
    TIMEOUT_AFTER = "timeout_after"
    """Executed, not answered: silence for ``seconds``, then the connection ends."""
    ERROR_BEFORE = "error_before"
    """Not executed: ``status``, 500 when not given."""
    ERROR_AFTER = "error_after"
    """Executed, but answered with ``status``, 500 when not given."""
    CONFLICT = "conflict"
    """Not executed: 409, as if the same key were in use by another call."""
    RATE_LIMIT = "rate_limit"
    """Not executed: 429."""
    GARBAGE = "garbage"
    """Executed, but the answer is the page of a proxy, with status 200."""
    RESET = "reset"
    """Executed, but the connection is reset in the middle of the answer."""


NOT_EXECUTED = (
    Fault.REFUSE,
    Fault.TIMEOUT_BEFORE,
    Fault.ERROR_BEFORE,
    Fault.CONFLICT,
    Fault.RATE_LIMIT,
)

SECONDS = {Fault.SLOW: 0.2, Fault.TIMEOUT_BEFORE: 30.0, Fault.TIMEOUT_AFTER: 30.0}
"""How long, where the order does not say. A caller that hangs up earlier ends the silence."""

KIND = "_fault"


def order(store: Store, known: set[str], body: Json) -> Json:
    """Keep an order: ``operation`` (may hold ``*``), ``kind``, ``count``, ``skip`` and so on.

    Raises:
        ValueError: No such kind, or no operation it could ever meet.
    """
    fault = Fault(body["kind"])
    operation = str(body.get("operation", "*"))
    if not any(fnmatchcase(name, operation) for name in known):
        raise ValueError(f"no operation is called {operation}: {', '.join(sorted(known))}")
    with store.transaction():
        return store.put(
            KIND,
            {
                "id": f"fault_{store.number(1)}",
                "operation": operation,
                "kind": fault,
                "left": int(body.get("count", 1)),
                "skip": int(body.get("skip", 0)),
                "seconds": float(body.get("seconds", SECONDS.get(fault, 0.0))),
                "status": int(body.get("status", 500)),
            },
        )


def pending(store: Store) -> list[Json]:
    """The orders that have still to be met."""
    return [fault for fault in store.find(KIND) if fault["left"] > 0]


def take(store: Store, operation: str) -> Json | None:
    """The fault of this call, used up by it; the oldest order goes first."""
    if not pending(store):
        return None
    with store.transaction():
        for fault in pending(store):
            if not fnmatchcase(operation, fault["operation"]):
                continue
            name = "skip" if fault["skip"] > 0 else "left"
            store.put(KIND, {**fault, name: fault[name] - 1})
            if name == "left":
                return fault
            return None
    return None
