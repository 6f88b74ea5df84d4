"""One call of the API, the errors it may end in, and the webhooks it leaves."""

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.peers import outbox
from tests.peers.clock import Clock, iso, parse
from tests.peers.routes import Routes
from tests.peers.store import Json, Store
from tests.peers.web import Answer

INTEGRATION = 463433
DOMAIN = "test"
FIRST_NUMBER = 4_099_260_000
"""Ids are numbers from here on: larger than 32 bits, as Paystack's are."""

routes = Routes()
control = Routes()

ALPHABET = string.ascii_lowercase + string.digits


def token(length: int, prefix: str = "") -> str:
    """A code as Paystack makes them."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


class ApiError(Exception):
    """An error of the API, in the words of the official samples where there are any.

    Args:
        code: Empty for the many errors that carry a message only.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        next_step: str = "Ensure that the value(s) you're passing are valid.",
        kind: str = "validation_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"status": False, "message": message}
        if code:
            self.body |= {"meta": {"nextStep": next_step}, "type": kind, "code": code}

    def answer(self) -> Answer:
        """What the caller gets."""
        return Answer.of(self.status, self.body)


def invalid(message: str, code: str = "invalid_params") -> ApiError:
    """The request cannot be executed as it is."""
    return ApiError(400, message, code)


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer: ``{status: true, message, data?, meta?}``."""

    message: str
    data: Any = None
    meta: Json | None = None

    def body(self) -> Json:
        """As it is sent."""
        body = {"status": True, "message": self.message}
        more = {"data": self.data, "meta": self.meta}
        return body | {name: value for name, value in more.items() if value is not None}


@dataclass
class Call:
    """What the function of an operation works with.

    Args:
        base: The address the caller used, for the links in answers.
        params: The query, or the body, each value of its own type.
        ids: What stands in the path.
    """

    store: Store
    clock: Clock
    options: Mapping[str, Any]
    base: str
    params: Json = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return self.clock.now()

    @property
    def iso(self) -> str:
        """The same as text."""
        return iso(self.now)

    def number(self) -> int:
        """The id of a new object."""
        return self.store.number(FIRST_NUMBER)

    def tell(self, kind: str, data: Json) -> None:
        """Put a webhook into the outbox. Paystack gives its events no id."""
        raw = json.dumps(
            {"event": kind, "data": data}, separators=(",", ":"), ensure_ascii=False
        ).encode()
        about = str(data.get("reference") or data.get("transaction_reference") or data["id"])
        outbox.add(self.store, kind, token(12, "delivery_"), about, raw)


def page(call: Call, message: str, rows: list[Json], name: str = "created_at") -> Reply:
    """A page of a list, newest first: by page number, or by cursor when asked so.

    Args:
        rows: Oldest first.
        name: The member that ``from`` and ``to`` speak of.
    """
    params = call.params
    size: int = params.get("perPage") or params.get("per_page") or 50
    chosen = [row for row in rows[::-1] if _between(row[name], params)]
    if params.get("use_cursor"):
        return _cursor(message, chosen, size, params)
    number = params.get("page", 1)
    start = (number - 1) * size
    meta = {
        "total": len(chosen),
        "skipped": start,
        "perPage": size,
        "page": number,
        "pageCount": -(-len(chosen) // size),
    }
    return Reply(message, chosen[start : start + size], meta)


def _cursor(message: str, rows: list[Json], size: int, params: Json) -> Reply:
    place = {f"row:{row['id']}": place for place, row in enumerate(rows)}
    start = 0
    if after := params.get("next"):
        start = place[after] + 1
    elif before := params.get("previous"):
        start = max(0, place[before] - size)
    shown = rows[start : start + size]
    has_more = start + size < len(rows)
    meta = {
        "next": f"row:{shown[-1]['id']}" if shown and has_more else None,
        "previous": f"row:{shown[0]['id']}" if shown and start else None,
        "perPage": size,
    }
    return Reply(message, shown, meta)


def _between(moment: str, params: Json) -> bool:
    at = parse(moment)
    start, end = params.get("from"), params.get("to")
    return (not start or at >= parse(start)) and (not end or at <= parse(end))


def shown(body: Any) -> Any:
    """An object without what is the peer's own."""
    if isinstance(body, dict):
        return {name: shown(value) for name, value in body.items() if name[:1] != "_"}
    if isinstance(body, list):
        return [shown(value) for value in body]
    return body
