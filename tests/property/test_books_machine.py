"""Whatever readers, staff, gateways and the night do in any order, the books say what they must.

Hypothesis chooses the steps. After each, the wallets hold what a model says that knows neither SQL
nor the product's code; every ten steps and in the end everything does: lots, accounts, earnings,
rights, refunds, disputes, the chain, and what other services were told. In the end, all news has
come, and our balances at the gateway are those of its own book. To see a run again, or a longer
one::

    BOOKS_SEED=<seed> BOOKS_STEPS=250000 python -m pytest tests/property/test_books_machine.py
"""

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test as run_machine

from payments.enums import Currency
from payments.models import Dispute, Policy
from payments.services import policies
from revenue.models import StreamTerms
from tests import second_person
from tests.factories import NOW
from tests.property import model
from tests.property.disputing import Disputing
from tests.property.machine import Beginning
from tests.property.money_back import MoneyBack
from tests.property.money_in import NEWS, MoneyIn

SEED = int(os.environ.get("BOOKS_SEED") or secrets.randbelow(10**9))
STEPS = int(os.environ.get("BOOKS_STEPS") or 10_000)
PARTS = 2
STEPS_AT_ONCE = 60
"""Of one example: long enough for lots to end and sales to be taken back, short enough to read."""

EXAMPLES = 11
"""Of one run: two of the simplest steps, then new ones. With more examples, Hypothesis would go on
with copies of these that differ in a step or two."""


OFTEN = (
    *(f"buy coins: {how}" for how in (*NEWS, *Currency)),
    *(f"no purchase: {how}" for how in ("expired", "failed", "quarantined", "refused")),
    *(f"by hand: {how}" for how in ("give promo", "give value", "rejected", "take")),
    *("campaign", "grant at 0", "grant at 7001", "grant again", "grant: ReaderCapReached"),
    *("lots expired", "old news", "rewritten", "published on the way", "sealed on the way"),
    *("spend", "spend: owned already", "spend: once more", "spend: OwnWork"),
    *("tip", "tip: DailyLimitReached", "tip: InsufficientCoins", "tip: SelfTip"),
    *("gift", "gift: GiftLimitReached", "gift: InsufficientCoins", "gift: SelfGift"),
    *("refund", "refund: AlreadyReversed", "take back: CONTENT", "take back: TIP"),
    *("money refund", "money refund: part", "money refund: by hand", "money refund: goodwill"),
    *(f"money refund: {no}" for no in ("AmountTooLarge", "CurrencyMismatch", "PurchaseDisputed")),
    *(f"refund sent: {how}" for how in ("SUCCEEDED", "PENDING", "NEEDS_ATTENTION", "answer lost")),
    *("refund told", "refund: PENDING to SUCCEEDED", "refund: SUCCEEDED to FAILED"),
    *("dispute", "dispute: inquiry", "dispute: part", "dispute: after a refund"),
    *(f"dispute heard: {how}" for how in ("NEEDS_RESPONSE", "LOST", "WON")),
    *(f"lost: {policy}" for policy in Dispute.Policy),
    *("lost: unused coins", "lost: earnings", "lost: debt", "frozen: given away"),
    *("spend: WalletBlocked", "tip: WalletBlocked", "gift: WalletBlocked"),
)
"""What every part does, or is refused, at least three times; it goes on until it has."""

ALSO = (
    *(f"money refund: {currency}" for currency in Currency),
    *(f"money refund: {no}" for no in ("AlreadyReversed", "AmountTooSmall", "NothingToRefund")),
    *("refund: PENDING to FAILED", "refund: NEEDS_ATTENTION to FAILED", "refund sent: FAILED"),
    *("dispute heard: WITHDRAWN", "dispute: another of a purchase", "evidence", "given up"),
    *("evidence: DisputeClosed", "policy: LossIsBooked", "unblocked", "debt paid"),
    *("lost: earnings that stay", "lost: coins given away"),
    *(f"lost: {currency}" for currency in Currency),
    *("undone: WRITERS", "undone: unused coins", "undone: earnings", "undone: debt"),
)
"""What every part does at least once."""


class BooksMachine(MoneyIn, Disputing, MoneyBack):
    """All of it."""


@pytest.mark.slow
@pytest.mark.timeout(1_200)  # Hypothesis may take five minutes to make a failure small
@pytest.mark.django_db
@pytest.mark.parametrize("part", range(PARTS))
def test_the_books_add_up_whatever_happens(part: int, summarise: Callable[[str], None]) -> None:
    _lower_the_limits()
    second_person.person()
    BooksMachine.beginning = Beginning.make()
    BooksMachine.tally = tally = Counter[str]()
    steps = STEPS // PARTS

    try:
        _run(steps, random.Random(f"{SEED} {part}"))
    finally:
        summarise(
            f"part {part}, BOOKS_SEED={SEED}: {tally['steps']:,} steps, "
            f"{tally['refusals']:,} refused, {tally['transactions']:,} transactions"
        )

    assert tally["steps"] >= steps
    assert not _seldom(), sorted(tally.items())


def _lower_the_limits() -> None:
    # So that they are reached.
    for name, value in (
        (Policy.Name.TIP_DAILY_COINS, model.TIP_DAILY),
        (Policy.Name.GIFT_DAILY_COINS, model.GIFT_DAILY),
        (Policy.Name.REFUND_DAILY_CHAPTERS, model.REFUND_DAILY),
    ):
        policies.change(
            name=name, value=value, valid_from=NOW, actor="staff:7", reason="test", now=NOW
        )
    for terms in StreamTerms.objects.filter(stream__in=model.RATES_BPS):
        StreamTerms.objects.create(
            stream=terms.stream,
            min_bps=terms.min_bps,
            max_bps=terms.max_bps,
            hold_days=model.HOLD_DAYS,
            new_writer_hold_days=model.NEW_HOLD_DAYS,
            new_writer_days=model.NEW_DAYS,
            valid_from=NOW,
            created_by="staff:7",
            reason="test",
        )


def _run(steps: int, seeds: random.Random) -> None:
    for _ in range(2 + 6 * steps // (STEPS_AT_ONCE * EXAMPLES)):
        if BooksMachine.tally["steps"] >= steps and not _seldom():
            return
        run_machine(
            seed(seeds.randrange(2**32))(BooksMachine),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS_AT_ONCE,
                database=None,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )


def _seldom() -> list[str]:
    # A run that somebody made short on purpose does not get to everything.
    if STEPS < 10_000:
        return []
    tally = BooksMachine.tally
    return [
        *(what for what in OFTEN if tally[what] < 3),
        *(what for what in ALSO if tally[what] < 1),
    ]
