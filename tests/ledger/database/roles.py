"""Connections of the application's role and of the owner of the tables, and what they are refused.

Raw SQL: the application has no right to change the books, and the owner, who has it, is stopped by
the triggers and constraints.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from tests.ledger.database.rows import SEED

type Books = psycopg.Connection[tuple[Any, ...]]
type Refusal = type[psycopg.Error]

APP, OWNER = "default", "owner"

WRITTEN_ONCE = [
    "access_coingift",
    "access_contentrefund",
    "access_tip",
    "payments_adjustment",
    "payments_auditentry",
    "payments_bankstatement",
    "payments_entry",
    "payments_lotuse",
    "payments_promogrant",
    "payments_purchasetaxline",
    "payments_taxregistration",
    "payments_taxrule",
    "payments_transaction",
    "revenue_earning",
]

SEALS_AND_DECISIONS = [
    "payments_approvaldecision",
    "payments_auditseal",
    "payments_differencenote",
    "payments_seal",
]
"""Written once as well; their own tests fill them."""

TABLES = (*WRITTEN_ONCE, "payments_account", "payments_coinlot", "payments_coinbalance")


def connected(alias: str) -> Iterator[Books]:
    """A connection in a transaction with the rows of the seed, of which nothing is kept."""
    parameters = connections[alias].get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    given = {name: parameters[name] for name in names if name in parameters}
    with psycopg.connect(**given) as connection:
        connection.execute(SEED)
        yield connection
        connection.rollback()


def is_owner(books: Books) -> bool:
    """Whether the role owns the tables."""
    return bool(books.info.user == connections[OWNER].settings_dict["USER"])


def assert_refused(
    books: Books, statement: str, *refusals: Refusal, match: str | None = None
) -> None:
    """The statement is refused, at once or at commit, and not a row is another one after it."""
    before = rows_of(books)
    with pytest.raises(refusals, match=match), books.transaction():
        # The commit would make all constraints immediate.
        books.execute(f"{statement}; SET CONSTRAINTS ALL IMMEDIATE")
    assert rows_of(books) == before


def rows_of(books: Books) -> list[tuple[Any, ...]]:
    """Every table with its number of rows and a digest of them."""
    parts = [
        f"SELECT '{table}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"
        for table in TABLES
    ]
    return sorted(books.execute(" UNION ALL ".join(parts)).fetchall())
