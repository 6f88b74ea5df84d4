"""Rows that are written once: the model refuses early, the database always."""

import re
from datetime import UTC, datetime

import psycopg
import pytest
from django.conf import settings
from django.db import IntegrityError
from django.db.transaction import atomic

from legato_payments.lib import append_only
from legato_payments.lib.append_only import AppendOnlyError
from payments.models import AuditEntry
from tests import databases

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry() -> AuditEntry:
    """An audit entry that is in the books."""
    return AuditEntry.objects.create(
        occurred_at=datetime(2026, 11, 1, tzinfo=UTC),
        actor="staff:7",
        action="payments.package.changed",
        object_type="package",
        object_id="1",
    )


def test_the_model_refuses_changes_early(entry: AuditEntry) -> None:
    entry.actor = "staff:8"

    with pytest.raises(AppendOnlyError, match="append-only"):
        entry.save()
    with pytest.raises(AppendOnlyError, match="append-only"):
        entry.delete()


def test_a_row_with_a_used_key_is_no_update(entry: AuditEntry) -> None:
    twin = AuditEntry(pk=entry.pk, occurred_at=entry.occurred_at, actor="staff:8")

    with pytest.raises(IntegrityError), atomic():
        twin.save()

    entry.refresh_from_db()
    assert entry.actor == "staff:7"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE legato_notes SET text = 'b'",
        "DELETE FROM legato_notes",
        "TRUNCATE legato_notes",
        "INSERT INTO legato_notes (id, text) VALUES (1, 'b') "
        "ON CONFLICT (id) DO UPDATE SET text = excluded.text",
    ],
)
def test_the_triggers_refuse_even_a_superuser(statement: str) -> None:
    operation = "UPDATE" if "UPDATE" in statement else statement.split(maxsplit=1)[0]
    with databases.connect(settings.TEST_DATABASE) as connection:
        connection.execute("CREATE TEMPORARY TABLE legato_notes (id int PRIMARY KEY, text text)")
        connection.execute("INSERT INTO legato_notes VALUES (1, 'a')")
        sql = append_only.triggers_sql("legato_notes")
        connection.execute(sql.replace("legato_refuse_change", "pg_temp.legato_refuse_change"))
        # Ordinary triggers sleep in such a session.
        connection.execute("SET session_replication_role = replica")

        message = f"ledger: {operation} on legato_notes is forbidden"
        with pytest.raises(psycopg.errors.CheckViolation, match=re.escape(message)):
            connection.execute(statement)

        connection.execute(append_only.drop_triggers_sql("legato_notes"))
        connection.execute(statement)


@pytest.mark.parametrize("table", ["a; DROP TABLE b", "Upper", "", "x" * 51, 'a"b'])
def test_only_plain_names_go_into_the_sql(table: str) -> None:
    with pytest.raises(AssertionError):
        append_only.triggers_sql(table)
