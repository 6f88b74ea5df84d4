"""How many other people an action needs at first, and what the database itself keeps of it."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

FROM = datetime(2026, 1, 1, tzinfo=UTC)

# action, from USD micros on, people besides the one who proposes
RULES = [
    ("payments.change_package", 0, 1),
    ("payments.set_rate", 0, 1),
    ("payments.change_policy", 0, 1),
    ("payments.adjust_wallet", 0, 1),
    ("payments.adjust_wallet", 500_000_000, 2),
    ("revenue.change_split_rule", 0, 1),
]


def create(apps, schema_editor):
    rules = apps.get_model("payments", "ApprovalRule").objects.using(schema_editor.connection.alias)
    for action, from_micros, needed in RULES:
        rules.create(
            action=action,
            from_micros=from_micros,
            needed=needed,
            valid_from=FROM,
            created_by="system:migration",
            reason="initial value",
        )


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_sealing_rules")]

    operations = [
        migrations.RunSQL((Path(__file__).parent / "sql" / "0006_approval_rules.sql").read_text()),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
