"""The frame of the state machine: one clock, one transaction per example, the model beside."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db.transaction import Atomic, atomic, set_rollback
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from legato_payments.lib.errors import DomainError
from payments.ledger import sealing
from payments.models import Transaction
from payments.services import campaigns, events
from tests import factories
from tests.factories import NOW
from tests.property import comparing
from tests.property.model_disputes import WholeModel
from tests.property.model_rows import Campaign, Chapter, No

READERS = ("ann", "bob", "cyd")  # cyd writes, too
WRITERS = ("cyd", "dan", "eve")
AUTHORS: tuple[dict[str, int], ...] = (
    {"dan": 10_000},
    {"eve": 5_000, "dan": 5_000},
    {"cyd": 3_334, "dan": 3_333, "eve": 3_333},
    {"eve": 9_999, "cyd": 1},
)
METHODS = ("pm_card", "pm_refund_pending", "pm_refund_attention")
"""Cards whose refunds succeed at once, wait for the bank, and wait for a person."""

PRICES = (5, 12, 33, 1_999, 7, 19, 60, 11, 1, 48, 23, 300)
THOROUGH = 10
"""Every so many steps everything is compared, not the wallets alone."""

readers = st.sampled_from(READERS)


@dataclass
class Beginning:
    """What every example starts from: some chapters, coins in every wallet, two campaigns."""

    model: WholeModel = field(default_factory=lambda: WholeModel(*READERS))
    campaigns: list[tuple[UUID, Campaign]] = field(default_factory=list)

    @classmethod
    def make(cls) -> "Beginning":
        """Do it, in the books and in the model."""
        beginning = cls()
        for number, price in enumerate(PRICES):
            chapter = Chapter(price, AUTHORS[number % len(AUTHORS)])
            beginning.describe(f"chapter-{number}", chapter, now=NOW)
        for per_coin, days in ((0, 2), (7_001, 4)):
            terms = Campaign(3_000, 150, per_coin, days, NOW, NOW + timedelta(days=30))
            campaign_id = beginning.found(terms, now=NOW)
            for reader in READERS:
                beginning.model.grant(reader, terms, 30, NOW)
                campaigns.grant(
                    user_id=reader,
                    campaign_id=campaign_id,
                    coins=30,
                    key=reader,
                    actor="staff:7",
                    now=NOW,
                )
        for reader, method in zip(READERS, METHODS, strict=True):
            bought = factories.start_purchase(reader, "Reader Pack", saved_method=method)
            beginning.model.pay(reader, "Reader Pack", "USD", name=str(bought.pk), method=method)
        return beginning

    def describe(self, content_id: str, chapter: Chapter, *, now: datetime) -> None:
        """The content service tells of a chapter."""
        factories.put_content(content_id, price=chapter.price, shares=chapter.shares, now=now)
        self.model.describe(content_id, chapter, now)

    def found(self, terms: Campaign, *, now: datetime) -> UUID:
        """A campaign begins."""
        row = campaigns.create(
            name=f"campaign {len(self.campaigns)}",
            terms=campaigns.Terms(
                budget_coins=terms.budget,
                per_user_coins=terms.cap,
                starts_at=terms.starts,
                ends_at=terms.ends,
                value_per_coin_micros=terms.per_coin,
                expires_after_days=terms.days,
            ),
            actor="staff:7",
            reason="test",
            now=now,
        )
        self.campaigns.append((row.pk, terms))
        return row.pk


def step(**drawn: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule whose runs are counted."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def counted(machine: "Frame", **arguments: Any) -> None:
            machine.is_whole = False
            function(machine, **arguments)
            machine.steps += 1
            machine.kinds.add(function.__name__)

        made: Callable[..., None] = rule(**drawn)(counted)  # type: ignore[no-untyped-call]
        return made

    return decorate


class Frame(RuleBasedStateMachine):
    """Three readers, three writers, one clock; whatever happens is rolled back in the end."""

    beginning: ClassVar[Beginning]
    tally: ClassVar[Counter[str]]
    """Of all examples: steps, transactions, and each thing done or refused by its name.

    Not the steps of an example of one kind of step: Hypothesis begins with such.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.state = deepcopy(self.beginning)
        self.steps = 0
        self.kinds: set[str] = set()
        self.is_whole = True
        self.block: Atomic = atomic()
        # As Django marks the transaction around a whole test: nothing in it is inside one.
        self.block._from_testcase = True  # type: ignore[attr-defined]
        self.block.__enter__()
        self.posted_before = Transaction.objects.count()

    @property
    def model(self) -> WholeModel:
        """What the books must say by now."""
        return self.state.model

    def teardown(self) -> None:
        """Look at everything once more, and forget it."""
        try:
            if self.is_whole:
                self.come_to_the_end()
                self.tally["steps"] += self.steps if len(self.kinds) > 1 else 0
        finally:
            set_rollback(True)
            self.block.__exit__(None, None, None)

    def come_to_the_end(self) -> None:
        """Seal and publish all of it; nothing is missing in the chain, the books or the feed."""
        sealing.seal_all(now=self.now)
        sealing.seal_audit(now=self.now, limit=1_000_000)
        events.publish(now=self.now)
        comparing.everything(self.model)
        comparing.what_was_told(self.model)
        self.tally["transactions"] += Transaction.objects.count() - self.posted_before

    def attempt[Result](
        self, what: str, expect: Callable[[], object], do: Callable[[], Result]
    ) -> Result | None:
        """The model and the product both do it, or both refuse it for the same reason.

        Returns:
            What the product returned; None when it refused.
        """
        if no := _refusal(expect):
            with pytest.raises(DomainError) as refused, atomic():
                do()
            assert type(refused.value).__name__ == no.name
            if no.available is not None:
                assert refused.value.members["available_coins"] == no.available
            self.tally["refusals"] += 1
            self.tally[f"{what}: {no.name}"] += 1
            return None
        result = do()
        self.tally[what] += 1
        return result

    @invariant()
    def the_model_says_the_same(self) -> None:
        comparing.wallets(self.model)
        if self.steps % THOROUGH == 0:
            comparing.everything(self.model)
        self.is_whole = True


def _refusal(expect: Callable[[], object]) -> No | None:
    try:
        expect()
    except No as no:
        return no
    return None
