"""Readers buy, spend, tip and get their coins back in any order, and the books always add up.

Hypothesis chooses the steps. After each, every published invariant must hold, and the wallets must
hold what a model of a few lines says: it knows nothing of lots, entries or SQL.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.transaction import Atomic, atomic, set_rollback
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from access.models import Entitlement
from access.services import content, tips
from payments import ledger
from payments.enums import Currency
from payments.gateways.rates.fixed import FixedRates
from payments.ledger import reversals
from payments.models import CoinBalance, CoinPackage, Policy
from payments.services import currency_rates, policies, wallets
from revenue.services import earnings
from tests import factories
from tests.factories import NOW
from tests.ledger import books

READERS = ("ann", "bob", "cyd")  # cyd writes, too
WRITERS = ("cyd", "dan", "eve")
CHAPTERS: dict[str, tuple[int, dict[str, int]]] = {
    "cheap": (5, {"dan": 10_000}),
    "shared": (33, {"cyd": 3_334, "dan": 3_333, "eve": 3_333}),
    "series": (1_999, {"eve": 9_999, "cyd": 1}),
}
PACKAGES = ("Starter Pack", "Reader Pack", "Ultimate Pack")

readers = st.sampled_from(READERS)


class BooksMachine(RuleBasedStateMachine):
    """Three readers, three writers, one clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.paid = dict.fromkeys(READERS, 0)
        self.promo: dict[str, list[list[Any]]] = {reader: [] for reader in READERS}
        self.owned: dict[tuple[str, str], UUID] = {}
        self.moved: list[tuple[UUID, str, int, list[list[Any]]]] = []
        self.taken_back: list[UUID] = []
        self.block: Atomic = atomic()
        # As Django marks the transaction around a whole test: nothing in it is inside one.
        self.block._from_testcase = True  # type: ignore[attr-defined]
        self.block.__enter__()

    def teardown(self) -> None:
        """Forget all of it."""
        set_rollback(True)
        self.block.__exit__(None, None, None)

    @initialize()
    def describe_chapters(self) -> None:
        for content_id, (price, shares) in CHAPTERS.items():
            factories.put_content(content_id, price=price, shares=shares, now=NOW)

    @rule(hours=st.integers(1, 60))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(reader=readers, name=st.sampled_from(PACKAGES), currency=st.sampled_from(Currency))
    def buy_coins(self, reader: str, name: str, currency: str) -> None:
        currency_rates.refresh(provider=FixedRates(), now=self.now)
        factories.buy_coins(reader, name, currency=currency, now=self.now)
        version = CoinPackage.objects.get(name=name).current
        assert version is not None
        self.paid[reader] += version.total_coins

    @rule(reader=readers, coins=st.integers(1, 40), value=st.sampled_from([0, 0, 1, 99_999]),
          days=st.sampled_from([None, 1, 3, 30]))  # fmt: skip
    def promote(self, reader: str, coins: int, value: int, days: int | None) -> None:
        ends = None if days is None else self.now + timedelta(days=days)
        books.give(coins, user_id=reader, value=value, expires_at=ends, now=self.now)
        self.promo[reader].append([coins, ends])

    @rule(reader=readers, content_id=st.sampled_from(list(CHAPTERS)))
    def spend(self, reader: str, content_id: str) -> None:
        price, shares = CHAPTERS[content_id]
        available = self.spendable_promo(reader) + self.paid[reader]
        if (reader, content_id) in self.owned:
            assert not self.buy(reader, content_id).charged
        elif reader in shares:
            with pytest.raises(content.OwnWork):
                self.buy(reader, content_id)
        elif available < price:
            with pytest.raises(wallets.InsufficientCoins) as refusal:
                self.buy(reader, content_id)
            assert refusal.value.members["available_coins"] == available
        else:
            transaction_id = self.buy(reader, content_id).entitlement.transaction_id
            assert transaction_id is not None
            self.owned[reader, content_id] = transaction_id
            self.count_spent(reader, price, transaction_id)

    @rule(reader=readers, writer=st.sampled_from(WRITERS), coins=st.integers(10, 700))
    def tip(self, reader: str, writer: str, coins: int) -> None:
        if reader == writer:
            with pytest.raises(tips.SelfTip):
                self.send(reader, writer, coins)
        elif self.paid[reader] < coins:
            with pytest.raises(wallets.InsufficientCoins) as refusal:
                self.send(reader, writer, coins)
            assert refusal.value.members["available_coins"] == self.paid[reader]
        else:
            sent = self.send(reader, writer, coins)
            self.paid[reader] -= coins
            self.moved.append((sent.tip.transaction_id, reader, coins, []))

    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        if not self.moved:
            return
        at = data.draw(st.integers(0, len(self.moved) - 1))
        transaction_id, reader, paid, promo = self.moved.pop(at)
        self.reverse(transaction_id)
        self.taken_back.append(transaction_id)
        self.paid[reader] += paid
        week = self.now + timedelta(days=7)
        self.promo[reader] += [[coins, ends and max(ends, week)] for coins, ends in promo]
        self.owned = {key: held for key, held in self.owned.items() if held != transaction_id}

    @rule()
    def take_back_twice(self) -> None:
        if not self.taken_back:
            return
        with pytest.raises(reversals.AlreadyReversed):
            self.reverse(self.taken_back[-1])

    def buy(self, reader: str, content_id: str) -> content.Bought:
        """The reader buys a chapter now."""
        actor = f"user:{reader}"
        return content.buy(user_id=reader, content_id=content_id, now=self.now, actor=actor)

    def send(self, reader: str, writer: str, coins: int) -> tips.Sent:
        """The reader tips now."""
        actor = f"user:{reader}"
        return tips.send(
            sender_id=reader, recipient_id=writer, coins=coins, now=self.now, actor=actor
        )

    def reverse(self, transaction_id: UUID) -> None:
        """Give a sale's coins back, as a refund does."""
        with atomic():
            reversal = ledger.reverse(
                transaction_id=transaction_id, actor="staff:7", reason="", now=self.now
            )
            earnings.reverse(
                transaction_id=transaction_id, reversal_id=reversal, occurred_at=self.now
            )
            rights = Entitlement.objects.filter(transaction=transaction_id)
            rights.update(revoked_at=self.now)

    def spendable_promo(self, reader: str) -> int:
        """Promotional coins that have not ended."""
        held = self.promo[reader]
        return sum(coins for coins, ends in held if ends is None or ends > self.now)

    def count_spent(self, reader: str, price: int, transaction_id: UUID) -> None:
        """Promotions that end first go first, then the paid coins."""
        used = []
        forever = self.now + timedelta(days=10_000)
        for grant in sorted(self.promo[reader], key=lambda grant: grant[1] or forever):
            coins, ends = grant
            if price and (ends is None or ends > self.now):
                taken = min(price, coins)
                grant[0] -= taken
                price -= taken
                used.append([taken, ends])
        self.paid[reader] -= price
        self.moved.append((transaction_id, reader, price, used))

    @invariant()
    def wallets_hold_what_the_model_says(self) -> None:
        held = {
            wallet.user_id: (wallet.purchased, wallet.promo)
            for wallet in CoinBalance.objects.filter(user_id__in=READERS)
        }
        for reader in READERS:
            promo = sum(coins for coins, _ in self.promo[reader])
            assert held.get(reader, (0, 0)) == (self.paid[reader], promo)

    @invariant()
    def the_books_add_up(self) -> None:
        books.assert_sound()


@pytest.mark.django_db
def test_the_books_add_up_whatever_happens() -> None:
    # So that the limit of a day is not what stops most tips.
    policies.change(
        name=Policy.Name.TIP_DAILY_COINS,
        value=10**9,
        valid_from=NOW,
        actor="staff:7",
        reason="test",
        now=NOW,
    )

    run_machine(
        BooksMachine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
