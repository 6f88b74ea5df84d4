"""Campaigns that cost money, or are large, need another person."""

from datetime import UTC, datetime

from django.db import migrations, models

FROM = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = {"valid_from": FROM, "created_by": "system:migration", "reason": "initial value"}


def create(apps, schema_editor):
    database = schema_editor.connection.alias
    policies = apps.get_model("payments", "Policy").objects.using(database)
    policies.create(name="CAMPAIGN_FREE_COINS", value=10_000, **FIRST)
    rules = apps.get_model("payments", "ApprovalRule").objects.using(database)
    rules.create(action="payments.create_campaign", from_micros=0, needed=1, **FIRST)


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_four_eyes")]

    operations = [
        migrations.AlterField(
            model_name="policy",
            name="name",
            field=models.CharField(
                choices=[
                    ("TIP_MIN_COINS", "Smallest tip (coins)"),
                    ("TIP_DAILY_COINS", "Tips of one reader in a day (coins)"),
                    ("WORDS_PER_COIN", "Words per coin of the default chapter price"),
                    ("CHAPTER_MIN_COINS", "Lowest default chapter price (coins)"),
                    ("CHAPTER_MAX_COINS", "Highest default chapter price (coins)"),
                    ("FREE_CHAPTERS", "Free chapters at the start of a series"),
                    ("PURCHASE_TTL_MINUTES", "Minutes until an unpaid purchase expires"),
                    ("TOP_UP_MAX_COINS", "Largest exact top-up (coins)"),
                    ("RATE_MAX_JUMP_BPS", "Largest change between two rates (bps)"),
                    ("REFUND_WINDOW_HOURS", "Hours in which a chapter is taken back"),
                    ("REFUND_MAX_READ_PERCENT", "Read so far, it is kept (percent)"),
                    ("REFUND_DAILY_CHAPTERS", "Chapters a reader gives back in a day"),
                    ("GIFT_DAILY_COINS", "Coins one reader gives to others in a day"),
                    ("PROMO_RESTORE_MIN_DAYS", "Days that returned promo coins last"),
                    ("CAMPAIGN_FREE_COINS", "Largest free campaign of one person (coins)"),
                ],
                max_length=24,
            ),
        ),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
