"""The invariants that the other proofs rely on: each notices the fault it is there for"""

from datetime import timedelta

import pytest
from django.db import connection

from access.services import content
from tests import factories
from tests.factories import NOW, READER
from tests.ledger import books

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("UPDATE payments_coinlot SET value_micros = value_micros + 660", "coins deferred"),
        ("UPDATE payments_coinbalance SET coins = coins + 1, promo = promo + 1", "coins issued"),
        (
            "UPDATE payments_coinbalance SET coins = coins + 1, promo = promo + 1",
            "its account says",
        ),
        (
            "UPDATE payments_coinbalance SET purchased = purchased - 1, promo = promo + 1",
            "what its lots hold",
        ),
        ("UPDATE payments_coinlot SET next_coin = 50 WHERE is_purchased", "without gaps"),
        ("UPDATE payments_coinlot SET frozen_by = 'dispute:1'", "what its lots hold"),
        (
            "INSERT INTO payments_lotuse (lot_id, transaction_id, kind, from_coin, to_coin, "
            "value_micros) SELECT lot_id, transaction_id, kind, 90, 91, 0 FROM payments_lotuse",
            "without gaps",
        ),
        (
            "INSERT INTO revenue_earning (transaction_id, writer_id, stream, content_id, "
            "amount_micros, coins, promo_coins, rule_id, rate_bps, share_bps, reader_country, "
            "occurred_at, matures_at) SELECT transaction_id, writer_id, 'TIP', '', 1, 0, 0, "
            "rule_id, 0, 0, '', occurred_at, matures_at FROM revenue_earning",
            "what they earned",
        ),
    ],
)
def test_a_planted_fault_is_noticed(fault: str, noticed: str) -> None:
    books.give(5, expires_at=NOW + timedelta(days=3))
    factories.buy_coins(READER, "Ultimate Pack")
    factories.put_content()
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    books.assert_sound()

    with connection.cursor() as cursor:
        cursor.execute(fault)

    with pytest.raises(AssertionError, match=noticed):
        books.assert_sound()
