"""Sealing in the database, and more rows that are never changed."""

from pathlib import Path

from django.db import migrations

from legato_payments.lib.append_only import triggers_sql

APPEND_ONLY = ["payments_seal", "payments_auditseal", "payments_approvaldecision"]


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_seals_approvals_events")]

    operations = [
        *[migrations.RunSQL(triggers_sql(table)) for table in APPEND_ONLY],
        migrations.RunSQL((Path(__file__).parent / "sql" / "0005_sealing.sql").read_text()),
        migrations.RunSQL(
            "INSERT INTO payments_unsealed (transaction_id) SELECT id FROM payments_transaction",
            migrations.RunSQL.noop,
        ),
    ]
