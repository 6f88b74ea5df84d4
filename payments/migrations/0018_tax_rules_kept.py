"""Tax rules, registrations and tax lines are append-only; another person agrees to a change."""

from datetime import UTC, datetime

from django.db import migrations

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql

APPEND_ONLY = ["payments_purchasetaxline", "payments_taxregistration", "payments_taxrule"]
ACTIONS = ["payments.change_tax_rule", "payments.change_tax_registration"]
FIRST = {
    "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
    "created_by": "system:migration",
    "reason": "initial value",
}


def create(apps, schema_editor):
    rules = apps.get_model("payments", "ApprovalRule").objects.using(schema_editor.connection.alias)
    for action in ACTIONS:
        rules.create(action=action, from_micros=0, needed=1, **FIRST)


class Migration(migrations.Migration):
    dependencies = [("payments", "0017_taxes")]

    operations = [
        *(migrations.RunSQL(triggers_sql(table), drop_triggers_sql(table)) for table in APPEND_ONLY),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
