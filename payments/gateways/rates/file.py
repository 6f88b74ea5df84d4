"""Rates from a CSV file that somebody else keeps: ``base,quote,rate,date``."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from payments.gateways.rates.answers import PLAIN
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

COLUMNS = ["base", "quote", "rate", "date"]


class FileRates:
    """The newest row of each pair, not later than the day asked for."""

    code = "file"

    def __init__(self, path: Path) -> None:
        self.path = path

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Read the file anew each time; it is small and changes under us.

        Raises:
            RateSourceUnreadable: No such file, wrong columns, or a line that is no rate.
        """
        newest: dict[Pair, Quote] = {}
        for quote in self._read():
            pair = (quote.base, quote.quote)
            if pair not in pairs or quote.as_of > on:
                continue
            if pair not in newest or newest[pair].as_of < quote.as_of:
                newest[pair] = quote
        return list(newest.values())

    def _read(self) -> Iterator[Quote]:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames != COLUMNS:
                    raise RateSourceUnreadable(f"{self.path}: the header must be {COLUMNS}")
                for row in reader:
                    yield self._quote(reader.line_num, row)
        except OSError as error:
            raise RateSourceUnreadable(f"{self.path}: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise RateSourceUnreadable(f"{self.path} is no CSV file in UTF-8: {error}") from error

    def _quote(self, number: int, row: dict[str | None, str | None]) -> Quote:
        values = [row[column] for column in COLUMNS]
        # Cells that are too many stand under None, cells that are missing are None.
        if None in row or None in values:
            raise self._unreadable(number, f"a line has {len(COLUMNS)} cells")
        base, quote, rate, day = (value or "" for value in values)
        if not PLAIN.fullmatch(rate) or not Decimal(rate):
            raise self._unreadable(number, f"{rate!r} is no rate above zero")
        try:
            as_of = date.fromisoformat(day)
        except ValueError as error:
            raise self._unreadable(number, f"{day!r} is no date") from error
        return Quote(base, quote, Decimal(rate), as_of, self.code)

    def _unreadable(self, number: int, fault: str) -> RateSourceUnreadable:
        return RateSourceUnreadable(f"{self.path}, line {number}: {fault}")
