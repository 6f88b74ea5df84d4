"""Money, in integer micros: 1 USD is 1,000,000 micros, 1 cent is 10,000.

Cents cannot carry a coin: one is worth about $0.0061 to $0.0099, and 65 % of that is no whole cent.
Coins are not money; they are plain ``int`` counts and never enter ``Money``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

MICROS = 1_000_000

MINOR_DIGITS = {"USD": 2, "CAD": 2, "NGN": 2}
"""Digits of the minor unit, ISO 4217: https://www.iso.org/iso-4217-currency-codes.html."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency. Arithmetic across currencies raises ``ValueError``."""

    micros: int
    currency: str

    def __post_init__(self) -> None:
        # bool is an int to Python, and a float would lose micros without a word.
        assert type(self.micros) is int, self.micros
        if self.currency not in MINOR_DIGITS:
            raise ValueError(f"unknown currency: {self.currency!r}")

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> "Money":
        """The gateways' integers (cents, kobo) as money."""
        return cls(minor * micros_per_minor(currency), currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> "Money":
        """Read a decimal string such as ``"9.99"``.

        Raises:
            ValueError: Not a finite decimal of at most 6 fraction digits.
        """
        micros = Fraction(amount) * MICROS
        if micros.denominator != 1:
            raise ValueError(f"more than 6 fraction digits: {amount!r}")
        return cls(int(micros), currency)

    @property
    def minor(self) -> int:
        """The amount in minor units.

        Raises:
            ValueError: The amount is not a whole number of minor units.
        """
        minor, rest = divmod(self.micros, micros_per_minor(self.currency))
        if rest:
            raise ValueError(f"{self} is not a whole number of minor units")
        return minor

    def floor_to_minor(self) -> "Money":
        """Round towards minus infinity to whole minor units, as payouts and refunds do."""
        return Money.from_minor(self.micros // micros_per_minor(self.currency), self.currency)

    def ceil_to_minor(self, step_minor: int = 1) -> "Money":
        """Round up to the next multiple of ``step_minor`` minor units, as prices do."""
        step = step_minor * micros_per_minor(self.currency)
        return Money(-(-self.micros // step) * step, self.currency)

    def amount(self) -> str:
        """The decimal string of the API: at least the minor digits, at most 6, no exponent."""
        sign = "-" if self.micros < 0 else ""
        whole, fraction = divmod(abs(self.micros), MICROS)
        digits = f"{fraction:06d}".rstrip("0").ljust(MINOR_DIGITS[self.currency], "0")
        return f"{sign}{whole}.{digits}"

    def to_json(self) -> dict[str, str]:
        """``{"amount": "9.99", "currency": "USD"}``."""
        return {"amount": self.amount(), "currency": self.currency}

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.micros + other.micros, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.micros - other.micros, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.micros, self.currency)

    def __str__(self) -> str:
        whole, _, fraction = self.amount().partition(".")
        sign = "-" if whole.startswith("-") else ""
        return f"{sign}{int(whole.lstrip('-')):,}.{fraction} {self.currency}"

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")


def micros_per_minor(currency: str) -> int:
    """Micros in one cent or kobo: 10,000 for every currency with two minor digits."""
    return int(MICROS // 10 ** MINOR_DIGITS[currency])


def share_of(micros: int, bps: int) -> int:
    """``bps`` basis points of an amount, rounded down: the writer's part (rules.md, rule 10)."""
    return micros * bps // 10_000


def convert_down(micros: int, rate: Decimal) -> int:
    """``micros`` times ``rate``, exactly, rounded down to a micro."""
    product = micros * Fraction(rate)
    return product.numerator // product.denominator


def convert_up(micros: int, rate: Decimal) -> int:
    """``micros`` times ``rate``, exactly, rounded up to a micro."""
    return -convert_down(-micros, rate)


def divide_down(micros: int, rate: Decimal) -> int:
    """``micros`` divided by ``rate``, exactly, rounded down to a micro."""
    quotient = micros / Fraction(rate)
    return quotient.numerator // quotient.denominator


def allocate[K: (str, int)](total: int, weights: Mapping[K, int]) -> dict[K, int]:
    """Split ``total`` in proportion to ``weights``, losing none.

    Largest remainder (Hamilton, 1792): floor every share, then hand the units left over to the
    largest remainders. Ties go to the smaller key, so that the order of ``weights`` is without
    effect.

    >>> allocate(100, {"ann": 1, "bob": 1, "cyd": 1})
    {'ann': 34, 'bob': 33, 'cyd': 33}

    Raises:
        ValueError: Every weight is zero.
    """
    assert total >= 0, total
    assert all(weight >= 0 for weight in weights.values()), weights
    total_weight = sum(weights.values())
    if total_weight == 0:
        raise ValueError("nothing to allocate to: every weight is zero")

    shares = {key: total * weight // total_weight for key, weight in weights.items()}
    left_over = total - sum(shares.values())
    by_remainder = sorted(weights, key=lambda key: (-(total * weights[key] % total_weight), key))
    for key in by_remainder[:left_over]:
        shares[key] += 1

    assert sum(shares.values()) == total
    return shares
