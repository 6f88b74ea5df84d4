"""Fixed rates, for one machine and for tests."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from payments.gateways.rates.base import Pair, Quote

FIXED = {
    ("USD", "CAD"): Decimal("1.3706"),
    ("USD", "NGN"): Decimal("1371.8079"),
}
"""Bank of Canada and Central Bank of Nigeria (central rate), both for 2026-05-21."""


class FixedRates:
    """The same rates every day."""

    code = "fixed"

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes dated ``on``, so that they never grow stale."""
        return [Quote(*pair, FIXED[pair], on, self.code) for pair in pairs if pair in FIXED]
