"""One database per test process, cloned from a template that is migrated once per run.

Between two tests that commit (``transactional_db``), the database is put back to the state right
after migration. Django's own flush cannot do that here: it truncates, which the append-only
triggers and the application's role refuse, and it would take the rows that migrations seed with it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from legato_payments.lib import db_roles
from legato_payments.local import paths, servers

TEMPLATE = "legato_template"
KEPT = "django_migrations"
"""The only table that tests never write, and that a flush must not look at."""

type Connection = psycopg.Connection[tuple[Any, ...]]


class NotAllowed(Exception):
    """The server that DATABASE_URL names does not let us make what the tests need."""


def connect(database: str) -> Connection:
    """A superuser's connection in autocommit mode: the embedded one, else DATABASE_OWNER_URL's.

    Raises:
        NotAllowed: That role is no superuser.
    """
    if not os.environ.get("DATABASE_URL"):
        return psycopg.connect(
            host=str(paths.run_dir() / "pg"),
            user=servers.SUPERUSER,
            dbname=database,
            autocommit=True,
        )
    parameters = connections["owner"].get_connection_params()
    names = ("host", "port", "user", "password", "sslmode")
    given = {name: parameters[name] for name in names if name in parameters}
    connection = psycopg.connect(**given, dbname=database, autocommit=True)
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if row.fetchone() != (True,):
        raise NotAllowed(
            "Tests on your own server make roles and databases: let DATABASE_OWNER_URL name a "
            "superuser of it, or unset DATABASE_URL to use the embedded server."
        )
    return connection


def make_worker_database() -> None:
    """Give this process its own fresh copy of the migrated template."""
    # Nobody may be connected to a template while it is copied, and it is migrated once.
    with _one_process_at_a_time(), connect("postgres") as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if not connection.execute(query, [TEMPLATE]).fetchone():
            _make_template(connection)
        name = sql.Identifier(settings.TEST_DATABASE)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                name, sql.Identifier(TEMPLATE)
            )
        )
        db_roles.apply(connection, database=settings.TEST_DATABASE)


def drop_all() -> None:
    """Remove the databases of test runs from a server that stays."""
    query = r"SELECT datname FROM pg_database WHERE datname ~ '^legato_(gw\d+|main|template.*)$'"
    with connect("postgres") as connection:
        for (name,) in connection.execute(query).fetchall():
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))


@contextmanager
def _one_process_at_a_time() -> Iterator[None]:
    with (paths.run_dir() / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_template(connection: Connection) -> None:
    draft = f"{TEMPLATE}_new"
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft))
    connection.execute(statement)
    db_roles.create_database(connection, database=draft)
    db_roles.apply(connection, database=draft)
    with _django_uses(draft):
        call_command("migrate", database="owner", interactive=False, verbosity=0)
    ContentType.objects.clear_cache()
    # Renamed last: a template that exists is a template that is complete.
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(draft), sql.Identifier(TEMPLATE)
        )
    )


@contextmanager
def _django_uses(database: str) -> Iterator[None]:
    names = {alias: connections[alias].settings_dict["NAME"] for alias in connections}
    try:
        for alias in names:
            connections[alias].settings_dict["NAME"] = database
        yield
    finally:
        for alias, name in names.items():
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name


@dataclass
class _Table:
    """What a flush knows about one table."""

    name: sql.Identifier
    sequences: list[tuple[str, int | None]]
    """Each with the last number it gave, None when it gave none."""
    triggers: list[tuple[str, str]]
    """The user's triggers with their ``pg_trigger.tgenabled``."""
    seed: bytes = b""
    fingerprint: tuple[int, int] = (0, 0)


@dataclass
class Flush:
    """Puts the worker's database back to what migrations left, in one transaction.

    Only tables that changed are touched: a table's fingerprint is its row count and its youngest
    row version, which is a transaction number and only grows.
    """

    tables: dict[str, _Table] = field(default_factory=dict)

    @classmethod
    def remember(cls) -> "Flush":
        """Look at the database as migrations left it."""
        flush = cls()
        with connect(settings.TEST_DATABASE) as connection:
            for name, sequences, triggers in connection.execute(_TABLES, [KEPT]).fetchall():
                flush.tables[name] = _Table(
                    name=sql.Identifier(name),
                    sequences=[tuple(sequence) for sequence in sequences],
                    triggers=[tuple(trigger) for trigger in triggers],
                )
            for name, fingerprint in flush._fingerprints(connection).items():
                table = flush.tables[name]
                table.fingerprint = fingerprint
                if fingerprint[0]:
                    table.seed = _copy_out(connection, table)
        return flush

    def restore(self) -> None:
        """Remove every row a test committed and bring back every seeded row it changed."""
        with connect(settings.TEST_DATABASE) as connection, connection.transaction():
            now = self._fingerprints(connection)
            changed = [t for name, t in self.tables.items() if now[name] != t.fingerprint]
            if not changed:
                return
            # A test that left a transaction open would make us wait for ever.
            connection.execute("SET LOCAL lock_timeout = '10s'")
            # Foreign keys and ordinary triggers sleep; ENABLE ALWAYS triggers do not.
            connection.execute("SET LOCAL session_replication_role = replica")
            for table in changed:
                _put_back(connection, table)
            if any(table.seed for table in changed):
                now = self._fingerprints(connection)
                for name, table in self.tables.items():
                    table.fingerprint = now[name]

    def _fingerprints(self, connection: Connection) -> dict[str, tuple[int, int]]:
        parts = [
            sql.SQL(
                "SELECT {}, count(*), coalesce(max(xmin::text::bigint), 0) FROM {}"
            ).format(sql.Literal(name), table.name)
            for name, table in self.tables.items()
        ]  # fmt: skip
        if not parts:
            return {}
        rows = connection.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
        return {name: (count, newest) for name, count, newest in rows}


def _put_back(connection: Connection, table: _Table) -> None:
    alter = sql.SQL("ALTER TABLE {} {} TRIGGER {}")
    is_guarded = any(enabled == "A" for _, enabled in table.triggers)
    if is_guarded:
        connection.execute(alter.format(table.name, sql.SQL("DISABLE"), sql.SQL("USER")))
    # A TRUNCATE makes new files for the table and each index, many times slower than this.
    connection.execute(sql.SQL("DELETE FROM {}").format(table.name))
    if table.seed:
        copy = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table.name)
        with connection.cursor().copy(copy) as target:
            target.write(table.seed)
    for sequence, last in table.sequences:
        query = "SELECT setval(%s::regclass, %s, %s)"
        connection.execute(query, [sequence, last or 1, last is not None])
    for trigger, enabled in table.triggers if is_guarded else []:
        how = sql.SQL(_ENABLE[enabled])
        connection.execute(alter.format(table.name, how, sql.Identifier(trigger)))


def _copy_out(connection: Connection, table: _Table) -> bytes:
    copy = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(table.name)
    with connection.cursor().copy(copy) as source:
        return b"".join(bytes(block) for block in source)


_ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}

_TABLES = """
SELECT c.relname,
       ARRAY(SELECT json_build_array(s.oid::regclass::text, pg_sequence_last_value(s.oid))
               FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
              WHERE d.refobjid = c.oid AND d.deptype IN ('a', 'i')),
       ARRAY(SELECT json_build_array(t.tgname, t.tgenabled)
               FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> %s
 ORDER BY c.relname
"""
