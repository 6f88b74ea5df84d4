"""What every source of exchange rates gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

type Pair = tuple[str, str]
"""Base and quote currency: ``("USD", "NGN")`` asks how many naira a dollar buys."""


class RateSourceUnreadable(Exception):
    """The source did not answer, or not in its format. The message says which line or field."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One ``base`` buys ``rate`` of ``quote``, by ``source``, for the day ``as_of``."""

    base: str
    quote: str
    rate: Decimal
    as_of: date
    source: str


class RateProvider(Protocol):
    """A source of rates."""

    code: str

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """The newest quotes of ``pairs`` at ``on``; a pair the source lacks is left out.

        Raises:
            RateSourceUnreadable: Nothing usable came back.
        """
        ...
