"""Money operations that cross each other queue; none of them ends in a deadlock"""

import random
from datetime import timedelta

import pytest
from django.db.models import Sum

from access.models import Content, Tip
from access.services import catalogue, tips
from payments import ledger
from payments.ledger import templates
from payments.models import Account, CoinBalance
from revenue.models import Authorship, Earning
from tests import factories
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW
from tests.ledger import books

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

THREADS = 16


def test_writers_who_tip_each_other_end_with_exact_sums() -> None:
    tips_each, coins = 100, 10
    for writer in ("ann", "bob"):
        factories.put_content(f"book-of-{writer}", shares={writer: 10_000})
        for _ in range(2):
            factories.buy_coins(writer, "Ultimate Pack")
    crowd = Crowd(THREADS)

    def tip(number: int) -> None:
        sender, recipient = ("ann", "bob") if number % 2 else ("bob", "ann")
        for _ in range(tips_each):
            tips.send(
                sender_id=sender,
                recipient_id=recipient,
                coins=coins,
                now=NOW,
                actor=f"user:{sender}",
            )

    with no_deadlocks():
        crowd.run(tip)

    tipped = THREADS // 2 * tips_each * coins
    left = dict(CoinBalance.objects.values_list("user_id", "coins"))
    assert left == {"ann": 13_200 - tipped, "bob": 13_200 - tipped}
    assert Tip.objects.count() == THREADS * tips_each
    # The coins of two equal lots were used from the first on: the values are those of one cut.
    for writer in ("ann", "bob"):
        earned = Earning.objects.filter(writer=writer)
        assert earned.count() == tips_each * THREADS // 2
        released = 39_990_000 + ledger.released_value(
            value_micros=39_990_000, coins=6_600, from_coin=0, to_coin=tipped - 6_600
        )
        total = earned.aggregate(total=Sum("amount_micros"))["total"]
        assert released * 70 // 100 - earned.count() <= total <= released * 70 // 100
    books.assert_sound()


def test_the_daily_limit_of_tips_holds_to_the_coin() -> None:
    factories.put_content("book", shares={"writer-1": 10_000})
    for _ in range(2):
        factories.buy_coins("reader-1", "Ultimate Pack")
    crowd = Crowd(THREADS)

    def tip(number: int) -> int:
        sent = 0
        for coins in (300, 70, 150, 90, 310, 110):
            try:
                tips.send(
                    sender_id="reader-1",
                    recipient_id="writer-1",
                    coins=coins,
                    now=NOW,
                    actor="user:reader-1",
                )
            except tips.DailyLimitReached as refusal:
                # What was sent before plus this one is over the limit, at the moment it is said.
                sent_before = refusal.members["sent_coins"]
                assert isinstance(sent_before, int)
                if not sent_before + coins > 10_000:
                    raise
            else:
                sent += coins
        return sent

    total = sum(crowd.run(tip))

    # All together wanted 16,480; whoever was refused wanted more than was left, and 310 at most.
    assert 10_000 - 310 < total <= 10_000
    assert Tip.objects.aggregate(coins=Sum("coins"))["coins"] == total
    assert CoinBalance.objects.get().coins == 13_200 - total
    books.assert_sound()


def test_tips_of_one_size_reach_the_daily_limit_exactly() -> None:
    factories.put_content("book", shares={"writer-1": 10_000})
    for _ in range(2):
        factories.buy_coins("reader-1", "Ultimate Pack")
    crowd = Crowd(THREADS)

    def tip(number: int) -> int:
        sent = 0
        for _ in range(8):
            try:
                tips.send(
                    sender_id="reader-1",
                    recipient_id="writer-1",
                    coins=100,
                    now=NOW,
                    actor="user:reader-1",
                )
            except tips.DailyLimitReached:
                continue
            sent += 1
        return sent

    assert sum(crowd.run(tip)) == 100
    assert CoinBalance.objects.get().coins == 3_200
    books.assert_sound()


def test_deliveries_of_the_same_chapters_leave_each_with_the_authors_of_one() -> None:
    chapters, rounds = [f"chapter-{at:03}" for at in range(400)], 6
    crowd = Crowd(4)

    def deliver(number: int) -> None:
        clock = random.Random(number)
        for at in range(rounds):
            crowd.gather()
            # Everybody's clock is a little off: the last to come is not always the latest.
            now = NOW + timedelta(milliseconds=at + 3 * clock.random())
            shares = {f"writer-{number}": 5_000, f"writer-{number}-{at}": 5_000}
            catalogue.put(
                descriptions=[
                    catalogue.Description(
                        content_id=content_id,
                        title=f"{number}-{at}",
                        shares=shares,
                        price_coins=number + 1,
                    )
                    # Half of them begin at the other end.
                    for content_id in (chapters if number % 2 else reversed(chapters))
                ],
                now=now,
            )

    with no_deadlocks():
        crowd.run(deliver)

    (title,) = Content.objects.values_list("title", flat=True).distinct()
    number, _, at = title.partition("-")
    open_rows = Authorship.objects.filter(valid_to=None)
    assert set(open_rows.values_list("writer", "share_bps")) == {
        (f"writer-{number}", 5_000),
        (f"writer-{number}-{at}", 5_000),
    }
    assert open_rows.count() == 2 * len(chapters)
    # And at every moment of the past, the shares of a chapter summed to the whole.
    for content_id in (chapters[0], chapters[-1]):
        rows = Authorship.objects.filter(content_id=content_id)
        for moment in set(rows.values_list("valid_from", flat=True)):
            then = [
                r
                for r in rows
                if r.valid_from <= moment and (not r.valid_to or moment < r.valid_to)
            ]
            assert sum(row.share_bps for row in then) == 10_000


def test_accounts_that_many_need_at_once_are_opened_once_each() -> None:
    rounds, writers = 12, 12
    crowd = Crowd(THREADS)
    for number in range(THREADS):
        books.give(1_000, user_id=f"reader-{number}", value=9_900_000, is_purchased=True)

    def post(number: int) -> None:
        order = random.Random(number)
        for at in range(rounds):
            crowd.gather()
            names = [f"writer-{at}-{one}" for one in range(writers)]
            order.shuffle(names)
            shares = dict.fromkeys(names[: order.randint(3, writers)], 7)
            draft = templates.tip(user_id=f"reader-{number}", coins=10, value=999, shares=shares)
            ledger.post(draft, books.header(f"tip:{number}:{at}"))

    with no_deadlocks():
        crowd.run(post)

    opened = Account.objects.filter(code="writer").values_list("owner_id", flat=True)
    assert sorted(opened) == sorted(set(opened))
