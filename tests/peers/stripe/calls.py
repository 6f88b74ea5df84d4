"""One call of the API, and the errors it may end in."""

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.peers import outbox
from tests.peers.clock import Clock
from tests.peers.routes import Routes
from tests.peers.store import Json, Store
from tests.peers.web import Answer

VERSION = "2026-05-27.dahlia"

routes = Routes()
control = Routes()

ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """An id as Stripe makes them."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def public(body: Any) -> Any:
    """An object without what is the peer's own."""
    if isinstance(body, dict):
        return {name: public(value) for name, value in body.items() if name[:1] != "_"}
    if isinstance(body, list):
        return [public(value) for value in body]
    return body


class ApiError(Exception):
    """An error of the API.

    Args:
        stored: Whether the answer belongs to the idempotency key. Stripe keeps it once the
            operation was begun; not for what was refused before.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        stored: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.body: Json = {"error": {"message": message, "type": kind, **more}}

    def answer(self) -> Answer:
        """What the caller gets."""
        return Answer.of(self.status, public(self.body))


def invalid(message: str, param: str = "", code: str = "") -> ApiError:
    """The request cannot be executed as it is."""
    error = ApiError(400, message)
    error.body["error"] |= {
        name: value for name, value in (("param", param), ("code", code)) if value
    }
    return error


def missing(kind: str, object_id: str, param: str, status: int) -> ApiError:
    """There is no such object."""
    return ApiError(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


@dataclass
class Call:
    """What the function of an operation works with.

    Args:
        base: The address the caller used, for the links in answers.
        params: The request's parameters, each of the type the description says.
        ids: What stands in the path.
        key: The caller's idempotency key.
    """

    store: Store
    clock: Clock
    options: Mapping[str, Any]
    base: str
    params: Json = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    key: str | None = None
    told: list[Json] = field(default_factory=list)

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return self.clock.now()

    def load(self, kind: str, object_id: str, param: str = "id") -> Json:
        """One object.

        Raises:
            ApiError: There is none.
        """
        found = self.store.get(kind, object_id)
        if found is None:
            # What the path names is not found; what a parameter names makes it a bad request.
            status = 404 if object_id in self.ids.values() else 400
            raise missing(kind.replace(".", "_"), object_id, param, status)
        return found

    def save(self, body: Json) -> Json:
        """Keep an object as it is now."""
        return self.store.put(body["object"], body)

    def tell(self, kind: str, body: Json) -> None:
        """An event: kept, and put into the outbox."""
        event: Json = {
            "id": new_id("evt_"),
            "object": "event",
            "api_version": VERSION,
            "created": self.now,
            "data": {"object": public(body)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.key},
            "type": kind,
        }
        self.store.put("event", event)
        self.told.append(event)
        # Stripe sends its events indented: whoever parses and writes them again breaks the
        # signature.
        raw = json.dumps(event, indent=2, ensure_ascii=False).encode()
        outbox.add(self.store, kind, event["id"], str(body.get("id", "")), raw)
