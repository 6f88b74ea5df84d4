"""Rows that are written once: the model base, and the SQL that makes the database keep it so."""

from typing import Any, override

from django.db import models


class AppendOnlyError(TypeError):
    """A bug of ours: code tries to change a row that is never changed."""


class AppendOnly(models.Model):
    """Rows are inserted, never changed: a mistake is corrected by another row.

    The database refuses UPDATE, DELETE and TRUNCATE by triggers that are ENABLE ALWAYS (see
    ``triggers_sql``), and the application's role has no such right. The refusals here only come
    earlier and name the line of code.
    """

    class Meta:
        abstract = True

    @override
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row.

        Raises:
            AppendOnlyError: The row is in the database already.
        """
        if not self._state.adding:
            raise AppendOnlyError(f"{self._meta.label} is append-only: {self.pk} cannot be changed")
        # Never "UPDATE, and INSERT if that found nothing", as for a row with a pk of its own.
        super().save(*args, **{**kwargs, "force_insert": True})

    @override
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse, always.

        Raises:
            AppendOnlyError: Reverse what the row says with a new row instead.
        """
        raise AppendOnlyError(f"{self._meta.label} is append-only: {self.pk} cannot be deleted")


_FUNCTION = """\
CREATE OR REPLACE FUNCTION legato_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger: % on % is forbidden', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '23514', HINT = 'Append a row that reverses it.';
END $$;
"""

# One trigger per operation, and ENABLE ALWAYS: an ordinary trigger sleeps in a session that sets
# session_replication_role.
_TRIGGERS = """\
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_update;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_delete;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate;
"""


def triggers_sql(table: str) -> str:
    """The SQL by which ``table`` refuses UPDATE, DELETE and TRUNCATE; for ``RunSQL``.

    A refusal has SQLSTATE 23514 and says ``ledger: UPDATE on payments_entry is forbidden``.

    Args:
        table: A plain identifier, at most 50 characters: it goes into the SQL as it is.
    """
    assert table.isidentifier(), table
    assert table.islower(), table
    # PostgreSQL cuts names at 63 bytes, and two triggers would then be called the same.
    assert len(table) <= 50, table
    return _FUNCTION + _TRIGGERS.format(table=table)


def drop_triggers_sql(table: str) -> str:
    """The reverse of ``triggers_sql``; the function stays, other tables use it."""
    assert table.isidentifier(), table
    return "\n".join(
        f"DROP TRIGGER IF EXISTS {table}_no_{what} ON {table};"
        for what in ("update", "delete", "truncate")
    )
