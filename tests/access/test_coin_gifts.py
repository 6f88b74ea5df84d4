"""POST /api/v1/access/users/{user_id}/coin-gifts"""

from typing import Any

import pytest

from access.models import CoinGift
from access.queries import trace
from access.services import content, gifts, tips
from payments.ledger import chart, invariants, sealing
from payments.models import CoinBalance, CoinLot, LotUse, OutboxEvent, Policy, Transaction
from payments.services import policies, wallets
from tests import factories
from tests.clients import PAYMENTS, api
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

FRIEND = "reader-2"


def give(coins: int, *, sender: str = READER, recipient: str = FRIEND) -> gifts.Given:
    """Coins from one reader to another."""
    return gifts.send_coins(
        sender_id=sender, recipient_id=recipient, coins=coins, now=NOW, actor=f"user:{sender}"
    )


def ask(body: dict[str, Any], *, sender: str = READER) -> Any:
    """The request of the giver."""
    return api(user=sender).keyed(f"/api/v1/access/users/{sender}/coin-gifts", body)


def wallet_of(user_id: str) -> CoinBalance:
    """What a reader holds."""
    return CoinBalance.objects.get(user_id=user_id)


def assert_books_add_up() -> None:
    """Sealed, and nothing for ``verify_ledger`` to say."""
    books.assert_sound()
    sealing.seal_all(now=NOW, most=5_000)
    assert list(invariants.discrepancies()) == []


def test_coins_go_from_one_wallet_to_the_other(reader: str) -> None:
    response = ask({"recipient_id": FRIEND, "coins": 500, "message": "Read on!"})

    assert response.status_code == 201, response.content
    gift = CoinGift.objects.get()
    source = CoinLot.objects.get(origin="PURCHASE")
    assert response.json() == {
        "transaction_id": str(gift.transaction_id),
        "recipient_id": FRIEND,
        "coins": 500,
        "lots": [
            {
                "lot_id": source.pk,
                "origin": "purchase",
                "coins": 500,
                "value": {"amount": "3.029545", "currency": "USD"},
            }
        ],
        "balance": {
            "coins": 6_100,
            "purchased_coins": 6_100,
            "promo_coins": 0,
            "held_coins": 0,
        },
    }
    assert (gift.sender_id, gift.recipient_id, gift.coins) == (READER, FRIEND, 500)
    assert gift.message == "Read on!"
    assert books.lines_of(gift.transaction_id) == [
        ("wallet", READER, "COIN", 500),
        ("wallet", FRIEND, "COIN", -500),
    ]
    assert LotUse.objects.get().kind == LotUse.Kind.TRANSFER
    assert (wallet_of(FRIEND).coins, wallet_of(FRIEND).lifetime_received) == (500, 500)
    assert (wallet_of(READER).lifetime_spent, wallet_of(READER).lifetime_tipped) == (0, 0)
    assert_books_add_up()


def test_they_keep_their_value_and_the_purchase_they_are_from(reader: str) -> None:
    owed = books.balance(chart.coins_deferred())
    factories.buy_coins(READER, "Starter Pack")

    give(6_610)

    first, second = CoinLot.objects.filter(wallet__user_id=FRIEND).order_by("id")
    for child, coins, value in ((first, 6_600, 39_990_000), (second, 10, 99_000)):
        assert (child.origin, child.coins, child.value_micros) == ("TRANSFER", coins, value)
        assert child.parent is not None
        assert (child.purchase_id, child.priority) == (child.parent.purchase_id, 50)
        assert (child.is_purchased, child.expires_at) == (True, None)
    assert first.purchase_id != second.purchase_id
    assert books.balance(chart.coins_deferred()) == owed - 990_000
    assert_books_add_up()


def test_whoever_they_are_spent_on_is_paid_the_same(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    give(10)

    content.buy(user_id=FRIEND, content_id="chapter-4", now=NOW, actor=f"user:{FRIEND}")

    assert -books.balance(chart.writer(WRITER)) == 60_590 * 65 // 100
    assert_books_add_up()


def test_given_coins_can_be_tipped_and_given_on(reader: str) -> None:
    factories.put_content()
    give(100)
    give(40, sender=FRIEND, recipient="reader-3")

    tips.send(sender_id="reader-3", recipient_id=WRITER, coins=40, now=NOW, actor="user:reader-3")

    grandchild = CoinLot.objects.get(wallet__user_id="reader-3")
    assert grandchild.parent is not None
    assert grandchild.parent.parent == CoinLot.objects.get(origin="PURCHASE")
    assert grandchild.purchase_id == grandchild.parent.parent.purchase_id
    assert_books_add_up()


def test_the_payment_behind_them_is_followed_to_the_writer() -> None:
    purchase = factories.buy_coins(READER, "Ultimate Pack")
    factories.put_content("chapter-4", price=33)
    give(500)
    content.buy(user_id=FRIEND, content_id="chapter-4", now=NOW, actor=f"user:{FRIEND}")

    found = trace.of_purchase(transaction_id=purchase.pk)

    assert found is not None
    assert [lot.user_id for lot in found.lots] == [READER, FRIEND]
    assert found.totals.sum_micros == 39_990_000
    assert found.totals.writers_micros == -books.balance(chart.writer(WRITER)) > 0


def test_both_sides_see_it_with_the_other_side(reader: str) -> None:
    gift = give(50).gift

    for user_id, coins, other in ((READER, -50, FRIEND), (FRIEND, 50, READER)):
        caller = api(user=user_id)
        (row,) = caller.get(f"{PAYMENTS}/users/{user_id}/transactions?type=transfer").json()[
            "results"
        ]
        assert (row["type"], row["coins"], row["counterparty_id"]) == ("transfer", coins, other)
        one = caller.get(f"{PAYMENTS}/transactions/{gift.transaction_id}")
        assert one.json() == row
    assert (
        api(user="reader-3").get(f"{PAYMENTS}/transactions/{gift.transaction_id}").status_code
        == 404
    )
    service = api(service="x", scopes=["transactions:read"])
    assert service.get(f"{PAYMENTS}/transactions/{gift.transaction_id}").json()["coins"] == -50


def test_other_services_hear_of_both_wallets(reader: str) -> None:
    OutboxEvent.objects.all().delete()

    give(50)

    told = OutboxEvent.objects.order_by("id").values_list("subject", "payload__coins")
    assert list(told) == [(READER, 6_550), (FRIEND, 50)]


def test_a_repeat_with_the_same_key_gives_once(reader: str) -> None:
    path = f"/api/v1/access/users/{READER}/coin-gifts"
    body = {"recipient_id": FRIEND, "coins": 50}

    answers = [api(user=READER).keyed(path, body, key="one") for _ in range(2)]

    assert answers[0].content == answers[1].content
    assert CoinGift.objects.count() == 1
    assert api(user=READER).post(path, body).json()["code"] == "idempotency_key_missing"


def test_refuses_promotional_coins(poor_reader: str) -> None:
    books.give(500)
    before = books.fingerprint()

    response = ask({"recipient_id": FRIEND, "coins": 101})

    assert response.status_code == 409
    assert response.json()["code"] == "insufficient_coins"
    assert response.json()["available_coins"] == 100
    assert books.fingerprint() == before


def test_refuses_a_gift_to_oneself(reader: str) -> None:
    before = books.fingerprint()

    response = ask({"recipient_id": READER, "coins": 10})

    assert (response.status_code, response.json()["code"]) == (422, "self_gift")
    assert books.fingerprint() == before


def test_refuses_more_than_the_daily_limit(reader: str) -> None:
    policies.change(
        name=Policy.Name.GIFT_DAILY_COINS,
        value=100,
        valid_from=NOW,
        actor="staff:1",
        reason="x",
        now=NOW,
    )
    give(60)
    before = books.fingerprint()

    with pytest.raises(gifts.GiftLimitReached) as refusal:
        give(41, recipient="reader-3")

    assert refusal.value.members == {"limit_coins": 100, "sent_coins": 60}
    assert books.fingerprint() == before
    give(40)


@pytest.mark.parametrize("coins", [0, -5, "5", 1.5, 1_000_001])
def test_refuses_numbers_that_are_no_gift(reader: str, coins: object) -> None:
    before = books.fingerprint()

    response = ask({"recipient_id": FRIEND, "coins": coins})

    assert response.status_code == 400
    assert books.fingerprint() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_readers_who_give_to_each_other_queue_and_lose_nothing() -> None:
    for user_id in ("ann", "bob"):
        factories.buy_coins(user_id, "Ultimate Pack")
    crowd, rounds = Crowd(16), 20

    def send(number: int) -> None:
        sender, recipient = ("ann", "bob") if number % 2 else ("bob", "ann")
        for _ in range(rounds):
            give(7, sender=sender, recipient=recipient)

    with no_deadlocks():
        crowd.run(send)

    assert (wallet_of("ann").coins, wallet_of("bob").coins) == (6_600, 6_600)
    assert wallet_of("ann").lifetime_received == 8 * rounds * 7
    assert -books.balance(chart.coins_deferred()) == 2 * 39_990_000
    assert Transaction.objects.filter(kind="COIN_TRANSFER").count() == 16 * rounds
    assert_books_add_up()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_wallets_that_many_gifts_open_at_once_are_opened_once() -> None:
    for number in range(8):
        books.give(100, user_id=f"giver-{number}", value=990_000, is_purchased=True)
    crowd = Crowd(8)

    def send(number: int) -> int:
        sent = 0
        for at in range(12):
            crowd.gather()
            try:
                give(10, sender=f"giver-{number}", recipient=f"new-{at}")
            except wallets.InsufficientCoins:
                continue
            sent += 1
        return sent

    with no_deadlocks():
        assert crowd.run(send) == [10] * 8

    assert CoinBalance.objects.filter(user_id__startswith="new-").count() == 10
    assert set(
        CoinBalance.objects.filter(user_id__startswith="new-").values_list("coins", flat=True)
    ) == {80}
    assert_books_add_up()
