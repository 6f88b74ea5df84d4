"""Changes say which version they are for: If-Match and If-None-Match."""

import pytest
from django.test import Client

from legato_payments.lib.api import tokens
from legato_payments.lib.api.etags import make_etag

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")

CURRENT = make_etag("reader-1", 1)
OLDER = make_etag("reader-1", 0)


def put(client: Client, reader: str, **headers: str) -> tuple[int, str | None]:
    response = client.put(
        f"/api/v1/users/{reader}/profile",
        content_type="application/json",
        headers={"authorization": f"Bearer {tokens.issue(reader)}", **headers},
    )
    return response.status_code, response.json().get("code")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (428, "precondition_required")),
        ({"if-match": CURRENT}, (200, None)),
        ({"if-match": f'"x", {CURRENT}'}, (200, None)),
        ({"if-match": "*"}, (200, None)),
        ({"if-match": OLDER}, (412, "precondition_failed")),
        ({"if-match": f"W/{CURRENT}"}, (412, "precondition_failed")),
        ({"if-match": CURRENT.strip('"')}, (412, "precondition_failed")),
        ({"if-match": ""}, (412, "precondition_failed")),
        ({"if-none-match": "*"}, (412, "precondition_failed")),
        ({"if-none-match": OLDER}, (412, "precondition_failed")),
        ({"if-match": CURRENT, "if-none-match": "*"}, (412, "precondition_failed")),
    ],
)
def test_an_existing_resource_is_changed_with_its_etag(
    client: Client, headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    assert put(client, "reader-1", **headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (428, "precondition_required")),
        ({"if-none-match": "*"}, (200, None)),
        ({"if-match": CURRENT}, (412, "precondition_failed")),
        ({"if-match": "*"}, (412, "precondition_failed")),
        ({"if-none-match": CURRENT}, (412, "precondition_failed")),
    ],
)
def test_a_first_put_says_that_it_creates(
    client: Client, headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    assert put(client, "reader-2", **headers) == expected


def test_an_etag_changes_with_each_part_of_the_version() -> None:
    assert len({make_etag(1, 2), make_etag(12), make_etag("1", "2", ""), make_etag(2, 1)}) == 4
    assert make_etag(1, 2) == make_etag(1, 2)
    assert make_etag(1).startswith('"')
