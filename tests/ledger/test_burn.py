"""payments.ledger.balances.burn: which coins are used, what they release, and what is left"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from uuid import UUID

import pytest
from django.db.models import F, Sum
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from legato_payments.lib.ids import uuid7
from payments.ledger import Burned, balances
from payments.models import CoinBalance, CoinLot, LotUse
from payments.services import wallets
from tests.factories import NOW, READER
from tests.ledger import books

pytestmark = pytest.mark.django_db

SOON = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=30)


def burn(coins: int, *, purchased_only: bool = False, now: datetime = NOW) -> Burned | None:
    """Take coins out of the reader's wallet, for a transaction that nobody posts."""
    return balances.burn(
        wallet=balances.lock(user_id=READER),
        coins=coins,
        kind=LotUse.Kind.TIP if purchased_only else LotUse.Kind.SPEND,
        transaction_id=uuid7(),
        purchased_only=purchased_only,
        now=now,
    )


def used(burned: Burned | None) -> list[tuple[int, int, int, int]]:
    """Lot, positions and value of each slice."""
    assert burned is not None
    return [(s.lot_id, s.from_coin, s.to_coin, s.value_micros) for s in burned.slices]


@pytest.fixture(autouse=True)
def _uncommitted() -> Iterator[None]:
    """The transactions that these burns name are never posted, so nothing may be checked."""
    yield
    set_rollback(True)


def test_goes_from_the_soonest_promotion_to_the_oldest_purchase() -> None:
    old = books.give(100, value=990_000, is_purchased=True, now=NOW - timedelta(days=9))
    lasting = books.give(100)
    later = books.give(100, expires_at=LATER)
    new = books.give(100, value=700_000, is_purchased=True)
    soon = books.give(100, expires_at=SOON)

    burned = burn(450)

    assert used(burned) == [
        (soon.pk, 0, 100, 0),
        (later.pk, 0, 100, 0),
        (lasting.pk, 0, 100, 0),
        (old.pk, 0, 100, 990_000),
        (new.pk, 0, 50, 350_000),
    ]
    assert burned is not None
    assert (burned.coins, burned.promo_coins, burned.value_micros) == (450, 300, 1_340_000)
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.purchased, wallet.promo) == (50, 50, 0)


def test_equal_lots_are_used_in_the_order_they_came() -> None:
    first, second = (books.give(10, expires_at=SOON) for _ in range(2))

    assert used(burn(15)) == [(first.pk, 0, 10, 0), (second.pk, 0, 5, 0)]


def test_goes_on_where_the_last_one_stopped() -> None:
    lot = books.give(6_600, value=39_990_000, is_purchased=True)

    assert used(burn(10)) == [(lot.pk, 0, 10, 60_590)]
    assert used(burn(2_400)) == [(lot.pk, 10, 2_410, 14_541_819)]
    assert used(burn(500)) == [(lot.pk, 2_410, 2_910, 3_029_545)]
    assert used(burn(3_690)) == [(lot.pk, 2_910, 6_600, 22_358_046)]
    assert burn(1) is None


def test_leaves_promotions_alone_when_only_purchased_coins_count() -> None:
    books.give(100, expires_at=SOON)
    bought = books.give(30, value=300, is_purchased=True)

    assert burn(31, purchased_only=True) is None
    assert used(burn(30, purchased_only=True)) == [(bought.pk, 0, 30, 300)]
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.purchased, wallet.promo) == (0, 100)
    assert (wallet.lifetime_spent, wallet.lifetime_tipped) == (0, 30)


def test_takes_neither_expired_nor_frozen_coins() -> None:
    books.give(50, expires_at=NOW)  # the moment itself is too late
    books.freeze(books.give(50, value=50, is_purchased=True))
    good = books.give(20, expires_at=NOW + timedelta(microseconds=1))

    assert burn(21) is None
    assert used(burn(20)) == [(good.pk, 0, 20, 0)]


def test_takes_nothing_when_there_is_not_enough_and_says_how_much_there_is() -> None:
    books.give(50, expires_at=SOON)
    books.give(50, expires_at=NOW - timedelta(days=1))
    books.freeze(books.give(50, value=50, is_purchased=True))
    books.give(10, value=100, is_purchased=True)
    before = books.fingerprint()

    for coins, purchased_only, available in ((61, False, 60), (11, True, 10)):
        with pytest.raises(wallets.InsufficientCoins) as refusal:
            wallets.burn(
                wallet=wallets.lock(user_id=READER),
                coins=coins,
                kind=LotUse.Kind.SPEND,
                transaction_id=uuid7(),
                now=NOW,
                purchased_only=purchased_only,
            )
        assert refusal.value.members == {"required_coins": coins, "available_coins": available}

    assert books.fingerprint() == before
    books.assert_sound()


# An independent model: fractions, and one coin after the other.


@dataclass(frozen=True)
class Lot:
    """A lot as the model sees it; ``at`` is its place in the order of arrival."""

    at: int
    coins: int
    used: int
    value: int
    is_purchased: bool
    priority: int
    expires_in: int | None
    is_frozen: bool

    @property
    def expires_at(self) -> datetime | None:
        """When its coins end."""
        return None if self.expires_in is None else NOW + timedelta(hours=self.expires_in)

    def released(self, coin: int) -> int:
        """The value of the coins before this one."""
        return floor(Fraction(self.value, self.coins) * coin)


def model_burn(
    lots: Sequence[Lot], coins: int, *, purchased_only: bool, now: datetime
) -> list[tuple[int, int, int, int]] | None:
    """What a burn should use: the place of each lot, positions and value."""
    end_of_time = datetime.max.replace(tzinfo=UTC)
    open_lots = [
        lot
        for lot in lots
        if not lot.is_frozen
        and (lot.expires_at is None or lot.expires_at > now)
        and (lot.is_purchased or not purchased_only)
    ]
    open_lots.sort(key=lambda lot: (lot.priority, lot.expires_at or end_of_time, lot.at))
    # Every coin by itself, in the order they are used.
    purse = [(lot, coin) for lot in open_lots for coin in range(lot.used, lot.coins)]
    if len(purse) < coins:
        return None
    slices = []
    for lot in open_lots:
        taken = [coin for owner, coin in purse[:coins] if owner is lot]
        if taken:
            start, end = min(taken), max(taken) + 1
            slices.append((lot.at, start, end, lot.released(end) - lot.released(start)))
    return slices


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    """Any lot that the database accepts; ``at`` is filled in later."""
    coins = draw(st.integers(1, 40))
    is_purchased = draw(st.booleans())
    return Lot(
        at=0,
        coins=coins,
        used=draw(st.integers(0, coins)),
        value=draw(st.one_of(st.integers(0, 50), st.integers(0, 2**62))),
        is_purchased=is_purchased,
        priority=draw(st.sampled_from([10, 10, 50])),
        expires_in=None if is_purchased else draw(st.sampled_from([None, -1, 0, 1, 2, 48])),
        is_frozen=draw(st.sampled_from([False, False, False, True])),
    )


@given(
    wanted=st.lists(lots(), max_size=7),
    burns=st.lists(
        st.tuples(st.integers(1, 60), st.booleans(), st.integers(0, 2)), min_size=1, max_size=5
    ),
)
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_equals_the_model_whatever_the_lots(
    wanted: list[Lot], burns: list[tuple[int, bool, int]]
) -> None:
    with atomic():
        modelled = [replace(lot, at=at) for at, lot in enumerate(wanted)]
        wallet = balances.lock(user_id=READER)
        rows = _store(wallet, modelled)
        places = {row.pk: at for at, row in enumerate(rows)}

        for coins, purchased_only, hours in burns:
            now = NOW + timedelta(hours=hours)
            expected = model_burn(modelled, coins, purchased_only=purchased_only, now=now)
            burned = burn(coins, purchased_only=purchased_only, now=now)

            if expected is None:
                assert burned is None
                continue
            assert [(places[lot], *rest) for lot, *rest in used(burned)] == expected
            ends = {at: end for at, _, end, _ in expected}
            modelled = [replace(lot, used=ends.get(lot.at, lot.used)) for lot in modelled]

        assert _state() == _expected_state(modelled)
        set_rollback(True)


def _store(wallet: CoinBalance, modelled: Iterable[Lot]) -> list[CoinLot]:
    rows = CoinLot.objects.bulk_create(
        CoinLot(
            wallet=wallet,
            origin="PURCHASE" if lot.is_purchased else "PROMO",
            is_purchased=lot.is_purchased,
            coins=lot.coins,
            next_coin=lot.used,
            value_micros=lot.value,
            transaction_id=UUID(int=0),
            priority=lot.priority,
            expires_at=lot.expires_at,
            frozen_by="dispute:1" if lot.is_frozen else "",
            created_at=NOW,
        )
        for lot in modelled
    )
    purchased, promo, held = _expected_state(modelled)[:3]
    CoinBalance.objects.filter(pk=wallet.pk).update(
        coins=purchased + promo, purchased=purchased, promo=promo, held=held
    )
    return rows


def _expected_state(modelled: Iterable[Lot]) -> tuple[int, int, int, int]:
    modelled = list(modelled)
    open_lots = [lot for lot in modelled if not lot.is_frozen]
    return (
        sum(lot.coins - lot.used for lot in open_lots if lot.is_purchased),
        sum(lot.coins - lot.used for lot in open_lots if not lot.is_purchased),
        sum(lot.coins - lot.used for lot in modelled if lot.is_frozen),
        sum(lot.coins - lot.used for lot in modelled),
    )


def _state() -> tuple[int, int, int, int]:
    wallet = CoinBalance.objects.get(user_id=READER)
    left = CoinLot.objects.aggregate(left=Sum(F("coins") - F("next_coin"), default=0))["left"]
    return wallet.purchased, wallet.promo, wallet.held, left
