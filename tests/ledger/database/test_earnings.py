"""Earnings: once a sale and writer, negative only to take one back"""

import pytest
from psycopg import errors

from tests.ledger.database.roles import Books, Refusal, assert_refused

BAD_ROWS: dict[str, tuple[str, Refusal]] = {
    "an earning below zero that reverses nothing": (
        """INSERT INTO revenue_earning (
               transaction_id, writer_id, stream, content_id, amount_micros, coins, promo_coins,
               rule_id, rate_bps, share_bps, reader_country, occurred_at, matures_at)
           SELECT transaction_id, writer_id, 'CONTENT', '', -1, 0, 0, rule_id, 0, 0, '',
                  now(), now()
           FROM revenue_earning""",
        errors.CheckViolation,
    ),
    "an earning twice": (
        """INSERT INTO revenue_earning (
               transaction_id, writer_id, stream, content_id, amount_micros, coins, promo_coins,
               rule_id, rate_bps, share_bps, reader_country, occurred_at, matures_at)
           SELECT transaction_id, writer_id, stream, '', 1, 0, 0, rule_id, 0, 0, '', now(), now()
           FROM revenue_earning""",
        errors.UniqueViolation,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_refuses(books: Books, fault: str) -> None:
    statement, refusal = BAD_ROWS[fault]

    assert_refused(books, statement, refusal)
