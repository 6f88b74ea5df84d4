"""Grants of promotional coins and adjustments are append-only."""

from django.db import migrations

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql

APPEND_ONLY = ["payments_adjustment", "payments_promogrant"]


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_campaign_approval")]

    operations = [
        migrations.RunSQL(triggers_sql(table), drop_triggers_sql(table)) for table in APPEND_ONLY
    ]
