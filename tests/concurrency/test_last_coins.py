"""Who spends the last coins: as many as there are coins for, and nobody else"""

from uuid import UUID

import pytest

from access.models import Entitlement
from access.services import catalogue, content
from payments.ledger import balances
from payments.models import CoinBalance, LotUse
from payments.services import wallets
from tests import factories
from tests.concurrency.threads import Crowd
from tests.factories import NOW, WRITER
from tests.ledger import books

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PRICE = 30
THREADS = 128

BALANCES = [0, 1, 29, 30, 31, 59, 60, 89, 90, 100, 119, 120, 149, 150, 151, 179, 211, 299, 450, 905]
"""What the reader of each round holds; twenty rounds."""


def test_128_threads_spend_the_last_coins() -> None:
    chapters = [f"chapter-{number}" for number in range(THREADS)]
    catalogue.put(
        descriptions=[
            catalogue.Description(
                content_id=chapter, title=chapter, shares={WRITER: 10_000}, price_coins=PRICE
            )
            for chapter in chapters
        ],
        now=NOW,
    )
    for at, coins in enumerate(BALANCES):
        # In three lots where there is enough for three: a spend crosses from one to the next.
        for part in (coins // 3, coins // 3, coins - coins // 3 * 2):
            if part:
                books.give(part, user_id=f"reader-{at}", value=part * 7_001, is_purchased=True)
    crowd = Crowd(THREADS)

    def spend(number: int) -> list[bool]:
        won = []
        for at in range(len(BALANCES)):
            crowd.gather()
            won.append(_buys(f"reader-{at}", chapters[number]))
        return won

    rounds = zip(*crowd.run(spend), strict=True)

    assert [sum(won) for won in rounds] == [coins // PRICE for coins in BALANCES]
    held = dict(CoinBalance.objects.values_list("user_id", "coins"))
    assert [held.get(f"reader-{at}", 0) for at in range(len(BALANCES))] == [
        coins % PRICE for coins in BALANCES
    ]
    books.assert_sound()


def test_a_chapter_that_32_threads_buy_is_charged_once() -> None:
    crowd = Crowd(32)
    rounds = 5
    factories.buy_coins("reader-1", "Ultimate Pack")
    for at in range(rounds):
        factories.put_content(f"chapter-{at}", price=PRICE)

    def buy(number: int) -> list[tuple[bool, UUID]]:
        answers = []
        for at in range(rounds):
            crowd.gather()
            bought = content.buy(
                user_id="reader-1", content_id=f"chapter-{at}", now=NOW, actor="user:reader-1"
            )
            answers.append((bought.charged, bought.entitlement.pk))
        return answers

    for answers in zip(*crowd.run(buy), strict=True):
        assert sum(charged for charged, _ in answers) == 1
        assert len({right for _, right in answers}) == 1

    assert CoinBalance.objects.get().coins == 6_600 - rounds * PRICE
    assert Entitlement.objects.count() == LotUse.objects.count() == rounds
    books.assert_sound()


def test_a_wallet_is_opened_once_by_those_who_come_first() -> None:
    crowd = Crowd(32)

    opened = crowd.run(lambda _: balances.open_wallet(user_id="newcomer").pk)

    assert len(set(opened)) == 1
    assert CoinBalance.objects.count() == 1


def _buys(user_id: str, content_id: str) -> bool:
    try:
        bought = content.buy(
            user_id=user_id, content_id=content_id, now=NOW, actor=f"user:{user_id}"
        )
    except wallets.InsufficientCoins:
        return False
    assert bought.charged
    return True
