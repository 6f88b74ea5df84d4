"""Lots and the coins used of them: each coin once, in its lot"""

import pytest
from psycopg import errors

from tests.ledger.database.roles import Books, Refusal, assert_refused
from tests.ledger.database.rows import T1, lot, use

BAD_ROWS: dict[str, tuple[str, Refusal]] = {
    "coins used twice": (use(0, 10), errors.ExclusionViolation),
    "coins used twice in part": (use(9, 20), errors.ExclusionViolation),
    "coins used twice from within": (use(3, 4), errors.ExclusionViolation),
    "two uses that overlap in one statement": (
        use(10, 30).rstrip(";") + f", (901, '{T1}', 'TIP', 29, 40, 0)",
        errors.ExclusionViolation,
    ),
    "a use of no coins": (use(10, 10), errors.CheckViolation),
    "a use that goes backwards": (use(20, 10), errors.CheckViolation),
    "a use before the first coin": (use(-1, 0), errors.CheckViolation),
    "a use of a negative value": (use(10, 20, value=-1), errors.CheckViolation),
    "a use that reaches into the next lot": (use(10, 2**32 + 5), errors.CheckViolation),
    "a use of no lot": (use(10, 20, lot_id=999), errors.ForeignKeyViolation),
    "purchased coins that expire": (lot(expires_at="now()"), errors.CheckViolation),
    "purchased coins that get an expiry": (
        "UPDATE payments_coinlot SET expires_at = now()",
        errors.CheckViolation,
    ),
    "a lot used beyond its end": (
        "UPDATE payments_coinlot SET next_coin = 101", errors.CheckViolation,
    ),
    "a lot used before its start": (
        "UPDATE payments_coinlot SET next_coin = -1", errors.CheckViolation,
    ),
    "a lot of no coins": (lot(coins=0), errors.CheckViolation),
    "a lot of too many coins": (lot(coins=2**32), errors.CheckViolation),
    "a lot of a negative value": (lot(value_micros=-1), errors.CheckViolation),
    "a lot of no wallet": (lot(wallet_id=999), errors.ForeignKeyViolation),
    "a lot that is removed": ("DELETE FROM payments_coinlot", errors.ForeignKeyViolation),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_refuses(books: Books, fault: str) -> None:
    statement, refusal = BAD_ROWS[fault]
    refusals = [refusal]
    if fault == "a use that goes backwards":
        refusals.append(errors.DataException)  # the range type itself may say it first

    assert_refused(books, statement, *refusals)
