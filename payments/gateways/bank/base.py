"""What every form of a bank statement becomes, and what is wrong with a file that is none."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from legato_payments.lib.errors import FieldError, Invalid
from legato_payments.lib.money import MINOR_DIGITS, Money

MAX_BYTES = 5 * 1024 * 1024
"""Some 60,000 lines of CSV, or 5,000 entries of XML: a busy account's month."""

MAX_REFERENCE = 100
MAX_DESCRIPTION = 500

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
"""Plain digits: ``Fraction`` alone would also read ``1_371``, ``1e3`` and other scripts' digits."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class StatementUnreadable(Invalid):
    code = "statement_unreadable"
    title = "The file is no bank statement that we can read."


@dataclass(frozen=True, slots=True)
class Line:
    """One booked line.

    Args:
        number: Of the line in a CSV file, of the entry in an XML file; the first is 1.
        amount: Above zero when money came in.
        reference: The bank's own, of this line.
    """

    number: int
    booked_on: date
    amount: Money
    reference: str
    description: str

    @property
    def identity(self) -> tuple[str, date, int, str]:
        """What makes it the same line in another file."""
        return self.reference, self.booked_on, self.amount.micros, self.amount.currency


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file says. ``account`` is empty, and the balances are missing, where it is silent."""

    currency: str
    lines: tuple[Line, ...]
    account: str = ""
    opening: Money | None = None
    closing: Money | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something is.

    Args:
        words: For people: ``line 7``, ``entry 3``; empty for the file as a whole.
        pointer: For machines: ``/lines/7``.
    """

    words: str = ""
    pointer: str = ""

    def wrong(self, what: str, field: str = "") -> StatementUnreadable:
        """The refusal of a file because of what stands here."""
        detail = what[:1].upper() + what[1:]
        pointer = f"{self.pointer}/{field}" if field else self.pointer
        return StatementUnreadable(
            f"{self.words}: {what}".lstrip(": "),
            errors=[FieldError(pointer, "invalid", detail)],
            place=self.words,
        )


WHOLE = Place()
"""The file as a whole."""


def money(text: str, currency: str, place: Place, field: str) -> Money:
    """A plain decimal without a sign, in whole minor units.

    Raises:
        StatementUnreadable: It is none, or the currency is not ours.
    """
    if currency not in MINOR_DIGITS:
        raise place.wrong(f"we keep no books in {shown(currency)}", "currency")
    if not _AMOUNT.fullmatch(text):
        raise place.wrong(f"{shown(text)} is no amount such as 1234.50", field)
    amount = Money.parse(text, currency)
    if amount != amount.floor_to_minor():
        raise place.wrong(f"{shown(text)} is no whole number of cents", field)
    return amount


def day(text: str, place: Place, field: str) -> date:
    """A calendar day.

    Raises:
        StatementUnreadable: It is none.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise place.wrong(f"{shown(text)} is no day such as 2026-11-02", field)


def reference(text: str, place: Place, field: str) -> str:
    """The bank's reference of a line, which every line needs: lines are told apart by it.

    Raises:
        StatementUnreadable: It is missing, too long, or holds a control character.
    """
    if not text:
        raise place.wrong("the bank's reference is missing", field)
    if len(text) > MAX_REFERENCE:
        raise place.wrong(f"the reference has more than {MAX_REFERENCE} characters", field)
    return plain(text, place, field)


def plain(text: str, place: Place, field: str) -> str:
    """Text of one line.

    Raises:
        StatementUnreadable: A NUL, a line break or another control character is in it.
    """
    if any(unicodedata.category(sign) == "Cc" for sign in text):
        raise place.wrong("there is a control character in the text", field)
    return text


def shown(text: str) -> str:
    """Words of the file in a message: quoted, and not at any length."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def each_once(lines: tuple[Line, ...], place_of: Callable[[int], Place]) -> None:
    """Refuse a file that holds a line twice.

    Raises:
        StatementUnreadable: Reference, day and amount are those of a line before.
    """
    seen: dict[object, int] = {}
    for line in lines:
        before = seen.setdefault(line.identity, line.number)
        if before != line.number:
            same = place_of(before).words
            raise place_of(line.number).wrong(
                f"reference, day and amount are those of {same}", "reference"
            )
