"""Splitting and earning a sale, in SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0005_sales.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("revenue", "0004_lean_indexes"),
        ("payments", "0009_one_call"),
    ]

    operations = [migrations.RunSQL(SQL.read_text())]
