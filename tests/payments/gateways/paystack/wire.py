"""Answers in Paystack's place, and checks every request against its official description."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import responses
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest

from tests import specs

BASE = "https://api.paystack.co"
DESCRIPTION = "paystack-openapi-trimmed.npm.json"

ONLY_IN_THE_REFERENCE = {
    ("/settlement/{id}/transactions", "perPage"),
    ("/settlement/{id}/transactions", "page"),
    ("/dispute/{id}/upload_url", "upload_filename"),
}
"""Parameters that https://paystack.com/docs/api/ has and the description left out."""


class Wire:
    """What is asked of Paystack, in order, and what it answers."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.mock = mock
        self.requests: list[requests.PreparedRequest] = []

    def answer(self, method: str, path: str, data: Any, *, meta: Any = None) -> None:
        """A success for the next request to ``path``."""
        envelope = {"status": True, "message": "Done", "data": data}
        self.reply(method, path, envelope if meta is None else {**envelope, "meta": meta})

    def refuse(self, method: str, path: str, status: int, message: str, code: str = "") -> None:
        """A refusal of the next request to ``path``."""
        body = {"status": False, "message": message}
        self.reply(method, path, {**body, "code": code} if code else body, status=status)

    def reply(self, method: str, path: str, body: Any, *, status: int = 200) -> None:
        """Any JSON for the next request to ``path``."""

        def callback(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            require_described(request)
            self.requests.append(request)
            return status, {"Content-Type": "application/json"}, json.dumps(body)

        self.mock.add_callback(method, f"{BASE}{path}", callback)

    @property
    def asked(self) -> list[str]:
        """Method and path of every request."""
        return [f"{r.method} {urlsplit(r.url or '').path}" for r in self.requests]

    def query(self, number: int = -1) -> dict[str, str]:
        """The query of a request, the last one unless said otherwise."""
        return query_of(self.requests[number])

    def body(self, number: int = -1) -> Any:
        """The JSON of a request, the last one unless said otherwise."""
        return json.loads(self.requests[number].body or b"")


def require_described(request: requests.PreparedRequest) -> None:
    """Fail unless the official description allows the request, down to its last member.

    Raises:
        openapi_core.exceptions.OpenAPIError: It does not.
        AssertionError: A parameter or member that the description does not know.
    """
    _description().validate_request(RequestsOpenAPIRequest(request))
    template, operation = _operation(request)
    known = {parameter["name"] for parameter in operation.get("parameters", [])}
    known |= {name for path, name in ONLY_IN_THE_REFERENCE if path == template}
    assert set(query_of(request)) <= known, f"{request.url}: unknown parameters"
    if request.body:
        media = operation["requestBody"]["content"]["application/json"]["schema"]
        members = set(json.loads(request.body))
        assert members <= set(_resolved(media)["properties"]), f"{request.url}: unknown members"


def query_of(request: requests.PreparedRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url or "").query))


@cache
def _description() -> OpenAPI:
    return OpenAPI.from_dict(specs.load(DESCRIPTION))


def _operation(request: requests.PreparedRequest) -> tuple[str, Any]:
    path, method = urlsplit(request.url or "").path, (request.method or "").lower()
    (found,) = [
        (template, operations[method])
        for template, operations in _paths()
        if method in operations and _fits(template, path)
    ][:1]
    return found


def _paths() -> Iterator[tuple[str, Any]]:
    # A path without parameters is meant before one with them.
    paths = specs.load(DESCRIPTION)["paths"]
    yield from sorted(paths.items(), key=lambda item: "{" in item[0])


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        part.startswith("{") or part == piece for part, piece in zip(wanted, given, strict=True)
    )


def _resolved(schema: Any) -> Any:
    while "$ref" in schema:
        schema = specs.load(DESCRIPTION)["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
