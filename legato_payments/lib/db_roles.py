"""The three database roles as idempotent SQL: who migrates, who runs the service, who reads.

An application that is not the owner of the tables is what makes "the books are append-only" a fact
of the database: the owner can disable a trigger, the application never can.
The roles are made without passwords: over the embedded server's private socket none is needed,
elsewhere the operator sets one (``ALTER ROLE legato_app PASSWORD …``). Rights on tables come with
the migrations that create the tables, so these statements run **before** ``migrate``.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from legato_payments.local.paths import APP_ROLE, OWNER_ROLE, READ_ROLE

ROLE_SETTINGS: dict[str, dict[str, str]] = {
    OWNER_ROLE: {},
    # PostgreSQL's own default is "wait for ever" for all three: one forgotten transaction in a
    # console would hold a wallet's lock until somebody notices.
    APP_ROLE: {
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
    },
    READ_ROLE: {"statement_timeout": "60s", "default_transaction_read_only": "on"},
}
"""The roles, and what a session of each starts with."""


def statements(*, database: str) -> Iterator[sql.Composed]:
    """The SQL that makes the roles and lets them into one existing database.

    Every statement may be run again. They need a superuser.

    Args:
        database: The database the owner role gets; nobody but the three roles may connect to it.
    """
    for role, settings in ROLE_SETTINGS.items():
        yield _create_role(role)
        for name, value in settings.items():
            yield sql.SQL("ALTER ROLE {} SET {} = {}").format(
                sql.Identifier(role), sql.Identifier(name), sql.Literal(value)
            )
    names = {
        "database": sql.Identifier(database),
        "owner": sql.Identifier(OWNER_ROLE),
        "others": sql.SQL(", ").join([sql.Identifier(APP_ROLE), sql.Identifier(READ_ROLE)]),
    }
    yield sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names)
    yield sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names)
    yield sql.SQL("GRANT CONNECT ON DATABASE {database} TO {others}").format(**names)


def apply(connection: psycopg.Connection[Any], *, database: str) -> None:
    """Make or repair the roles and their way into ``database``; a second run changes nothing."""
    for statement in statements(database=database):
        connection.execute(statement)


def create_database(connection: psycopg.Connection[Any], *, database: str) -> bool:
    """Make a database if there is none of that name.

    Args:
        connection: In autocommit mode: PostgreSQL makes no database inside a transaction.
        database: Its name.

    Returns:
        Whether it was made now.
    """
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, [database]).fetchone():
        return False
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return True


def _create_role(role: str) -> sql.Composed:
    # There is no CREATE ROLE IF NOT EXISTS, and asking first is a race between two starts.
    return sql.SQL(
        """
        DO $do$ BEGIN
            CREATE ROLE {} LOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            ALTER ROLE {} LOGIN;
        END $do$
        """
    ).format(sql.Identifier(role), sql.Identifier(role))
