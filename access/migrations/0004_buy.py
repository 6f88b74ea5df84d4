"""Buying a chapter in one SQL call."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0004_buy.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0003_lean_indexes"),
        ("revenue", "0005_sales"),
    ]

    operations = [migrations.RunSQL(SQL.read_text())]
