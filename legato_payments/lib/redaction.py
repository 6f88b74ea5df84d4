"""Takes secrets and personal data out of what is about to be logged."""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_SECRET_WORDS = frozenset(
    {
        "account",
        "authorization",
        "bvn",
        "card",
        "cookie",
        "cvc",
        "cvv",
        "email",
        "iban",
        "nuban",
        "pan",
        "passwd",
        "password",
        "secret",
        "signature",
        "ssn",
        "token",
    }
)
_SECRET_PAIRS = ("api_key", "private_key", "signing_key", "field_key", "tax_number")
_HARMLESS_ENDINGS = ("_id", "_ids", "_type", "_count", "_at", "_code", "_brand", "_last4")
"""``gift_card_id`` names a card, ``gift_card`` may hold its code."""

_CREDENTIALS = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9+/._~=-]{8,}"
    r"|\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_+/=-]{8,}"
    # A JSON web token: two or three base64 parts, the first of which is a JSON object.
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"
    # The password of a database or broker address.
    r"|(?<=://)[^\s:/@]*:[^\s@]+(?=@)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
# Card numbers begin with 2 to 6 (ISO/IEC 7812) and hold 13 to 19 digits. A uuid or a decimal that
# happens to hold such a run is none.
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?!\w|[.-]\w)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def redact(value: Any, key: str = "") -> Any:
    """Return ``value`` without secrets; ``key`` is the name it is logged under.

    Mappings and sequences are copied; numbers and other objects come back as they are.
    """
    if key and is_secret(key) and value not in (None, "", True, False):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {name: redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    return value


def redact_text(text: str) -> str:
    """Blank out credentials, e-mail addresses and card numbers inside a text."""
    text = _CREDENTIALS.sub(REDACTED, text)
    text = _EMAIL.sub(REDACTED, text)
    return _CARD.sub(_blank_card, text)


def is_secret(key: str) -> bool:
    """Whether what is called ``key`` is never logged, whatever it holds."""
    name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower())
    if name.endswith(_HARMLESS_ENDINGS):
        return False
    return bool(_SECRET_WORDS & set(name.split("_"))) or any(pair in name for pair in _SECRET_PAIRS)


def one_line(text: str) -> str:
    r"""Escape line breaks and control characters: a value cannot forge a second log line.

    >>> one_line("a\r\nb")
    'a\\x0d\\x0ab'
    """
    return _CONTROL.sub(lambda found: _escape(found.group()), text)


def passes_luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _blank_card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    return REDACTED if passes_luhn(digits) else found.group()


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
