"""Open Exchange Rates: what a US dollar buys, every hour and every day; it needs a key.

https://docs.openexchangerates.org/reference/latest-json
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

from payments.gateways.rates import answers
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable

URL = "https://openexchangerates.org/api/latest.json"
PIVOT = "USD"


class OpenExchangeRates:
    """The newest rates, crossed through the US dollar."""

    code = "openexchangerates"

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """The table of this hour.

        Raises:
            RateSourceUnreadable: No answer, the key is refused, or a field is no rate.
        """
        return self.read(answers.fetch(self.code, URL, app_id=self.app_id), pairs, on)

    def read(self, body: bytes, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes from an answer: seconds since 1970, and a rate per currency."""
        answer = answers.parse_json(self.code, body)
        if answers.member(self.code, answer, "base", str) != PIVOT:
            raise RateSourceUnreadable(f"openexchangerates: base is not {PIVOT}")
        as_of = self._day(answers.member(self.code, answer, "timestamp", Decimal))
        rates = answers.member(self.code, answer, "rates", dict)
        per_dollar = {PIVOT: Fraction(1)}
        for currency in {code for pair in pairs for code in pair} & rates.keys() - {PIVOT}:
            rate = answers.decimal_number(self.code, f"rates.{currency}", rates[currency])
            per_dollar[currency] = Fraction(rate)
        if as_of > on:
            return []
        return answers.crossed(per_dollar, pairs, as_of=as_of, source=self.code)

    def _day(self, timestamp: Decimal) -> date:
        try:
            return datetime.fromtimestamp(int(timestamp), UTC).date()
        except (ValueError, OverflowError, OSError):
            answers.refuse(self.code, "timestamp", timestamp, "no time")
