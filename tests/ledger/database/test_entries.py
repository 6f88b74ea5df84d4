"""Entries: balanced, whole, numbered, on accounts of their unit, or refused"""

import pytest
from psycopg import errors

from tests.ledger.database.roles import Books, assert_refused
from tests.ledger.database.rows import COIN_IN, COIN_OUT, T1, T2, entries, header


def test_what_is_in_order_is_taken(books: Books) -> None:
    books.execute(header() + entries(COIN_IN, COIN_OUT))
    books.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert books.execute("SELECT count(*) FROM payments_entry").fetchone() == (6,)


BAD_ENTRIES = {
    "unbalanced": header() + entries(COIN_IN, (2, 902, "COIN", -4)),
    "balanced only across units": header() + entries(COIN_IN, (2, 903, "USD", -5)),
    "balanced only across transactions": header()
    + f"""INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) VALUES
          ('{T2}', 1, 901, 'COIN', 5), ('{T1}', 5, 902, 'COIN', -5);""",
    "in two statements": header() + entries(COIN_IN) + entries(COIN_OUT),
    "in two balanced statements": header(4)
    + entries(COIN_IN, COIN_OUT)
    + entries((3, 901, "COIN", 5), (4, 902, "COIN", -5)),
    "added later": f"""
        INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) VALUES
        ('{T1}', 5, 901, 'COIN', 5), ('{T1}', 6, 902, 'COIN', -5);""",
    "without lines": header(),
    "with fewer lines than announced": header(3) + entries(COIN_IN, COIN_OUT),
    "with more lines than announced": header(2)
    + entries(COIN_IN, COIN_OUT, (3, 903, "USD", 7), (4, 904, "USD", -7)),
    "with a gap": header() + entries(COIN_IN, (3, 902, "COIN", -5)),
    "numbered from zero": header() + entries((0, 901, "COIN", 5), (1, 902, "COIN", -5)),
    "with a line twice": header() + entries(COIN_IN, (1, 902, "COIN", -5)),
    "of one line": header(1) + entries((1, 901, "COIN", 0)),
    "of zero": header(4)
    + entries(COIN_IN, COIN_OUT, (3, 903, "USD", 0), (4, 904, "USD", 0)),
    "on an account of another unit": header() + entries(COIN_IN, (2, 903, "COIN", -5)),
    "on an unknown account": header() + entries(COIN_IN, (2, 999, "COIN", -5)),
    "on no account": header() + entries(COIN_IN).replace(", 901,", ", NULL,"),
    "larger than a bigint": header() + entries((1, 901, "COIN", 2**63), (2, 902, "COIN", -(2**63))),
    "without a header": entries(COIN_IN, COIN_OUT),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ENTRIES)
def test_refuses_entries(books: Books, fault: str) -> None:
    refusals = (
        errors.CheckViolation,
        errors.UniqueViolation,
        errors.NotNullViolation,
        errors.ForeignKeyViolation,
        errors.NumericValueOutOfRange,
    )

    assert_refused(books, BAD_ENTRIES[fault], *refusals)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([COIN_IN, COIN_OUT], [(3, 903, "USD", 7), (4, 904, "USD", -7)]),
        ([(5, 901, "COIN", 5), (9, 902, "COIN", -5)], []),
    ],
    ids=["in two statements", "with gaps"],
)
def test_refuses_lines_that_come_before_their_header(
    books: Books, first: list[tuple[int, int, str, int]], second: list[tuple[int, int, str, int]]
) -> None:
    lines = entries(*first) + (entries(*second) if second else "")

    assert_refused(books, lines + header(len(first) + len(second)), errors.CheckViolation)


def test_ten_thousand_lines_are_checked_in_one_go(app_books: Books) -> None:
    app_books.execute(header(10_000))
    app_books.execute(
        f"""INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount)
            SELECT '{T2}', n, 903 + n % 2, 'USD', CASE n % 2 WHEN 0 THEN 7 ELSE -7 END
            FROM generate_series(1, 10000) n"""
    )
    app_books.execute("SET CONSTRAINTS ALL IMMEDIATE")

    counted = app_books.execute(
        f"SELECT count(*), sum(amount) FROM payments_entry WHERE transaction_id = '{T2}'"
    )
    assert counted.fetchone() == (10_000, 0)
