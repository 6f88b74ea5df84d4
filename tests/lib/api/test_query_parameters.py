"""Query strings: declared parameters only, each once, in UTF-8."""

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")


def faults(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(e["pointer"], e["code"]) for e in response.json()["errors"]]


def test_declared_parameters_are_read(client: Client) -> None:
    response = client.get("/api/v1/echo?from=2026-10-01&size=7&page_size=10")

    assert response.json() == {"from_": "2026-10-01", "size": "7", "page_size": "10"}


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("colour=red", "?colour", "unknown_field"),
        ("from_=2026-10-01", "?from_", "unknown_field"),
        ("colour", "?colour", "unknown_field"),
        ("=1", "?", "unknown_field"),
        ("size=1&size=2", "?size", "repeated"),
        ("size=1&size=1", "?size", "repeated"),
        ("size=", "?size", "invalid"),
        ("size=%00", "?size", "invalid"),
        ("size=1e3", "?size", "invalid"),
        ("size=0", "?size", "min_value"),
        ("page_size=0", "?page_size", "min_value"),
        ("page_size=101", "?page_size", "max_value"),
        ("from=yesterday", "?from", "invalid"),
        ("cursor=%00", "?cursor", "control_character"),
        ("size=%ff", "?", "invalid"),
        ("%ff=1", "?", "invalid"),
        ("size=%ed%a0%80", "?", "invalid"),
        ("&".join(f"p{i}=1" for i in range(60)), "?", "invalid"),
    ],
)
def test_anything_else_is_refused_with_its_name(
    client: Client, query: str, pointer: str, code: str
) -> None:
    assert faults(client.get(f"/api/v1/echo?{query}")) == [(pointer, code)]


def test_raw_bytes_in_the_address_are_refused(client: Client) -> None:
    response = client.get("/api/v1/echo", QUERY_STRING="size=\xff")

    assert faults(response) == [("?", "invalid")]


def test_an_operation_that_declares_none_takes_none(client: Client) -> None:
    response = client.post("/api/v1/echo?size=1", content_type="application/json")

    assert faults(response) == [("?size", "unknown_field")]


def test_permission_comes_before_the_query(client: Client) -> None:
    assert client.get("/api/v1/users/reader-1/balance?colour=1").status_code == 401
