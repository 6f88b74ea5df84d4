"""Strict JSON: what is ambiguous, lossy or hostile is refused, never guessed at.

Python's ``json`` keeps the last of two equal keys, reads NaN and 1e400, and accepts NUL and half a
surrogate pair; each of them becomes a fault here, with a pointer to its place.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from django.http import HttpRequest
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from legato_payments.lib.api.errors import PayloadTooLarge, escape_pointer
from legato_payments.lib.errors import FieldError, Invalid

MAX_BODY_BYTES = 64 * 1024
"""The default; a view raises it with ``max_body_bytes``."""

MAX_DEPTH = 32
"""Objects and arrays inside one another; the body itself is the first."""

MAX_NUMBER_LENGTH = 40
"""Characters of one number: more than any of ours, less than arithmetic could be slowed with."""

MAX_FAULTS = 20
"""Faults listed before reading stops."""


class StrictJSONParser(BaseParser):
    """One JSON object in UTF-8; an empty body is an empty object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Read and check the body of a request.

        Raises:
            UnsupportedMediaType: The media type names another charset than UTF-8.
            PayloadTooLarge: More than the view's ``max_body_bytes``.
            Invalid: Any fault of ``parse_object``.
        """
        context = parser_context or {}
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(media_type or "")
        limit: int = getattr(context.get("view"), "max_body_bytes", MAX_BODY_BYTES)
        return parse_object(_read(stream, limit=limit, request=context.get("request")))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object; integers are ``int``, other numbers ``Decimal``, never ``float``.

    Raises:
        Invalid: Not exactly one JSON object in plain UTF-8, or it holds a duplicate key, NaN or
            Infinity, an exponent, an overlong number, NUL, half a surrogate pair, or more than 32
            levels; ``errors`` points to each.
    """
    if not raw:
        return {}
    value = _decode(raw)
    faults = list(islice(_faults(value, "", 1), MAX_FAULTS))
    if faults:
        raise Invalid("The body is not valid JSON for this API.", errors=faults)
    if not isinstance(value, dict):
        raise _invalid("not_an_object", "The body must be a JSON object.")
    return value


def _read(stream: IO[Any], *, limit: int, request: HttpRequest | None) -> bytes:
    detail = f"The request body may hold at most {limit:,} bytes."
    declared = request.META.get("CONTENT_LENGTH") if request is not None else None
    if declared and int(declared) > limit:
        raise PayloadTooLarge(detail)
    # What the header says and what arrives may differ.
    raw: bytes = stream.read(limit + 1)
    if len(raw) > limit:
        raise PayloadTooLarge(detail)
    return raw


def _decode(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"The body is not UTF-8 at byte {error.start}."
        raise _invalid("invalid_utf8", detail) from None
    if text.startswith("\ufeff"):
        raise _invalid("byte_order_mark", "The body must not start with a byte order mark.")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno}, column {error.colno}."
        raise _invalid("malformed_json", detail) from None
    except RecursionError:
        raise _invalid("too_deep", f"More than {MAX_DEPTH} levels.") from None


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands where a value was that we refuse, until its pointer is known."""

    code: str
    detail: str


class _Repeated(dict[str, Any]):
    """An object in which a key comes twice."""

    keys_twice: frozenset[str]


def _read_integer(digits: str) -> int | _Fault:
    if len(digits) > MAX_NUMBER_LENGTH:
        return _Fault("number_too_long", f"More than {MAX_NUMBER_LENGTH} characters.")
    return int(digits)


def _read_fraction(digits: str) -> Decimal | _Fault:
    if "e" in digits or "E" in digits:
        return _Fault("exponent", "Write the number without an exponent.")
    if len(digits) > MAX_NUMBER_LENGTH:
        return _Fault("number_too_long", f"More than {MAX_NUMBER_LENGTH} characters.")
    return Decimal(digits)


def _read_constant(name: str) -> _Fault:
    return _Fault("not_a_number", f"{name} is not JSON.")


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) == len(pairs):
        return read
    counts = Counter(key for key, _ in pairs)
    repeated = _Repeated(read)
    repeated.keys_twice = frozenset(key for key, count in counts.items() if count > 1)
    return repeated


_decoder = json.JSONDecoder(
    parse_int=_read_integer,
    parse_float=_read_fraction,
    parse_constant=_read_constant,
    object_pairs_hook=_read_pairs,
)


def _faults(value: Any, pointer: str, depth: int) -> Iterator[FieldError]:
    match value:
        case str():
            yield from _text_faults(value, pointer)
        case dict() | list() if depth > MAX_DEPTH:
            yield FieldError(pointer, "too_deep", f"More than {MAX_DEPTH} levels.")
        case dict():
            if isinstance(value, _Repeated):
                for key in sorted(value.keys_twice):
                    place = f"{pointer}/{escape_pointer(key)}"
                    yield FieldError(place, "duplicate_key", "This key comes more than once.")
            for key, inner in value.items():
                yield from _text_faults(key, pointer)
                yield from _faults(inner, f"{pointer}/{escape_pointer(key)}", depth + 1)
        case list():
            for index, inner in enumerate(value):
                yield from _faults(inner, f"{pointer}/{index}", depth + 1)
        case _Fault():
            yield FieldError(pointer, value.code, value.detail)


def _text_faults(text: str, pointer: str) -> Iterator[FieldError]:
    if "\x00" in text:
        yield FieldError(pointer, "null_character", "The character U+0000 is not allowed.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        yield FieldError(pointer, "lone_surrogate", "Half a surrogate pair is not a character.")


def _invalid(code: str, detail: str) -> Invalid:
    message = "The body is not valid JSON for this API."
    return Invalid(message, errors=[FieldError("", code, detail)])
