"""The European Central Bank: what a euro buys, on weekdays about 16:00 in Frankfurt. No naira.

https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from payments.gateways.rates import answers
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref.zip"
MEMBER = "eurofxref.csv"
MAX_CSV_BYTES = 64 * 1024

_MONTHS = {
    "January": 1,
    "February": 2,
    "March": 3,
    "April": 4,
    "May": 5,
    "June": 6,
    "July": 7,
    "August": 8,
    "September": 9,
    "October": 10,
    "November": 11,
    "December": 12,
}


class EcbRates:
    """The newest euro reference rates, crossed through the euro."""

    code = "ecb"

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """The two lines of the bank's daily file.

        Raises:
            RateSourceUnreadable: No answer, no such file in it, or a field that is no rate.
        """
        return self.read(_unzipped(answers.fetch(self.code, URL)), pairs, on)

    def read(self, text: str, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes from the text of ``eurofxref.csv``: a header, and one day."""
        lines = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(row)
        ]
        if len(lines) != 2 or len(lines[0]) != len(lines[1]) or lines[0][0] != "Date":
            raise RateSourceUnreadable("ecb: the file is not a header and one day")
        as_of = _day(lines[1][0])
        cells = dict(zip(lines[0][1:], lines[1][1:], strict=True))
        per_euro = {"EUR": Fraction(1)}
        for currency in {code for pair in pairs for code in pair} & cells.keys():
            rate = answers.decimal_text(self.code, currency, cells[currency])
            per_euro[currency] = Fraction(rate)
        if as_of > on:
            return []
        return answers.crossed(per_euro, pairs, as_of=as_of, source=self.code)


def _unzipped(body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive, archive.open(MEMBER) as file:
            content = file.read(MAX_CSV_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, NotImplementedError) as error:
        raise RateSourceUnreadable(f"ecb: the answer is no zip file with {MEMBER}") from error
    if len(content) > MAX_CSV_BYTES or not content.isascii():
        raise RateSourceUnreadable(f"ecb: {MEMBER} is no short plain text")
    return content.decode("ascii")


def _day(text: str) -> date:
    # Not strptime: its names of months are those of the machine's language.
    number, _, rest = text.partition(" ")
    month, _, year = rest.partition(" ")
    if not (number.isdecimal() and year.isdecimal() and month in _MONTHS):
        answers.refuse("ecb", "Date", text, "no day")
    try:
        return date(int(year), _MONTHS[month], int(number))
    except ValueError:
        answers.refuse("ecb", "Date", text, "no day")
