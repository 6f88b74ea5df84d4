"""The Bank of Canada: what a currency costs in Canadian dollars, weekdays at 16:30 in Ottawa.

https://www.bankofcanada.ca/valet/docs
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from payments.gateways.rates import answers
from payments.gateways.rates.base import Pair, Quote

URL = "https://www.bankofcanada.ca/valet/observations/group/FX_RATES_DAILY/json"
PIVOT = "CAD"


class BocRates:
    """The newest daily averages, crossed through the Canadian dollar."""

    code = "boc"

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """The last days up to ``on``, of which the newest counts.

        Raises:
            RateSourceUnreadable: No answer, or a field that is no rate.
        """
        return self.read(answers.fetch(self.code, URL, recent="5"), pairs, on)

    def read(self, body: bytes, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes from an answer of the Valet service."""
        answer = answers.parse_json(self.code, body)
        days = {
            answers.day(
                self.code, "observations.d", answers.member(self.code, seen, "d", str)
            ): seen
            for seen in answers.member(self.code, answer, "observations", list)
        }
        past = [as_of for as_of in days if as_of <= on]
        if not past:
            return []
        newest = max(past)
        per_cad = {PIVOT: Fraction(1)}
        for currency in {code for pair in pairs for code in pair} - {PIVOT}:
            if f"FX{currency}{PIVOT}" in days[newest]:
                per_cad[currency] = 1 / Fraction(self._price(days[newest], currency))
        return answers.crossed(per_cad, pairs, as_of=newest, source=self.code)

    def _day(self, observation: object) -> date:
        text = answers.member(self.code, observation, "d", str)
        return answers.day(self.code, "observations.d", text)

    def _price(self, observation: dict[str, object], currency: str) -> Decimal:
        series = f"FX{currency}{PIVOT}"
        holder = answers.member(self.code, observation, series, dict)
        return answers.decimal_text(self.code, f"{series}.v", holder.get("v"))
