"""What each database role may do: granted after every migration, so that no table is forgotten."""

from typing import Any

from django.apps import apps
from django.db import connections
from psycopg import sql

from legato_payments.lib.append_only import AppendOnly
from legato_payments.local.paths import APP_ROLE, READ_ROLE

READABLE_APPS = {"payments", "revenue", "access"}

HIDDEN_FROM_REPORTS = {
    "payments_idempotencykey",
    "payments_webhookevent",
    "payments_customer",
    "payments_gatewaycustomer",
    "payments_paymentmethod",
    "payments_bankstatement",
}
"""Stored answers, deliveries, files and personal data: reports have no business there."""


def append_only_tables() -> list[str]:
    """Every table whose rows are written once."""
    return sorted(
        model._meta.db_table  # noqa: SLF001
        for model in apps.get_models()
        if issubclass(model, AppendOnly)
    )


def grant(*, using: str, **_signal: Any) -> None:
    """Give the application and the reports role what they need, and nothing on the books' past.

    Does nothing for a role that does not exist or owns the tables: a single-role deployment.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND rolname <> current_user",
            [[APP_ROLE, READ_ROLE]],
        )
        roles = {row[0] for row in cursor.fetchall()}
        tables = connection.introspection.table_names(cursor)
        if APP_ROLE in roles:
            _grant_app(cursor, tables)
        if READ_ROLE in roles:
            _grant_read(cursor, tables)


def _grant_app(cursor: Any, tables: list[str]) -> None:
    role = sql.Identifier(APP_ROLE)
    written_once = {*append_only_tables(), "django_migrations"}
    for table in tables:
        rights = "SELECT, INSERT" if table in written_once else "SELECT, INSERT, UPDATE, DELETE"
        if table == "django_migrations":
            rights = "SELECT"
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(sql.Identifier(table), role))
        cursor.execute(
            sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), sql.Identifier(table), role)
        )
    cursor.execute(
        sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(role)
    )


def _grant_read(cursor: Any, tables: list[str]) -> None:
    for table in tables:
        if table.split("_")[0] in READABLE_APPS and table not in HIDDEN_FROM_REPORTS:
            cursor.execute(
                sql.SQL("GRANT SELECT ON {} TO {}").format(
                    sql.Identifier(table), sql.Identifier(READ_ROLE)
                )
            )
