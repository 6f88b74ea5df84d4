"""Earnings are append-only."""

from django.db import migrations

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql


class Migration(migrations.Migration):
    dependencies = [("revenue", "0001_initial"), ("payments", "0002_ledger_rules")]

    operations = [
        migrations.RunSQL(triggers_sql("revenue_earning"), drop_triggers_sql("revenue_earning"))
    ]
