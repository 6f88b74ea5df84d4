"""payments.ledger.reverse: the mirror of a transaction, once, with every coin back"""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import Sum
from django.db.transaction import atomic

from access.services import content, tips
from legato_payments.lib.ids import uuid7
from payments import ledger
from payments.enums import LotOrigin
from payments.ledger import chart, reversals, templates
from payments.models import CoinBalance, CoinLot, LotUse, Transaction
from revenue.services import earnings
from tests import factories
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=2)


def buy_chapter(price: int) -> UUID:
    """The transaction of a chapter bought by the reader."""
    factories.put_content("chapter-4", price=price)
    bought = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    transaction_id = bought.entitlement.transaction_id
    assert transaction_id is not None
    return transaction_id


@atomic
def take_back(transaction_id: UUID) -> UUID:
    """Reverse a sale and its earnings, as a refund does."""
    reversal = ledger.reverse(
        transaction_id=transaction_id, actor="staff:7", reason="wrong chapter", now=LATER
    )
    earnings.reverse(transaction_id=transaction_id, reversal_id=reversal, occurred_at=LATER)
    return reversal


def test_mirrors_every_line_and_gives_each_lot_its_coins_back() -> None:
    promo = books.give(5, expires_at=NOW + timedelta(days=60))
    bought = books.give(6_600, value=39_990_000, is_purchased=True)
    transaction_id = buy_chapter(2_415)

    reversal = take_back(transaction_id)

    mirrored = [(*account, -amount) for *account, amount in books.lines_of(transaction_id)]
    assert books.lines_of(reversal) == mirrored
    row = Transaction.objects.get(pk=reversal)
    assert (row.kind, row.reverses_id, row.relates_to) == (
        "REVERSAL",
        transaction_id,
        transaction_id,
    )
    assert (row.memo, row.actor, row.occurred_at) == ("wrong chapter", "staff:7", LATER)
    assert books.balance(chart.writer(WRITER)) == books.balance(chart.platform("content")) == 0

    children = CoinLot.objects.filter(transaction=reversal).order_by("id")
    assert [(lot.parent_id, lot.coins, lot.value_micros) for lot in children] == [
        (promo.pk, 5, 0),
        (bought.pk, 2_410, 60_590 + 14_541_819),
    ]
    assert [(lot.is_purchased, lot.priority) for lot in children] == [(False, 10), (True, 50)]
    assert [lot.expires_at for lot in children] == [promo.expires_at, None]
    assert {lot.origin for lot in children} == {LotOrigin.RESTORED}
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.purchased, wallet.promo) == (6_605, 6_600, 5)
    assert (wallet.lifetime_spent, wallet.lifetime_refunded) == (2_415, 2_415)
    books.assert_sound()


def test_keeps_the_purchase_of_the_coins() -> None:
    purchase = factories.buy_coins()
    reversal = take_back(buy_chapter(10))

    assert CoinLot.objects.get(transaction=reversal).purchase == purchase


def test_positions_are_never_used_a_second_time() -> None:
    source = books.give(100, value=990_000, is_purchased=True)
    first = buy_chapter(60)

    take_back(first)
    factories.put_content("chapter-5", price=100)
    content.buy(user_id=READER, content_id="chapter-5", now=LATER, actor="user:reader-1")

    uses = LotUse.objects.order_by("id").values_list("lot", "from_coin", "to_coin", "value_micros")
    child = CoinLot.objects.get(parent=source)
    assert list(uses) == [
        (source.pk, 0, 60, 594_000),
        (source.pk, 60, 100, 396_000),
        (child.pk, 0, 60, 594_000),
    ]
    books.assert_sound()


def test_a_restored_lot_can_be_restored_again() -> None:
    books.give(7, value=1_000_003, is_purchased=True)
    factories.put_content("chapter-5", price=5)

    take_back(buy_chapter(3))
    again = content.buy(user_id=READER, content_id="chapter-5", now=LATER, actor="user:reader-1")
    assert again.entitlement.transaction_id is not None
    take_back(again.entitlement.transaction_id)

    assert CoinBalance.objects.get(user_id=READER).coins == 7
    assert -books.balance(chart.coins_deferred()) == 1_000_003
    books.assert_sound()


@pytest.mark.parametrize(
    ("left", "restored"),
    [
        (timedelta(days=60), timedelta(days=60)),
        (timedelta(days=9), timedelta(days=9)),
        (timedelta(days=8), timedelta(days=9)),
        (timedelta(days=1), timedelta(days=9)),
    ],
)
def test_promotional_coins_come_back_for_seven_days_at_least(
    left: timedelta, restored: timedelta
) -> None:
    books.give(20, expires_at=NOW + left)

    reversal = take_back(buy_chapter(20))  # two days later

    assert CoinLot.objects.get(transaction=reversal).expires_at == NOW + restored


def test_coins_of_a_frozen_lot_come_back_as_held() -> None:
    lot = books.give(100, value=990_000, is_purchased=True)
    transaction_id = buy_chapter(40)
    lot.refresh_from_db()
    books.freeze(lot)

    take_back(transaction_id)

    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.held) == (0, 100)
    books.assert_sound()


def test_a_tip_is_taken_back_from_its_writer() -> None:
    books.give(100, value=990_000, is_purchased=True)
    factories.put_content()
    sent = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=30, now=NOW, actor="user:reader-1"
    )

    take_back(sent.tip.transaction_id)

    assert books.balance(chart.writer(WRITER)) == books.balance(chart.platform("tips")) == 0
    assert CoinBalance.objects.get(user_id=READER).purchased == 100
    books.assert_sound()


def test_a_gateway_fee_is_taken_back_without_any_coins() -> None:
    draft = templates.gateway_fee(provider="STRIPE", currency="CAD", fee=360_000)
    fee = ledger.post(draft, books.header("fee"))

    ledger.reverse(transaction_id=fee, actor="system:x", reason="", now=LATER)

    assert books.balance(chart.gateway_fees("CAD")) == 0
    assert not CoinLot.objects.exists()


def test_refuses_the_second_time() -> None:
    books.give(100, value=990_000, is_purchased=True)
    transaction_id = buy_chapter(40)
    take_back(transaction_id)
    before = books.fingerprint()

    with pytest.raises(reversals.AlreadyReversed):
        take_back(transaction_id)

    assert books.fingerprint() == before


def test_refuses_a_purchase_a_reversal_and_what_does_not_exist() -> None:
    lot = books.give(100, value=990_000, is_purchased=True)
    reversal = take_back(buy_chapter(40))
    before = books.fingerprint()

    for transaction_id in (lot.transaction_id, reversal):
        with pytest.raises(reversals.NotReversible):
            take_back(transaction_id)
    with pytest.raises(reversals.TransactionUnknown):
        take_back(uuid7())

    assert books.fingerprint() == before
    assert Transaction.objects.aggregate(n=Sum("line_count"))["n"] > 0
