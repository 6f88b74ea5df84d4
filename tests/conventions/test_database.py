"""What the database itself refuses, whatever the code says."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from legato_payments.lib.append_only import AppendOnly
from legato_payments.local.paths import APP_ROLE, READ_ROLE

pytestmark = pytest.mark.django_db

DELETE, UPDATE, TRUNCATE = 8, 16, 32
"""Bits of ``pg_trigger.tgtype``: https://www.postgresql.org/docs/18/catalog-pg-trigger.html."""


def append_only_tables(model: type[AppendOnly] = AppendOnly) -> Iterator[str]:
    """The table of every append-only model."""
    for kind in model.__subclasses__():
        if not kind._meta.abstract:
            yield kind._meta.db_table
        yield from append_only_tables(kind)


TABLES = sorted(set(append_only_tables()))


def ask(query: str, *parameters: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def test_the_books_are_append_only() -> None:
    assert {"payments_transaction", "payments_entry", "payments_auditentry"} <= set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_triggers_refuse_every_change_always(table: str) -> None:
    rows = ask(
        """
        SELECT t.tgtype::int FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = %s::regclass AND NOT t.tgisinternal AND t.tgenabled = 'A'
          AND p.proname = 'legato_refuse_change' AND t.tgqual IS NULL AND t.tgattr = ''
        """,
        table,
    )

    covered = {bit for (kind,) in rows for bit in (DELETE, UPDATE, TRUNCATE) if kind & bit}
    assert covered == {DELETE, UPDATE, TRUNCATE}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"])
def test_the_application_has_no_right_to_change_them(table: str, right: str) -> None:
    assert ask("SELECT has_table_privilege(%s, %s, %s)", APP_ROLE, table, right) == [(False,)]


@pytest.mark.parametrize("table", TABLES)
def test_the_application_may_update_no_single_column(table: str) -> None:
    query = "SELECT has_any_column_privilege(%s, %s, 'UPDATE')"

    assert ask(query, APP_ROLE, table) == [(False,)]


def test_the_application_is_nobody_special() -> None:
    (facts,) = ask(
        """
        SELECT current_user, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,
               has_schema_privilege(current_user, 'public', 'CREATE')
        FROM pg_roles WHERE rolname = current_user
        """
    )
    owned = ask("SELECT tablename FROM pg_tables WHERE tableowner IN (%s, %s)", APP_ROLE, READ_ROLE)

    assert facts == (APP_ROLE, False, False, False, False, False, False)
    assert owned == []


def test_reports_only_read() -> None:
    writable = ask(
        """
        SELECT relname, right_ FROM pg_class,
               unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS right_
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
          AND has_table_privilege(%s, pg_class.oid, right_)
        """,
        READ_ROLE,
    )

    assert writable == []


def test_migrations_are_complete() -> None:
    out = io.StringIO()

    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=out)
    except SystemExit:
        pytest.fail(out.getvalue())
