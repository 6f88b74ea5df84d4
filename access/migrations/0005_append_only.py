"""Tips, refunds of chapters and gifts of coins are append-only."""

from django.db import migrations

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql

APPEND_ONLY = ["access_coingift", "access_contentrefund", "access_tip"]


class Migration(migrations.Migration):
    dependencies = [("access", "0004_buy")]

    operations = [
        migrations.RunSQL(triggers_sql(table), drop_triggers_sql(table)) for table in APPEND_ONLY
    ]
