"""Identifiers: ours sort by time, other services' are opaque but bounded."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from legato_payments.lib import ids


def test_uuid7_sorts_by_creation_and_tells_it() -> None:
    before = datetime.now(UTC)

    made = [ids.uuid7() for _ in range(1000)]

    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert {value.version for value in made} == {7}
    assert before - timedelta(milliseconds=1) <= ids.uuid7_time(made[0])
    assert ids.uuid7_time(made[-1]) <= datetime.now(UTC)


@pytest.mark.parametrize("value", ["a", "user-1", "A.b_c:d-9", "x" * 64])
def test_takes_ids_of_other_services(value: str) -> None:
    assert ids.is_external_id(value)


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a/b", "a\n", "é", "a%20b", "a\x00"])
def test_refuses_what_is_no_id(value: str) -> None:
    assert not ids.is_external_id(value)


def test_every_gateway_takes_our_references() -> None:
    made = {ids.gateway_reference() for _ in range(1000)}

    assert len(made) == 1000
    # Paystack transfers: 16 to 50 of [a-z0-9_-]; charges: no underscore; ISO 20022: at most 35.
    assert all(re.fullmatch(r"[a-z0-9]{16,35}", reference) for reference in made)
