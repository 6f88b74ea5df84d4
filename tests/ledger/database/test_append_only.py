"""Rows that are written once: nobody changes them, and nobody puts that rule out of force"""

import pytest
from django.apps import apps
from psycopg import errors

from legato_payments.lib.append_only import AppendOnly
from payments.ledger.roles import append_only_tables
from tests.ledger.database.roles import (
    SEALS_AND_DECISIONS,
    WRITTEN_ONCE,
    Books,
    assert_refused,
    is_owner,
)


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
