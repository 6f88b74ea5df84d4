"""Any value, divided among any writers: nothing is lost, made up, or decided by their order"""

from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from payments.ledger import balances
from revenue.models import SplitRule
from revenue.services import earnings
from revenue.services.earnings import Claim

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)

values = st.one_of(st.integers(0, 200), st.integers(0, 10**9), st.integers(0, 2**62))
rates = st.integers(0, 10_000)


def claims_of(shares: list[int], rates_bps: list[int]) -> list[Claim]:
    """The claims of writers ``w00``, ``w01``, … with these shares and rates."""
    return [
        Claim(f"w{at:02}", share, SplitRule(rate_bps=rate), NOON)
        for at, (share, rate) in enumerate(zip(shares, rates_bps, strict=True))
    ]


@st.composite
def shares_of_the_whole(draw: st.DrawFn) -> list[int]:
    """1 to 20 shares above zero that sum to 10,000 basis points."""
    cuts = draw(st.sets(st.integers(1, 9_999), max_size=19))
    return [end - start for start, end in pairwise(sorted({0, 10_000, *cuts}))]


def split(value: int, claims: list[Claim]) -> dict[str, int]:
    """The parts by writer."""
    return earnings.amounts(earnings.split(value_micros=value, claims=claims))


@given(value=values, shares=shares_of_the_whole(), rate=rates)
def test_authors_of_one_rate_have_that_part_of_the_value_floored(
    value: int, shares: list[int], rate: int
) -> None:
    parts = split(value, claims_of(shares, [rate] * len(shares)))

    assert sum(parts.values()) == value * rate // 10_000
    assert all(part >= 0 for part in parts.values())


@given(value=values, shares=shares_of_the_whole(), data=st.data())
def test_authors_of_several_rates_are_each_within_two_micros_of_their_claim(
    value: int, shares: list[int], data: st.DataObject
) -> None:
    several = [data.draw(rates) for _ in shares]
    claims = claims_of(shares, several)

    parts = split(value, claims)

    exact = [Fraction(value * s * r, 10**8) for s, r in zip(shares, several, strict=True)]
    assert sum(parts.values()) == floor(sum(exact))
    # The platform keeps less than a micro, and the largest remainders move less than one more.
    assert all(-2 < part - e < 1 for part, e in zip(parts.values(), exact, strict=True))
    assert sum(parts.values()) <= value


@given(value=values, shares=shares_of_the_whole(), data=st.data())
def test_the_order_of_the_authors_is_without_effect(
    value: int, shares: list[int], data: st.DataObject
) -> None:
    claims = claims_of(shares, [data.draw(rates) for _ in shares])

    assert split(value, data.draw(st.permutations(claims))) == split(value, claims)


@given(value=values, more=st.integers(0, 10**6), shares=shares_of_the_whole(), rate=rates)
def test_a_larger_value_never_pays_the_writers_less(
    value: int, more: int, shares: list[int], rate: int
) -> None:
    claims = claims_of(shares, [rate] * len(shares))

    less, greater = (sum(split(total, claims).values()) for total in (value, value + more))

    assert less <= greater


@given(
    value=values, coins=st.integers(1, 2**32 - 1), cuts=st.lists(st.integers(0, 2**32), max_size=30)
)
def test_any_cut_of_a_lot_sums_to_its_value(value: int, coins: int, cuts: list[int]) -> None:
    edges = sorted({0, coins, *(cut % (coins + 1) for cut in cuts)})

    parts = [
        balances.released_value(value_micros=value, coins=coins, from_coin=start, to_coin=end)
        for start, end in pairwise(edges)
    ]

    assert sum(parts) == value
    exact = [Fraction(value, coins) * (end - start) for start, end in pairwise(edges)]
    assert all(-1 < part - e < 1 for part, e in zip(parts, exact, strict=True))
    assert all(part >= 0 for part in parts)
