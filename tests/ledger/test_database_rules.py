"""What the database itself refuses (ledger.md, section 3), whoever asks.

Raw SQL as the application's role and as the owner of the tables: the application has no right to
change the books, and the owner, who has it, is stopped by the triggers and constraints.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from psycopg import errors, sql

from legato_payments.lib.append_only import AppendOnly
from legato_payments.local.paths import READ_ROLE
from payments.ledger.roles import HIDDEN_FROM_REPORTS, append_only_tables
from tests import databases

type Books = psycopg.Connection[tuple[Any, ...]]
type Refusal = type[psycopg.Error]

APP, OWNER = "default", "owner"

WRITTEN_ONCE = [
    "payments_auditentry",
    "payments_entry",
    "payments_lotuse",
    "payments_transaction",
    "revenue_earning",
]

T1 = "01930000-0000-7000-8000-0000000000a1"
T2 = "01930000-0000-7000-8000-0000000000a2"

# One sale of a chapter, everything that hangs on it, and the accounts.
SEED = f"""
INSERT INTO payments_account (id, code, owner_type, owner_id, unit, type, normal_side, mode) VALUES
    (901, 'wallet', 'USER', 'reader', 'COIN', 'LIABILITY', -1, 'GUARDED'),
    (902, 'coins_issued', 'PLATFORM', '', 'COIN', 'POSITION', 1, 'DERIVED'),
    (903, 'coins_deferred', 'PLATFORM', '', 'USD', 'LIABILITY', -1, 'DERIVED'),
    (904, 'writer', 'WRITER', 'writer', 'USD', 'LIABILITY', -1, 'DERIVED');
INSERT INTO payments_coinbalance (
    id, user_id, account_id, coins, purchased, promo, held, lifetime_purchased, lifetime_bonus,
    lifetime_spent, lifetime_tipped, lifetime_received, lifetime_refunded, lifetime_expired)
VALUES (901, 'reader', 901, 90, 90, 0, 0, 100, 0, 10, 0, 0, 0, 0);
INSERT INTO payments_transaction (
    id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
    line_count, actor, memo, metadata)
VALUES ('{T1}', 'TIP', 'tip', '1', 'tip:1', '', now(), now(), 4, 'system:x', '', '{{}}');
INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) VALUES
    ('{T1}', 1, 901, 'COIN', 10), ('{T1}', 2, 902, 'COIN', -10),
    ('{T1}', 3, 903, 'USD', 600), ('{T1}', 4, 904, 'USD', -600);
INSERT INTO payments_coinlot (
    id, wallet_id, origin, is_purchased, coins, next_coin, value_micros, paid_micros, paid_unit,
    transaction_id, priority, frozen_by, created_at)
VALUES (901, 901, 'PURCHASE', true, 100, 10, 6000, 6000, 'USD', '{T1}', 50, '', now());
INSERT INTO payments_lotuse (id, lot_id, transaction_id, kind, from_coin, to_coin, value_micros)
VALUES (901, 901, '{T1}', 'TIP', 0, 10, 600);
INSERT INTO payments_auditentry (
    id, occurred_at, actor, action, object_type, object_id, reason, request_id)
VALUES ('{T1}', now(), 'staff:7', 'payments.package.changed', 'package', '1', '', '');
INSERT INTO revenue_writer (writer_id, first_seen_at, level, country)
VALUES ('writer', now(), 'STANDARD', '');
INSERT INTO revenue_earning (
    id, transaction_id, writer_id, stream, content_id, amount_micros, coins, promo_coins, rule_id,
    rate_bps, share_bps, reader_country, occurred_at, matures_at)
VALUES (901, '{T1}', 'writer', 'TIP', '', 600, 10, 0, 1, 7000, 10000, '', now(), now());
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""

HEADER = """
INSERT INTO payments_transaction (
    id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
    line_count, reverses_id, actor, memo, metadata)
VALUES ('{id}', 'TIP', 'tip', '2', '{key}', '', now(), now(), {lines}, {reverses}, 'x', '', '{{}}');
"""

SEALS_AND_DECISIONS = ["payments_approvaldecision", "payments_auditseal", "payments_seal"]
"""Written once as well; their own tests fill them."""

TABLES = (*WRITTEN_ONCE, "payments_account", "payments_coinlot", "payments_coinbalance")


def header(lines: int = 2, *, key: str = "tip:2", reverses: str = "NULL") -> str:
    """The header of a second transaction."""
    return HEADER.format(id=T2, key=key, lines=lines, reverses=reverses)


def entries(*lines: tuple[int, int, str, int]) -> str:
    """Entries of the second transaction: line, account, unit, amount."""
    rows = ", ".join(f"('{T2}', {n}, {account}, '{u}', {m})" for n, account, u, m in lines)
    return (
        "INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) "
        f"VALUES {rows};"
    )


def lot(**changes: object) -> str:
    """A second lot like the first, but for the changes."""
    columns = {
        "id": 902, "wallet_id": 901, "origin": "'PURCHASE'", "is_purchased": True, "coins": 100,
        "next_coin": 0, "value_micros": 6000, "paid_micros": 0, "paid_unit": "''",
        "transaction_id": f"'{T1}'", "priority": 50, "frozen_by": "''", "created_at": "now()",
        "expires_at": "NULL", **changes,
    }  # fmt: skip
    names, values = ", ".join(columns), ", ".join(str(value) for value in columns.values())
    return f"INSERT INTO payments_coinlot ({names}) VALUES ({values});"


def use(start: int, end: int, *, lot_id: int = 901, value: int = 0) -> str:
    """Coins of a lot used once more."""
    return (
        "INSERT INTO payments_lotuse (lot_id, transaction_id, kind, from_coin, to_coin, "
        f"value_micros) VALUES ({lot_id}, '{T1}', 'TIP', {start}, {end}, {value});"
    )


@pytest.fixture(params=[APP, OWNER])
def books(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Books]:
    """A connection of one of the two roles, in a transaction with one sale that is never kept."""
    yield from _connect(request.param)


@pytest.fixture
def app_books(django_db_setup: None) -> Iterator[Books]:
    """As ``books``, of the application's role."""
    yield from _connect(APP)


def _connect(alias: str) -> Iterator[Books]:
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
    before = _rows(books)
    with pytest.raises(refusals, match=match), books.transaction():
        # The commit would make all constraints immediate.
        books.execute(f"{statement}; SET CONSTRAINTS ALL IMMEDIATE")
    assert _rows(books) == before


def _rows(books: Books) -> list[tuple[Any, ...]]:
    parts = [
        f"SELECT '{table}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"
        for table in TABLES
    ]
    return sorted(books.execute(" UNION ALL ".join(parts)).fetchall())


# 1. Rows that are written once.


@pytest.mark.parametrize("table", WRITTEN_ONCE)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET id = id",
        "UPDATE {table} SET id = id WHERE false OR id IS NOT NULL",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT (id) DO UPDATE SET id = excluded.id",
        "MERGE INTO {table} a USING {table} b ON a.id = b.id WHEN MATCHED THEN DELETE",
    ],
)
def test_a_row_written_once_is_never_changed_or_removed(
    books: Books, table: str, statement: str
) -> None:
    refusal = errors.CheckViolation if is_owner(books) else errors.InsufficientPrivilege

    assert_refused(books, statement.format(table=table), refusal, match=r"forbidden|permission")


def test_every_append_only_model_is_among_them() -> None:
    models = [model for model in apps.get_models() if issubclass(model, AppendOnly)]

    known = sorted([*WRITTEN_ONCE, *SEALS_AND_DECISIONS])
    assert sorted(model._meta.db_table for model in models) == known
    assert append_only_tables() == known


def test_the_triggers_stay_awake_in_replication_sessions_too(books: Books) -> None:
    query = """
        SELECT tgrelid::regclass::text, tgname::text, tgenabled = 'A' FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%s)
    """
    tables = [*WRITTEN_ONCE, *SEALS_AND_DECISIONS]
    found = books.execute(query, [tables]).fetchall()

    kinds = ("delete", "truncate", "update")
    needed = {f"{table}_no_{kind}" for table in tables for kind in kinds}
    needed |= {"payments_entry_balanced", "payments_transaction_has_lines"}
    needed |= {"payments_transaction_day", "payments_transaction_waits"}
    assert needed <= {name for _, name, _ in found}
    assert [name for _, name, is_always in found if not is_always] == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments_entry DISABLE TRIGGER ALL",
        "ALTER TABLE payments_entry DISABLE TRIGGER payments_entry_no_update",
        "DROP TRIGGER payments_entry_balanced ON payments_entry",
        "ALTER TABLE payments_entry DROP CONSTRAINT payments_entry_not_zero",
        "DROP TABLE payments_entry CASCADE",
        "DROP INDEX payments_entry_account",
        "DROP FUNCTION payments_post CASCADE",
        "DROP SCHEMA public CASCADE",
        "CREATE OR REPLACE FUNCTION legato_refuse_change() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN OLD; END $$",
        "CREATE TABLE payments_shadow (id int)",
        "CREATE TEMPORARY TABLE payments_account (id int)",
        "SET session_replication_role = replica",
        "SET ROLE legato_owner",
        "GRANT UPDATE ON payments_entry TO legato_app; UPDATE payments_entry SET amount = 1",
        "ALTER TABLE payments_entry OWNER TO legato_app",
        "ALTER ROLE legato_app SUPERUSER",
        "COPY payments_entry TO PROGRAM 'cat'",
        "COPY payments_entry FROM '/etc/passwd'",
    ],
)
def test_the_application_cannot_put_the_rules_out_of_force(
    app_books: Books, statement: str
) -> None:
    assert_refused(app_books, statement, errors.InsufficientPrivilege)


# 2. Entries: balanced, whole, numbered, on accounts of their unit.

COIN_IN, COIN_OUT = (1, 901, "COIN", 5), (2, 902, "COIN", -5)


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


# 3. Keys, reversals, coins, lots, wallets.

POST = f"""
SELECT payments_post('{T2}', 'TIP', 'tip', '2', 'tip:1', '', now(), NULL, NULL, NULL, 'x', '',
    '{{}}', '[{{"code": "writer", "unit": "USD", "amount": 5}}, {{"code": "fx", "amount": -5}}]')
"""


def test_posting_under_a_used_key_says_so_and_does_nothing(books: Books) -> None:
    before = _rows(books)

    assert books.execute(POST).fetchone() == (False,)

    assert _rows(books) == before


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
    refusals = [refusal]
    if fault == "a use that goes backwards":
        refusals.append(errors.DataException)  # the range type itself may say it first

    assert_refused(books, statement, *refusals)


# 4. The role of the reports.


@pytest.fixture
def reports(django_db_setup: None) -> Iterator[Books]:
    """A connection of the read role."""
    parameters = connections[APP].get_connection_params()
    names = ("host", "port")
    given = {name: parameters[name] for name in names if name in parameters}
    with psycopg.connect(
        **given, user=READ_ROLE, dbname=settings.TEST_DATABASE, autocommit=True
    ) as connection:
        yield connection


def test_reports_read_the_books_and_write_nothing(reports: Books) -> None:
    assert reports.execute("SELECT count(*) FROM payments_entry").fetchone() == (0,)

    for read_only in ("on", "off"):
        reports.execute(f"SET default_transaction_read_only = {read_only}")
        for statement in (
            "INSERT INTO payments_policy SELECT * FROM payments_policy",
            "UPDATE payments_coinbalance SET promo = 1000000",
            "DELETE FROM payments_policy",
            "TRUNCATE payments_policy",
            "SELECT * FROM payments_coinbalance FOR UPDATE",
            "CREATE TABLE payments_shadow (id int)",
        ):
            with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
                reports.execute(statement)


def test_reports_see_no_stored_answers_deliveries_or_people(reports: Books) -> None:
    hidden = {"payments_idempotencykey", "payments_webhookevent", "payments_customer"}
    assert hidden == HIDDEN_FROM_REPORTS
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    foreign = {
        table
        for (table,) in reports.execute(query).fetchall()
        if not table.startswith(("payments_", "revenue_", "access_"))
    }
    assert {"auth_user", "django_session"} <= foreign

    for table in sorted(hidden | foreign):
        with pytest.raises(errors.InsufficientPrivilege):
            reports.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(table)))


def test_the_roles_are_no_superusers_and_members_of_nothing(django_db_setup: None) -> None:
    with databases.connect(settings.TEST_DATABASE) as connection:
        flags = connection.execute(
            """SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,
                      rolreplication FROM pg_roles WHERE rolname LIKE 'legato\\_%' ORDER BY 1"""
        ).fetchall()
        members = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member::regrole::text LIKE 'legato\\_%'"
        ).fetchone()

    names = ["legato_app", "legato_owner", "legato_read"]
    assert flags == [(name, False, False, False, False, False) for name in names]
    assert members == (0,)
