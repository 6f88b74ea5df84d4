"""What every operation of the OpenAPI description shares: query parameters, security, problems."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema

from legato_payments.lib.api import problems
from legato_payments.lib.api.permissions import Public

_METHODS = {"get", "put", "post", "patch", "delete"}

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Some codes add members of their own.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "/problems/not_found"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "example": "not_found"},
        "trace_id": {"type": "string", "nullable": True},
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
    403: "Not allowed; the same whether or not the thing exists.",
    404: "Nothing was found here.",
    409: "The current state refuses this.",
    412: "The resource has changed meanwhile.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "A rule forbids this.",
    428: "`If-Match` or `If-None-Match` is missing.",
    429: "Too many requests; see `Retry-After`.",
    503: "Temporarily unavailable; see `Retry-After`.",
}


class ApiSchema(AutoSchema):
    """How an ``ApiViewSet`` is described: from the same declarations it is run by."""

    def get_override_parameters(self) -> list[Any]:
        """The query parameters that the view declares for the action."""
        declared = getattr(self.view, "query", {}).get(getattr(self.view, "action", None))
        return [declared] if declared is not None else []

    def get_auth(self) -> list[dict[str, list[str]]]:
        """No token where the access is public, else a bearer token."""
        schemes: list[dict[str, list[str]]] = super().get_auth()
        rules = getattr(self.view, "access", {}).get(getattr(self.view, "action", None), ())
        return [{}] if any(isinstance(rule, Public) for rule in rules) else schemes


def add_problem_responses(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Give every operation the problems it can answer: a postprocessing hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["responses"] = {
        f"Problem{status}": _response(description) for status, description in _DESCRIPTIONS.items()
    }
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if method in _METHODS:
                responses = operation.setdefault("responses", {})
                for status in _statuses(path, method, operation):
                    reference = {"$ref": f"#/components/responses/Problem{status}"}
                    responses.setdefault(str(status), reference)
                responses.setdefault("default", _response("Any other problem."))
    return result


def _response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {problems.CONTENT_TYPE: {"schema": schema}}}


def _statuses(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    yield 400
    if {"bearerAuth": []} in operation.get("security", []):
        yield from (401, 403)
    if "{" in path:
        yield 404
    if method in {"post", "put", "patch"}:
        yield from (409, 413, 415, 422)
    if method in {"put", "patch"}:
        yield from (412, 428)
    yield from (429, 503)
