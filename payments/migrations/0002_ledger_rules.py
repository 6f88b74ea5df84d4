"""The rules the database keeps by itself: append-only rows, balance, post and burn."""

from pathlib import Path

from django.db import migrations

from legato_payments.lib.append_only import triggers_sql

APPEND_ONLY = [
    "payments_transaction",
    "payments_entry",
    "payments_lotuse",
    "payments_auditentry",
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        *[migrations.RunSQL(triggers_sql(table)) for table in APPEND_ONLY],
        migrations.RunSQL((Path(__file__).parent / "sql" / "0002_ledger.sql").read_text()),
    ]
