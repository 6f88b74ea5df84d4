"""Promotions, expiry, gifts, adjustments: new words, their limits, and a rule of the database."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations, models

FROM = datetime(2026, 1, 1, tzinfo=UTC)

POLICIES = {
    "REFUND_WINDOW_HOURS": 24,
    "REFUND_MAX_READ_PERCENT": 25,
    "REFUND_DAILY_CHAPTERS": 5,
    "GIFT_DAILY_COINS": 10_000,
    "PROMO_RESTORE_MIN_DAYS": 7,
}


def create(apps, schema_editor):
    policies = apps.get_model("payments", "Policy").objects.using(schema_editor.connection.alias)
    for name, value in POLICIES.items():
        policies.create(
            name=name,
            value=value,
            valid_from=FROM,
            created_by="system:migration",
            reason="initial value",
        )


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_approval_rules"),
    ]

    operations = [
        migrations.AlterField(
            model_name="lotuse",
            name="kind",
            field=models.CharField(
                choices=[
                    ("SPEND", "Spent on content"),
                    ("TIP", "Tipped"),
                    ("REVERSAL", "Taken back"),
                    ("EXPIRED", "Expired"),
                    ("TRANSFER", "Given to a reader"),
                    ("ADJUSTMENT", "Taken by finance"),
                ],
                max_length=10,
            ),
        ),
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
                ],
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="transaction",
            name="kind",
            field=models.CharField(
                choices=[
                    ("COIN_PURCHASE", "Coin purchase"),
                    ("GATEWAY_FEE", "Gateway fee"),
                    ("CONTENT_PURCHASE", "Content purchase"),
                    ("TIP", "Tip"),
                    ("REVERSAL", "Reversal"),
                    ("PROMO_GRANT", "Promotional coins"),
                    ("EXPIRY", "Coins expired"),
                    ("COIN_TRANSFER", "Coins given to a reader"),
                    ("ADJUSTMENT", "Adjustment"),
                ],
                max_length=24,
            ),
        ),
        migrations.AddIndex(
            model_name="coinlot",
            index=models.Index(
                condition=models.Q(
                    ("expires_at__isnull", False),
                    ("frozen_by", ""),
                    ("next_coin__lt", models.F("coins")),
                ),
                fields=["expires_at"],
                name="payments_coinlot_expiring",
            ),
        ),
        migrations.RunSQL((Path(__file__).parent / "sql" / "0007_coin_life.sql").read_text()),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
