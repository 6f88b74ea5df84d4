"""Statements as CSV: UTF-8, commas, the header ``date,amount,currency,reference,description``."""

import csv
import io
from collections.abc import Iterator, Sequence

from payments.gateways.bank import base
from payments.gateways.bank.base import WHOLE, Line, Place, Statement

COLUMNS = ["date", "amount", "currency", "reference", "description"]


def read(content: bytes) -> Statement:
    """The lines of a CSV file, all in one currency. Such a file has no balances and no account.

    Amounts are plain decimals, with a minus when money went out; days are ``2026-11-02``.

    Raises:
        base.StatementUnreadable: The file, or one line of it, is wrong; it says where and what.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _at(line).wrong("this is not UTF-8") from error
    lines = tuple(_lines(text))
    if not lines:
        raise WHOLE.wrong("there is no line below the header")
    base.each_once(lines, _at)
    return Statement(currency=lines[0].amount.currency, lines=lines)


def _lines(text: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 1
    currency = ""
    try:
        if next(reader, None) != COLUMNS:
            raise _at(1).wrong(f"the header must be {','.join(COLUMNS)}")
        for row in reader:
            # A quoted cell may go over several lines: the number is that of its first.
            number, before = reader.line_num, number
            line = _line(before + 1, row)
            currency = currency or line.amount.currency
            if line.amount.currency != currency:
                raise _at(line.number).wrong(
                    f"a statement is in one currency, and began in {currency}", "currency"
                )
            yield line
    except csv.Error as error:
        raise _at(reader.line_num).wrong(f"this is no CSV ({error})") from error


def _line(number: int, row: Sequence[str]) -> Line:
    place = _at(number)
    if len(row) != len(COLUMNS):
        raise place.wrong(f"a line has {len(COLUMNS)} cells, not {len(row)}")
    booked_on, amount, currency, reference, description = row
    if len(description) > base.MAX_DESCRIPTION:
        raise place.wrong(
            f"the description has more than {base.MAX_DESCRIPTION} characters", "description"
        )
    money = base.money(amount.removeprefix("-"), currency, place, "amount")
    return Line(
        number=number,
        booked_on=base.day(booked_on, place, "date"),
        amount=-money if amount.startswith("-") else money,
        reference=base.reference(reference, place, "reference"),
        description=base.plain(description, place, "description"),
    )


def _at(number: int) -> Place:
    return Place(f"line {number}", f"/lines/{number}")
