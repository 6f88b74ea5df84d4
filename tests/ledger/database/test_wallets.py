"""Wallets and accounts: never below zero, adding up, one of a name"""

import pytest
from psycopg import errors

from tests.ledger.database.roles import Books, Refusal, assert_refused

BAD_ROWS: dict[str, tuple[str, Refusal]] = {
    **{
        f"a wallet with a negative number of {kind} coins": (
            f"UPDATE payments_coinbalance SET {kind} = -1", errors.CheckViolation
        )
        for kind in ("purchased", "promo", "held")
    },
    "a wallet that goes below zero as a whole": (
        "UPDATE payments_coinbalance SET coins = -10, purchased = -10",
        errors.CheckViolation,
    ),
    "a wallet that does not add up": (
        "UPDATE payments_coinbalance SET coins = coins + 1",
        errors.CheckViolation,
    ),
    "a second account of the same name": (
        """INSERT INTO payments_account (code, owner_type, owner_id, unit, type, normal_side, mode)
           VALUES ('wallet', 'USER', 'reader', 'COIN', 'LIABILITY', -1, 'GUARDED')""",
        errors.UniqueViolation,
    ),
    "an account with neither side": (
        """INSERT INTO payments_account (code, owner_type, owner_id, unit, type, normal_side, mode)
           VALUES ('bank', 'PLATFORM', '', 'USD', 'ASSET', 0, 'DERIVED')""",
        errors.CheckViolation,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_refuses(books: Books, fault: str) -> None:
    statement, refusal = BAD_ROWS[fault]

    assert_refused(books, statement, refusal)
