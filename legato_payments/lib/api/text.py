"""What free text may hold: rules that every field for people's words shares."""

import re
import unicodedata
from collections.abc import Iterator

from legato_payments.lib.redaction import passes_luhn

_NOT_SHOWN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories: control, half a surrogate pair, line and paragraph separator."""

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder what a reader sees: a name could show another text to staff than it holds.

Unicode Technical Report 36, section 2.6.
"""

_REFUSED = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_SPACES = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""White space that is not refused, as ``str.strip`` knows it."""

PATTERN = f"^[^{_REFUSED}]*[^{_REFUSED}{_SPACES}][^{_REFUSED}]*$"
"""The same as a regular expression of JSON Schema: nothing refused, and not only blanks."""

_REFUSED_IN_LINES = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"

MULTILINE_PATTERN = f"^[^{_REFUSED_IN_LINES}]*[^{_REFUSED}{_SPACES}][^{_REFUSED_IN_LINES}]*$"
"""With newlines and tabs."""

_DIGIT_GROUPS = re.compile(r"[0-9]+(?:[ .-][0-9]+)*")
_CARD_LENGTHS = range(13, 20)
"""ISO/IEC 7812-1: a card number has at most 19 digits; the shortest in use has 13."""

_ISSUERS = frozenset("3456")
"""First digits of payment cards: travel cards, Visa, Mastercard, Maestro and UnionPay."""


def refused_character(text: str, *, multiline: bool) -> str | None:
    """The first character that no text of ours may hold, or ``None``.

    A newline and a tab are fine when ``multiline``.
    """
    if text.isascii() and text.isprintable():
        return None
    for character in text:
        if multiline and character in "\n\t":
            continue
        if unicodedata.category(character) in _NOT_SHOWN or character in _BIDI_CONTROLS:
            return character
    return None


def holds_card_number(text: str) -> bool:
    """Whether 13 to 19 digits in ``text`` look like a payment card: issuer digit and Luhn sum.

    Digits may stand in groups (``4111 1111 1111 1111``) and in any script. A tenth of random digits
    pass, which is why identifiers are never tested (rules.md, rule 42).
    """
    plain = unicodedata.normalize("NFKC", text)
    return any(
        number[0] in _ISSUERS and passes_luhn(number)
        for run in _DIGIT_GROUPS.findall(plain)
        for number in _candidates(re.split(r"[ .-]", run))
    )


def _candidates(groups: list[str]) -> Iterator[str]:
    # A number ends where a group ends: testing every stretch of a long run of digits would refuse
    # most of them by chance.
    for start in range(len(groups)):
        number = ""
        for group in groups[start:]:
            number += group
            if len(number) > _CARD_LENGTHS[-1]:
                break
            if len(number) in _CARD_LENGTHS:
                yield number
