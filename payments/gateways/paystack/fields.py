"""Members of Paystack's answers, read tolerantly.

Its own samples have strings for integers, null or ``0`` or ``""`` for objects, and dates in both
``created_at`` and ``createdAt``.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from legato_payments.lib.money import MINOR_DIGITS, Money
from payments.gateways.paystack import errors
from payments.gateways.values import Window

type Row = Mapping[str, Any]

_WORDS = re.compile(r"[a-z0-9]+")


def text(value: object) -> str:
    """A string, or an integer in digits; empty for whatever else stands there."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""


def integer(value: object) -> int | None:
    """A whole number, also one in a string of ASCII digits; ``None`` for whatever else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return None


def members(value: object) -> dict[str, Any]:
    """An object, also one in a string of JSON; empty for whatever else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def row_of(data: object) -> Row:
    """The one object of an answer, also when it stands in a list of one (``dispute/update``)."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise errors.unreadable("no object")
    return data


def moment(row: Row, *names: str) -> datetime | None:
    """The first of several members that is a date, in UTC."""
    for name in names:
        value = row.get(name)
        if not isinstance(value, str):
            continue
        try:
            read = datetime.fromisoformat(value)
            return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
    return None


def created_at(row: Row) -> datetime | None:
    """When an object was made, under any of its names."""
    return moment(row, "created_at", "createdAt", "transaction_date")


def money(minor: object, currency: object) -> Money:
    """Kobo as money.

    Raises:
        Ambiguous: No whole number, or a currency that our books do not keep.
    """
    amount = integer(minor)
    if amount is None or text(currency) not in MINOR_DIGITS:
        raise errors.unreadable(f"no amount: {str(minor)[:20]!r} {str(currency)[:10]!r}")
    return Money.from_minor(amount, text(currency))


def money_or_none(minor: object, currency: object) -> Money | None:
    """Kobo as money; ``None`` where Paystack gives no figure yet."""
    return None if integer(minor) is None else money(minor, currency)


def is_ours(row: Row) -> bool:
    """Whether our books keep the currency of a row: an account may take cedis or rand too."""
    return text(row.get("currency")) in MINOR_DIGITS


def is_within(row: Row, window: Window) -> bool:
    """Whether a listed object was made in the window; Paystack includes its end, we do not."""
    made_at = created_at(row)
    return made_at is None or window.start <= made_at < window.end


def query_of(window: Window) -> dict[str, str]:
    """The window as the parameters of a list."""
    return {"from": stamp(window.start), "to": stamp(window.end)}


def stamp(when: datetime) -> str:
    """A date-time as Paystack writes it, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def slug(words: object) -> str:
    """Paystack's words as a code of at most 64 characters: ``Insufficient Funds`` has no other."""
    return "_".join(_WORDS.findall(text(words).lower()))[:64]
