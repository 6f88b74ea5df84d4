"""Nothing is bought from a wallet that a lost dispute blocks: the sale is defined once more."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0005_append_only"),
        ("payments", "0014_gateways"),
    ]

    operations = [
        migrations.RunSQL((Path(__file__).parent / "sql" / "0004_buy.sql").read_text()),
    ]
