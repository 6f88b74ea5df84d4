"""Transactions: one for a key, and one reversal of each"""

import pytest
from psycopg import errors

from tests.ledger.database.roles import Books, Refusal, assert_refused, rows_of
from tests.ledger.database.rows import COIN_IN, COIN_OUT, HEADER, T1, T2, entries, header

POST = f"""
SELECT payments_post('{T2}', 'TIP', 'tip', '2', 'tip:1', '', now(), NULL, NULL, NULL, 'x', '',
    '{{}}', '[{{"code": "writer", "unit": "USD", "amount": 5}}, {{"code": "fx", "amount": -5}}]')
"""


def test_posting_under_a_used_key_says_so_and_does_nothing(books: Books) -> None:
    before = rows_of(books)

    assert books.execute(POST).fetchone() == (False,)

    assert rows_of(books) == before


FIRST_REVERSAL = header(reverses=f"'{T1}'") + entries(COIN_IN, COIN_OUT)

BAD_ROWS: dict[str, tuple[str, Refusal]] = {
    "a key that is used": (
        header(key="tip:1") + entries(COIN_IN, COIN_OUT), errors.UniqueViolation,
    ),
    "a second reversal": (
        FIRST_REVERSAL
        + HEADER.format(id=T2[:-1] + "3", key="tip:3", lines=2, reverses=f"'{T1}'"),
        errors.UniqueViolation,
    ),
    "a reversal of nothing": (
        header(reverses=f"'{T2[:-1]}9'") + entries(COIN_IN, COIN_OUT),
        errors.ForeignKeyViolation,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_refuses(books: Books, fault: str) -> None:
    statement, refusal = BAD_ROWS[fault]

    assert_refused(books, statement, refusal)
