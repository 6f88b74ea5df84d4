"""How the answers of rate sources are fetched and read: strictly, and naming what is wrong."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NoReturn

import requests

from legato_payments.lib import http
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

MAX_BYTES = 32 * 1024 * 1024
"""The Central Bank of Nigeria answers with every rate since 2001: some 9 MB, and it grows."""

SMALLEST = Decimal("1e-12")
LARGEST = Decimal("1e12")
"""What our history can hold; beyond it a figure is no rate, however it is written."""

PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,24})?")
"""Plain digits: ``Decimal`` alone would also read ``1_371``, ``1e3`` and ``NaN``."""

_DIGITS = Context(prec=34)
"""Of a rate that comes out of a division; the history keeps twelve behind the point."""


def fetch(source: str, url: str, **params: str) -> bytes:
    """The body of a source's answer.

    Raises:
        RateSourceUnreadable: No answer, or not with status 200.
    """
    try:
        response = http.Session(max_bytes=MAX_BYTES).get(url, params=params)
    except requests.RequestException as error:
        # Not chained: the text of the error has the address in it, which may hold a key.
        fault = type(error).__name__
        raise RateSourceUnreadable(f"{source}: no answer ({fault})") from None
    if response.status_code != requests.codes.ok:
        raise RateSourceUnreadable(f"{source}: it answered with status {response.status_code}")
    return response.content


def parse_json(source: str, body: bytes) -> Any:
    """A JSON document whose numbers are ``Decimal``.

    Raises:
        RateSourceUnreadable: It is none, or holds NaN or Infinity.
    """
    try:
        return json.loads(
            body, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise RateSourceUnreadable(f"{source}: the answer is no JSON") from error


def decimal_text(source: str, field: str, value: Any) -> Decimal:
    """A rate that the source writes as text in plain digits.

    Raises:
        RateSourceUnreadable: It is something else, or not above zero.
    """
    if not isinstance(value, str) or not PLAIN.fullmatch(value):
        refuse(source, field, value, "no rate")
    return decimal_number(source, field, Decimal(value))


def decimal_number(source: str, field: str, value: Any) -> Decimal:
    """A rate that the source writes as a JSON number.

    Raises:
        RateSourceUnreadable: It is something else, or nothing our history can hold.
    """
    # An exponent of a billion is a number too, and would fill the memory as a fraction.
    if not isinstance(value, Decimal) or not SMALLEST <= value < LARGEST:
        refuse(source, field, value, "no rate")
    return value


def day(source: str, field: str, value: Any) -> date:
    """A day as ``YYYY-MM-DD``.

    Raises:
        RateSourceUnreadable: It is something else.
    """
    try:
        return date.fromisoformat(value if len(value) == len("2026-05-21") else "")
    except (TypeError, ValueError):
        refuse(source, field, value, "no day")


def member[T](source: str, holder: Any, name: str, kind: type[T]) -> T:
    """One member of a JSON object.

    Raises:
        RateSourceUnreadable: ``holder`` is no object, or its member is missing or of another kind.
    """
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, kind):
        refuse(source, name, value, "missing or of another kind")
    return value


def refuse(source: str, field: str, value: Any, fault: str) -> NoReturn:
    """Say which field cannot be read.

    Raises:
        RateSourceUnreadable: Always.
    """
    raise RateSourceUnreadable(f"{source}: {field} is {fault}: {str(value)[:40]!r}")


def crossed(
    per_pivot: Mapping[str, Fraction], pairs: Sequence[Pair], *, as_of: date, source: str
) -> list[Quote]:
    """Quotes of ``pairs`` through the currency that the source counts in.

    Args:
        per_pivot: How much of each currency one of the pivot buys, exactly; the pivot itself too.
    """
    return [
        Quote(base, quote, _divided(per_pivot[quote], per_pivot[base]), as_of, source)
        for base, quote in pairs
        if base in per_pivot and quote in per_pivot
    ]


def _divided(quote: Fraction, base: Fraction) -> Decimal:
    rate = quote / base
    return _DIGITS.divide(Decimal(rate.numerator), Decimal(rate.denominator))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
