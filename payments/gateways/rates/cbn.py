"""The Central Bank of Nigeria: the central rate of the official market in naira; it has no CAD.

https://www.cbn.gov.ng/rates/ExchRateByCurrency.html
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from payments.gateways.rates import answers
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

URL = "https://www.cbn.gov.ng/api/GetAllExchangeRates"
PIVOT = "NGN"

NAMES = {"US DOLLAR": "USD", "EURO": "EUR", "POUNDS STERLING": "GBP"}
"""How the bank calls the currencies that we know by code."""


class CbnRates:
    """The newest central rates, crossed through the naira."""

    code = "cbn"

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """The bank's whole history, of which the newest day up to ``on`` counts.

        Raises:
            RateSourceUnreadable: No answer, or a field that is no rate.
        """
        return self.read(answers.fetch(self.code, URL), pairs, on)

    def read(self, body: bytes, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes from the bank's list: a row per currency and day."""
        rows = answers.parse_json(self.code, body)
        if not isinstance(rows, list) or not rows:
            raise RateSourceUnreadable("cbn: the answer is no list of rates")
        wanted = {code for pair in pairs for code in pair}
        quotes: dict[Pair, Quote] = {}
        for currency in sorted(wanted & set(NAMES.values())):
            found = self._newest(rows, currency, on)
            if found is None:
                continue
            as_of, price = found
            per_naira = {PIVOT: Fraction(1), currency: 1 / price}
            direct = answers.crossed(per_naira, pairs, as_of=as_of, source=self.code)
            quotes.update({(quote.base, quote.quote): quote for quote in direct})
        return list(quotes.values())

    def _newest(self, rows: list[Any], currency: str, on: date) -> tuple[date, Fraction] | None:
        newest: dict[date, set[Fraction]] = {}
        for row in rows:
            name = answers.member(self.code, row, "currency", str)
            if NAMES.get(name.strip()) != currency:
                continue
            as_of = answers.day(self.code, "ratedate", row.get("ratedate"))
            if as_of <= on and as_of >= max(newest, default=as_of):
                rate = answers.decimal_text(self.code, "centralrate", row.get("centralrate"))
                newest.setdefault(as_of, set()).add(Fraction(rate))
        if not newest:
            return None
        as_of = max(newest)
        if len(newest[as_of]) > 1:
            raise RateSourceUnreadable(f"cbn: two different rates of {currency} for {as_of}")
        return as_of, newest[as_of].pop()
