"""The agreed bands, holds and rates of every stream (rules.md, rules 9 and 12)."""

from datetime import UTC, datetime

from django.db import migrations

FROM = datetime(2026, 1, 1, tzinfo=UTC)
BY = "system:migration"

# stream: rate, lowest and highest of the band (bps), hold in days, hold for new writers
STREAMS = {
    "CONTENT": (6_500, 6_000, 7_000, 30, 60),
    "TIP": (7_000, 6_000, 10_000, 30, 60),
    "SUBSCRIPTION": (6_500, 6_000, 7_000, 0, 0),
    "LICENSING": (8_000, 8_000, 8_500, 0, 0),
    "ADVERTISING": (6_500, 6_000, 7_000, 0, 0),
}

NEW_WRITER_DAYS = 90


def create(apps, schema_editor):
    database = schema_editor.connection.alias
    terms = apps.get_model("revenue", "StreamTerms").objects.using(database)
    rules = apps.get_model("revenue", "SplitRule").objects.using(database)
    for stream, (rate, low, high, hold, new_hold) in STREAMS.items():
        terms.create(
            stream=stream,
            min_bps=low,
            max_bps=high,
            hold_days=hold,
            new_writer_hold_days=new_hold,
            new_writer_days=NEW_WRITER_DAYS,
            valid_from=FROM,
            created_by=BY,
            reason="initial terms",
        )
        rules.create(
            stream=stream,
            rate_bps=rate,
            valid_from=FROM,
            created_at=FROM,
            created_by=BY,
            reason="initial rate",
        )


class Migration(migrations.Migration):
    dependencies = [("revenue", "0002_append_only")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
