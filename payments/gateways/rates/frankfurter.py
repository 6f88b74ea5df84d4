"""Frankfurter, version 2: rates of many central banks, blended; the naira is among them.

https://frankfurter.dev, described at https://api.frankfurter.dev/v2/openapi.json
"""

from collections.abc import Sequence
from datetime import date

from payments.gateways.rates import answers
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

URL = "https://api.frankfurter.dev/v2/rates"


class FrankfurterRates:
    """The newest blended rates; the service does the crossing itself."""

    code = "frankfurter"

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """One request for each base currency.

        Raises:
            RateSourceUnreadable: No answer, or a field that is no rate.
        """
        found: list[Quote] = []
        for base in sorted({base for base, _ in pairs}):
            wanted = sorted(quote for of, quote in pairs if of == base)
            body = answers.fetch(self.code, URL, base=base, quotes=",".join(wanted))
            found += self.read(body, pairs, on)
        return found

    def read(self, body: bytes, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes from an answer: a list of pairs, each with its day."""
        rows = answers.parse_json(self.code, body)
        if not isinstance(rows, list):
            raise RateSourceUnreadable("frankfurter: the answer is no list of rates")
        newest: dict[Pair, Quote] = {}
        for row in rows:
            pair = (
                answers.member(self.code, row, "base", str),
                answers.member(self.code, row, "quote", str),
            )
            as_of = answers.day(self.code, "date", row.get("date"))
            rate = answers.decimal_number(self.code, "rate", row.get("rate"))
            if pair not in pairs or as_of > on:
                continue
            if pair not in newest or newest[pair].as_of < as_of:
                newest[pair] = Quote(*pair, rate, as_of, self.code)
        return list(newest.values())
