"""Statements are append-only; settlements and receipts keep what was said of them."""

from pathlib import Path

from django.db import migrations

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql

SQL = Path(__file__).parent / "sql" / "0020_settlements.sql"

UNDO = "\n".join(
    f"DROP TRIGGER IF EXISTS {table}_{what} ON {table};"
    for table in ("payments_settlement", "payments_bankreceipt")
    for what in ("facts", "no_delete", "no_truncate")
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_settlements")]

    operations = [
        migrations.RunSQL(
            triggers_sql("payments_bankstatement"), drop_triggers_sql("payments_bankstatement")
        ),
        migrations.RunSQL(SQL.read_text(), UNDO),
    ]
