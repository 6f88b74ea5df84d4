"""Money: exact amounts, their decimal form, and splitting without losing a unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato_payments.lib import money
from legato_payments.lib.money import MICROS, Money, allocate

CURRENCIES = st.sampled_from(sorted(money.MINOR_DIGITS))
MICRO_AMOUNTS = st.integers(-(10**18), 10**18)
AMOUNTS = st.integers(0, 10**15)
WEIGHTS = st.dictionaries(
    st.text("abcdefghij", min_size=1, max_size=3), st.integers(0, 10**12), min_size=1, max_size=40
).filter(lambda weights: any(weights.values()))
RATES = st.decimals(
    min_value=Decimal("0.000000000001"), max_value=Decimal(10**6), places=12, allow_nan=False
)


@given(micros=MICRO_AMOUNTS, currency=CURRENCIES)
def test_reads_back_what_it_writes(micros: int, currency: str) -> None:
    value = Money(micros, currency)

    assert Money.parse(value.amount(), currency) == value
    assert value.to_json() == {"amount": value.amount(), "currency": currency}
    assert "e" not in value.amount().lower()


@given(minor=st.integers(-(10**12), 10**12), currency=CURRENCIES)
def test_minor_units_are_exact(minor: int, currency: str) -> None:
    assert Money.from_minor(minor, currency).minor == minor


@given(micros=MICRO_AMOUNTS, currency=CURRENCIES, step=st.integers(1, 500))
def test_rounding_moves_less_than_one_step(micros: int, currency: str, step: int) -> None:
    value, cent = Money(micros, currency), money.micros_per_minor(currency)

    floor, ceiling = value.floor_to_minor(), value.ceil_to_minor(step)

    assert 0 <= value.micros - floor.micros < cent
    assert 0 <= ceiling.micros - value.micros < cent * step
    assert ceiling.minor % step == 0


@pytest.mark.parametrize(
    ("micros", "amount", "text"),
    [
        (0, "0.00", "0.00 USD"),
        (9_990_000, "9.99", "9.99 USD"),
        (-6_100, "-0.0061", "-0.0061 USD"),
        (1, "0.000001", "0.000001 USD"),
        (1_234_567_500_000, "1234567.50", "1,234,567.50 USD"),
        (-1_234_500_000, "-1234.50", "-1,234.50 USD"),
    ],
)
def test_is_written_with_at_least_the_minor_digits(micros: int, amount: str, text: str) -> None:
    assert Money(micros, "USD").amount() == amount
    assert str(Money(micros, "USD")) == text


@pytest.mark.parametrize("amount", ["0.0000001", "", "ten", "nan", "inf", "1,00"])
def test_refuses_what_is_no_exact_amount(amount: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the words belong to several raisers
        Money.parse(amount, "USD")


def test_refuses_other_types_currencies_and_mixtures() -> None:
    with pytest.raises(AssertionError):
        Money(True, "USD")
    with pytest.raises(AssertionError):
        Money(0.5, "USD")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown currency"):
        Money(1, "DEM")
    with pytest.raises(ValueError, match="cannot mix USD and NGN"):
        Money(1, "USD") + Money(1, "NGN")
    with pytest.raises(ValueError, match="whole number of minor units"):
        _ = Money(1, "USD").minor


@given(first=MICRO_AMOUNTS, second=MICRO_AMOUNTS)
def test_adds_and_takes_away_exactly(first: int, second: int) -> None:
    a, b = Money(first, "CAD"), Money(second, "CAD")

    assert a + b - b == a
    assert -(a - b) == b - a


@given(micros=AMOUNTS, bps=st.integers(0, 10_000))
def test_a_share_and_its_rest_make_the_whole(micros: int, bps: int) -> None:
    share = money.share_of(micros, bps)

    assert 0 <= share <= micros
    assert Fraction(micros * bps, 10_000) - share < 1


@given(micros=MICRO_AMOUNTS, rate=RATES)
def test_conversion_brackets_the_exact_value(micros: int, rate: Decimal) -> None:
    exact = micros * Fraction(rate)

    down, up = money.convert_down(micros, rate), money.convert_up(micros, rate)

    assert down <= exact <= up
    assert up - down == (0 if exact.denominator == 1 else 1)


@given(micros=MICRO_AMOUNTS, rate=RATES.filter(bool))
def test_there_and_back_never_gains(micros: int, rate: Decimal) -> None:
    assert money.convert_down(money.divide_down(micros, rate), rate) <= micros


@given(total=AMOUNTS, weights=WEIGHTS)
def test_allocation_is_exact_and_off_by_less_than_one(total: int, weights: dict[str, int]) -> None:
    shares = allocate(total, weights)

    assert sum(shares.values()) == total
    assert shares.keys() == weights.keys()
    whole = sum(weights.values())
    for key, share in shares.items():
        assert abs(share - Fraction(total * weights[key], whole)) < 1


@given(total=AMOUNTS, weights=WEIGHTS, data=st.data())
def test_allocation_ignores_the_order(
    total: int, weights: dict[str, int], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(weights.items()))))

    assert allocate(total, shuffled) == allocate(total, weights)


@given(total=AMOUNTS, weights=WEIGHTS)
def test_who_weighs_more_never_gets_less(total: int, weights: dict[str, int]) -> None:
    shares = allocate(total, weights)

    ranked = sorted(weights, key=lambda key: (weights[key], shares[key]))
    assert [shares[key] for key in ranked] == sorted(shares.values())


@given(total=AMOUNTS, weights=WEIGHTS)
def test_weighing_nothing_gets_nothing(total: int, weights: dict[str, int]) -> None:
    shares = allocate(total, weights)

    assert all(shares[key] == 0 for key, weight in weights.items() if weight == 0)


def test_ties_go_to_the_smaller_key() -> None:
    assert allocate(100, {"cyd": 1, "bob": 1, "ann": 1}) == {"ann": 34, "bob": 33, "cyd": 33}
    assert allocate(2, {3: 1, 1: 1, 2: 1}) == {1: 1, 2: 1, 3: 0}


def test_allocating_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="every weight is zero"):
        allocate(100, {"ann": 0})
    with pytest.raises(ValueError, match="every weight is zero"):
        allocate(0, dict[str, int]())


def test_a_dollar_is_a_million_micros() -> None:
    assert Money.from_minor(100, "USD").micros == MICROS
