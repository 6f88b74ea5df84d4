"""What every operation of the OpenAPI description shares: query parameters, security, problems.

The statuses listed for an operation are all it can answer: there is no ``default`` among them.
"""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema

from legato_payments.lib.api import problems
from legato_payments.lib.api.permissions import Public

PROBLEMS = "x-problems"
"""An extension of an operation or a parameter: the statuses of the problems that it brings."""

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Some codes add members of their own.",
    "required": ["type", "title", "status", "detail", "instance", "code", "trace_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "/problems/not_found"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "code": {"type": "string", "example": "not_found"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "example": "/items/0/price"},
                    "code": {"type": "string", "example": "required"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}

_DESCRIPTIONS = {
    400: "The request is not valid.",
    401: "No valid bearer token.",
    402: "The payment was declined.",
    403: "Not allowed; the same whether or not the thing exists.",
    404: "Nothing was found here.",
    406: "`Accept` leaves out JSON.",
    409: "The current state refuses this.",
    411: "The body comes without `Content-Length`.",
    412: "The resource has changed meanwhile.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "A rule forbids this.",
    428: "`If-Match` or `If-None-Match` is missing.",
    429: "Too many requests; see `Retry-After`.",
    500: "A bug of ours; quote `trace_id`.",
    503: "Temporarily unavailable; see `Retry-After`.",
}

_RATE_LIMIT = r'^"[a-z]+";[qr]=[0-9]+;[wt]=[0-9]+(, "[a-z]+";[qr]=[0-9]+;[wt]=[0-9]+)*$'

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The one that was sent, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string", "enum": ["no-store"]}},
    "RateLimit-Policy": {"schema": {"type": "string", "pattern": _RATE_LIMIT}},
    "RateLimit": {"schema": {"type": "string", "pattern": _RATE_LIMIT}},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}},
    "Retry-After": {
        "description": "Seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}

_ON_EVERY_ANSWER = ("X-Request-ID", "Cache-Control", "RateLimit-Policy", "RateLimit")
_ON_PROBLEMS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


class ApiSchema(AutoSchema):
    """How an ``ApiViewSet`` is described: from the same declarations it is run by."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation with every problem it can answer, and the headers of its answers."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        for response in responses.values():
            response["headers"] = {**_headers(_ON_EVERY_ANSWER), **response.get("headers", {})}
        for status in sorted({*self._problems(), *_declared(operation)}):
            responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        return operation

    def get_override_parameters(self) -> list[Any]:
        """The query parameters that the view declares for the action."""
        declared = getattr(self.view, "query", {}).get(getattr(self.view, "action", None))
        return [declared] if declared is not None else []

    def get_auth(self) -> list[dict[str, list[str]]]:
        """A bearer token; where the access is public, it may be left out."""
        schemes: list[dict[str, list[str]]] = [
            scheme for scheme in super().get_auth() if scheme != {}
        ]
        return [{}, *schemes] if self._is_public() else schemes

    def _is_public(self) -> bool:
        rules = getattr(self.view, "access", {}).get(getattr(self.view, "action", None), ())
        return any(isinstance(rule, Public) for rule in rules)

    def _problems(self) -> Iterator[int]:
        """The statuses that follow from what the view declares."""
        yield from (400, 406, 411, 429, 500, 503)
        if self.view.authentication_classes:
            yield 401
        if not self._is_public():
            yield 403
        if "{" in self.path:
            yield 404
        if self.method in {"POST", "PUT", "PATCH"} and self.view.parser_classes:
            yield from (413, 415)


def _declared(operation: dict[str, Any]) -> Iterator[int]:
    for declaring in (operation, *operation.get("parameters", ())):
        yield from declaring.pop(PROBLEMS, ())


def add_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Define what the operations refer to: a postprocessing hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["headers"] = _HEADERS
    components["responses"] = {
        f"Problem{status}": _problem(status, description)
        for status, description in _DESCRIPTIONS.items()
    }
    return result


def _problem(status: int, description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "headers": _headers((*_ON_EVERY_ANSWER, *_ON_PROBLEMS.get(status, ()))),
        "content": {problems.CONTENT_TYPE: {"schema": schema}},
    }


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
