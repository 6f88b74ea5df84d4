"""The worked example of the ledger: one Ultimate Pack, a chapter, a series, a tip, to the micro"""

import pytest
from django.db.models import F, Sum

from access.services import content, tips
from payments.ledger import balances, chart
from payments.models import CoinBalance, CoinLot, Entry
from revenue.models import Earning
from tests import factories
from tests.factories import NOW, READER, WRITER


def balance(account: chart.AccountRef) -> int:
    """The sum of an account's entries: debits positive."""
    entries = Entry.objects.filter(
        account__code=account.code, account__owner_id=account.owner_id, unit=account.unit
    )
    return int(entries.aggregate(total=Sum("amount", default=0))["total"])


@pytest.mark.django_db
def test_an_ultimate_pack_is_followed_to_the_micro() -> None:
    factories.buy_coins(name="Ultimate Pack")
    factories.put_content("chapter-4", price=10)
    factories.put_content("whole-series", price=2_400)

    chapter = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    series = content.buy(user_id=READER, content_id="whole-series", now=NOW, actor="user:reader-1")
    tip = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=500, now=NOW, actor="user:reader-1"
    )

    assert chapter.burned is not None
    assert series.burned is not None
    released = [b.value_micros for b in (chapter.burned, series.burned, tip.burned)]
    assert released == [60_590, 14_541_819, 3_029_545]
    lot = CoinLot.objects.get()
    assert lot.coins - lot.next_coin == 3_690
    left = balances.released_value(
        value_micros=lot.value_micros, coins=lot.coins, from_coin=lot.next_coin, to_coin=lot.coins
    )
    assert left == 22_358_046

    # The books say the same: what is owed in coins is what the unused coins are worth.
    assert -balance(chart.coins_deferred()) == 22_358_046
    assert -balance(chart.wallet(READER)) == balance(chart.coins_issued()) == 3_690
    content_part = 60_590 * 65 // 100 + 14_541_819 * 65 // 100
    tip_part = 3_029_545 * 70 // 100
    assert -balance(chart.writer(WRITER)) == content_part + tip_part
    earned = Earning.objects.filter(writer_id=WRITER).aggregate(sum=Sum("amount_micros"))["sum"]
    assert earned == content_part + tip_part
    assert balance(chart.gateway("SANDBOX", "USD")) == 39_990_000 - 1_460_000
    assert balance(chart.gateway_fees("USD")) == 1_460_000
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.lifetime_spent, wallet.lifetime_tipped) == (3_690, 2_410, 500)
    assert (wallet.lifetime_purchased, wallet.lifetime_bonus) == (5_500, 1_100)
    assert not Entry.objects.values("unit").annotate(net=Sum("amount")).exclude(net=0).exists()
    assert CoinLot.objects.aggregate(left=Sum(F("coins") - F("next_coin")))["left"] == 3_690
