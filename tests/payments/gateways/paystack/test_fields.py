"""Members of Paystack's answers, in all the forms of its own samples"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from payments.gateways.paystack import fields

AT = datetime(2026, 11, 1, 9, 15, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T09:15:02.000Z",
        "2026-11-01 09:15:02",
        "2026-11-01T09:15:02",
        "2026-11-01T10:15:02+01:00",
    ],
)
def test_reads_every_form_of_a_date_as_utc(written: str) -> None:
    read = fields.moment({"paidAt": written}, "paid_at", "paidAt")

    assert read == AT
    assert read.tzinfo is UTC


@pytest.mark.parametrize("written", [None, 0, "", "soon", "2026-13-01", "0001-01-01T00:00+23:00"])
def test_passes_over_what_is_no_date(written: Any) -> None:
    assert fields.moment({"paid_at": written}, "paid_at") is None
    both = {"paid_at": written, "paidAt": "2026-11-01T09:15:02.000Z"}
    assert fields.moment(both, "paid_at", "paidAt") == AT


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5_000, 5_000),
        ("5000", 5_000),
        ("-5000", -5_000),
        (0, 0),
        (True, None),
        (50.0, None),
        ("50.00", None),
        ("5_000", None),
        ("٥٠٠", None),
        (" 5000", None),
        ("9" * 19, None),
        ("", None),
        (None, None),
        ([], None),
    ],
    ids=repr,
)
def test_reads_whole_numbers_and_nothing_else(value: Any, read: int | None) -> None:
    assert fields.integer(value) == read


def test_writes_dates_as_paystack_does() -> None:
    lagos = AT.astimezone(timezone(timedelta(hours=1)))

    assert fields.stamp(lagos) == "2026-11-01T09:15:02.000Z"


def test_makes_codes_of_words() -> None:
    assert fields.slug("Insufficient Funds.") == "insufficient_funds"
    assert fields.slug("x " * 100) == ("x_" * 32)
    assert fields.slug(None) == ""
