"""payments.services.expiry: coins that were not used in time"""

from datetime import datetime, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command

from access.services import content, refunds
from legato_payments.lib import clock
from payments import tasks
from payments.ledger import chart, invariants, sealing
from payments.models import (
    CoinBalance,
    CoinLot,
    LotUse,
    OutboxEvent,
    PromoGrant,
    Transaction,
)
from payments.queries import transactions
from payments.queries import wallets as wallet_queries
from payments.services import campaigns, expiry, wallets
from tests import factories
from tests.clients import PAYMENTS, api
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW, READER
from tests.ledger import books

pytestmark = pytest.mark.django_db

F = 6_059
"""Micros of a funded coin; odd, so that nothing divides evenly."""

AFTER = NOW + timedelta(days=31)


def promo(
    coins: int = 50, *, user_id: str = READER, value: int = 0, days: int = 30, now: datetime = NOW
) -> CoinLot:
    """Promotional coins of a campaign of their own."""
    campaign = campaigns.create(
        name=f"{user_id} {PromoGrant.objects.count()}",
        terms=campaigns.Terms(
            budget_coins=coins,
            per_user_coins=coins,
            starts_at=now,
            ends_at=now + timedelta(days=1),
            value_per_coin_micros=value,
            expires_after_days=days,
        ),
        actor="staff:1",
        reason="x",
        now=now,
    )
    row = campaigns.grant(
        user_id=user_id, campaign_id=campaign.pk, coins=coins, key="x", actor="staff:1", now=now
    )
    return CoinLot.objects.get(transaction=row.transaction_id)


def spend(coins: int, *, now: datetime = NOW, user_id: str = READER) -> None:
    """Open a chapter that costs so much."""
    chapter = f"chapter-{coins}"
    factories.put_content(chapter, price=coins)
    content.buy(user_id=user_id, content_id=chapter, now=now, actor=f"user:{user_id}")


def assert_books_add_up() -> None:
    """Sealed, and nothing for ``verify_ledger`` to say."""
    books.assert_sound()
    sealing.seal_all(now=AFTER, most=1_000)
    assert list(invariants.discrepancies()) == []


def test_funded_coins_become_breakage_to_the_micro() -> None:
    lot = promo(50, value=F)
    spend(17)

    swept = expiry.sweep(now=AFTER)

    assert (swept.wallets, swept.lots, swept.coins) == (1, 1, 33)
    assert swept.value_micros == 50 * F - 50 * F * 17 // 50
    posted = Transaction.objects.get(kind="EXPIRY")
    assert books.lines_of(posted.pk) == [
        ("wallet", READER, "COIN", 33),
        ("coins_issued", "", "COIN", -33),
        ("coins_deferred", "", "USD", swept.value_micros),
        ("breakage", "", "USD", -swept.value_micros),
    ]
    assert (posted.idempotency_key, posted.occurred_at) == (f"lot:{lot.pk}:expiry", lot.expires_at)
    use = LotUse.objects.get(kind=LotUse.Kind.EXPIRED)
    assert (use.lot_id, use.from_coin, use.to_coin) == (lot.pk, 17, 50)
    wallet = CoinBalance.objects.get()
    assert (wallet.coins, wallet.promo, wallet.lifetime_expired) == (0, 0, 33)
    assert books.balance(chart.coins_deferred()) == 0
    assert_books_add_up()


def test_coins_worth_nothing_leave_no_money_lines() -> None:
    promo(50)

    expiry.sweep(now=AFTER)

    posted = Transaction.objects.get(kind="EXPIRY")
    assert [line[0] for line in books.lines_of(posted.pk)] == ["wallet", "coins_issued"]
    assert books.balance(chart.breakage()) == 0
    assert_books_add_up()


def test_takes_neither_purchased_nor_frozen_coins_nor_those_with_time_left() -> None:
    factories.buy_coins(name="Starter Pack")
    books.freeze(promo(20))
    promo(30, days=60)
    gone = promo(40)

    expiry.sweep(now=AFTER)

    assert list(LotUse.objects.values_list("lot", flat=True)) == [gone.pk]
    wallet = CoinBalance.objects.get()
    assert (wallet.purchased, wallet.promo, wallet.held) == (100, 30, 20)
    assert_books_add_up()


def test_the_moment_itself_is_too_late() -> None:
    lot = promo(10)
    assert lot.expires_at is not None

    assert expiry.sweep(now=lot.expires_at - timedelta(microseconds=1)).lots == 0
    assert expiry.sweep(now=lot.expires_at).lots == 1


def test_twice_is_once() -> None:
    for user_id in ("ann", "bob"):
        promo(10, user_id=user_id, value=F)
        promo(20, user_id=user_id)
    first = expiry.sweep(now=AFTER)
    before = books.fingerprint()

    again = expiry.sweep(now=AFTER)

    assert (first.wallets, first.lots, first.coins) == (2, 4, 60)
    assert (again.wallets, again.lots, again.coins, again.value_micros) == (0, 0, 0, 0)
    assert books.fingerprint() == before
    assert_books_add_up()


def test_goes_on_where_a_run_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 2)
    for number in range(5):
        promo(10, user_id=f"reader-{number}")

    runs = [expiry.sweep(now=AFTER, most=3) for _ in range(3)]

    assert [(run.wallets, run.is_done) for run in runs] == [(3, False), (2, True), (0, True)]


def test_tells_other_services_once_for_each_wallet() -> None:
    promo(10)
    promo(20)
    OutboxEvent.objects.all().delete()

    expiry.sweep(now=AFTER)

    event = OutboxEvent.objects.get()
    assert (event.type, event.subject) == ("payments.balance.changed", READER)
    assert event.payload["coins"] == 0


def test_coins_that_came_back_expire_on_their_own_day() -> None:
    promo(10, value=F)
    spend(10, now=NOW + timedelta(days=29))
    sale = Transaction.objects.get(kind="CONTENT_PURCHASE")
    refunded = take_back(sale.pk, now=NOW + timedelta(days=29, hours=1))

    assert expiry.sweep(now=NOW + timedelta(days=36)).lots == 0
    expiry.sweep(now=NOW + timedelta(days=36, hours=1))

    assert LotUse.objects.filter(kind=LotUse.Kind.EXPIRED).get().lot_id == refunded
    assert -books.balance(chart.breakage()) == 10 * F
    assert_books_add_up()


def take_back(transaction_id: UUID, *, now: datetime) -> int:
    """Give a chapter back; the lot that its coins came back in."""
    refunded = refunds.refund(
        transaction_id=transaction_id, reason="x", actor=f"user:{READER}", now=now
    )
    return refunded.lots[0].pk


def test_the_balance_shows_what_expires_and_the_history_what_did() -> None:
    promo(10, days=30)
    promo(20, days=40)
    balance = wallet_queries.balance(user_id=READER, now=NOW)
    assert [lot.coins for lot in balance.expiring] == [10, 20]

    expiry.sweep(now=AFTER)

    balance = wallet_queries.balance(user_id=READER, now=AFTER)
    assert (balance.coins, balance.lifetime["expired"]) == (20, 10)
    rows = transactions.history(user_id=READER, only=transactions.Filter(), limit=10)
    assert [(row.type, row.coins) for row in rows] == [
        ("expiry", -10),
        ("promo", 20),
        ("promo", 10),
    ]
    answer = api(user=READER).get(f"{PAYMENTS}/users/{READER}/transactions?type=expiry")
    assert [row["coins"] for row in answer.json()["results"]] == [-10]


class TestTheCommandAndTheJob:
    @pytest.fixture(autouse=True)
    def _expired_by_now(self) -> None:
        promo(10, value=F, now=clock.now() - timedelta(days=40))

    @pytest.fixture
    def printed(self) -> StringIO:
        """What a command says."""
        return StringIO()

    def test_a_dry_run_only_says_what_would_go(self, printed: StringIO) -> None:
        before = books.fingerprint()

        call_command("expire_coins", "--dry-run", stdout=printed)

        assert printed.getvalue() == (
            "would expire  10 coins of 1 lots in 1 wallets, worth 0.06059 USD\n"
        )
        assert books.fingerprint() == before

    def test_a_run_takes_them(self, printed: StringIO) -> None:
        call_command("expire_coins", stdout=printed)

        assert "expired  10 coins" in printed.getvalue()
        assert CoinBalance.objects.get().coins == 0

    def test_beat_runs_it_every_night(self) -> None:
        entry = settings.CELERY_BEAT_SCHEDULE["expire-coins"]

        assert entry["task"] == tasks.expire_coins.name
        tasks.expire_coins()

        assert CoinBalance.objects.get().lifetime_expired == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_sweeps_and_spends_at_once_use_every_coin_once() -> None:
    readers = [f"reader-{number}" for number in range(8)]
    factories.put_content("chapter-10", price=10)
    for user_id in readers:
        promo(10, user_id=user_id, value=F)
        books.give(10, user_id=user_id, value=99_000, is_purchased=True)
    crowd = Crowd(16)

    def work(number: int) -> int:
        if number % 2:
            return expiry.sweep(now=AFTER).coins
        # A clock that is a little behind: these coins are not expired yet for this request.
        try:
            content.buy(
                user_id=readers[number // 2],
                content_id="chapter-10",
                now=NOW + timedelta(days=29),
                actor="user:x",
            )
        except wallets.InsufficientCoins:
            return 0
        return 0

    with no_deadlocks():
        expired = sum(crowd.run(work))
    expired += expiry.sweep(now=AFTER).coins

    spent_promo = LotUse.objects.filter(kind="SPEND", lot__is_purchased=False).count() * 10
    assert expired + spent_promo == 80
    assert set(CoinBalance.objects.values_list("promo", flat=True)) == {0}
    assert Transaction.objects.filter(kind="CONTENT_PURCHASE").count() == 8
    assert_books_add_up()
