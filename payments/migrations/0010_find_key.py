"""Lock and look up an idempotency key in one call."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0010_find_key.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_one_call"),
    ]

    operations = [migrations.RunSQL(SQL.read_text())]
