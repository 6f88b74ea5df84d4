"""A client that sees answers as a caller does, and tokens of the people in these tests."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from legato_payments.lib.api import tokens

Send = Callable[..., HttpResponse]


@pytest.fixture
def client() -> Client:
    """An anonymous caller; a failure of ours is a 500 to it, not an exception."""
    return Client(raise_request_exception=False)


@pytest.fixture
def post_raw(client: Client) -> Callable[[bytes], Any]:
    """Sends bytes as JSON to the echo endpoint."""

    def post(body: bytes, path: str = "/api/v1/echo", **headers: Any) -> Any:
        content_type = headers.pop("content_type", "application/json")
        return client.generic("POST", path, body, content_type=content_type, **headers)

    return post


@pytest.fixture
def get_as(client: Client) -> Callable[..., Any]:
    """Sends a request with a freshly issued token: ``get_as("reader-1", path, scopes=[...])``."""

    def send(subject: str, path: str, *, method: str = "GET", **claims: Any) -> Any:
        token = tokens.issue(subject, **claims)
        return client.generic(method, path, headers={"authorization": f"Bearer {token}"})

    return send
