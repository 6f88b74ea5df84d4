"""What a use case that is one SQL call needs of the ledger."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0009_one_call.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_lean_indexes"),
    ]

    operations = [migrations.RunSQL(SQL.read_text())]
