"""What a new installation starts with (rules.md): packages and limits. Finance changes them later.

Fixed ids, so that every installation names the five packages alike.
"""

from datetime import UTC, datetime

from django.db import migrations

FROM = datetime(2026, 1, 1, tzinfo=UTC)
BY = "system:migration"

# name, coins, bonus percent, bonus coins, USD, CAD, NGN in minor units
PACKAGES = [
    ("Starter Pack", 100, 0, 0, 99, 139, 140_000),
    ("Reader Pack", 500, 5, 25, 499, 699, 685_000),
    ("Enthusiast Pack", 1_200, 10, 120, 999, 1_399, 1_375_000),
    ("Premium Pack", 2_500, 15, 375, 1_999, 2_799, 2_745_000),
    ("Ultimate Pack", 5_500, 20, 1_100, 3_999, 5_499, 5_490_000),
]

POLICIES = {
    "TIP_MIN_COINS": 10,
    "TIP_DAILY_COINS": 10_000,
    "WORDS_PER_COIN": 100,
    "CHAPTER_MIN_COINS": 5,
    "CHAPTER_MAX_COINS": 60,
    "FREE_CHAPTERS": 3,
    "PURCHASE_TTL_MINUTES": 60,
    "TOP_UP_MAX_COINS": 100_000,
    "RATE_MAX_JUMP_BPS": 2_000,
}


def create(apps, schema_editor):
    database = schema_editor.connection.alias
    package_model = apps.get_model("payments", "CoinPackage").objects.using(database)
    version_model = apps.get_model("payments", "CoinPackageVersion").objects.using(database)
    price_model = apps.get_model("payments", "PackagePrice").objects.using(database)
    for number, (name, coins, percent, bonus, usd, cad, ngn) in enumerate(PACKAGES, start=1):
        package = package_model.create(
            id=f"01930000-0000-7000-8000-{number:012d}",
            name=name,
            is_reference=name == "Starter Pack",
            created_at=FROM,
        )
        version = version_model.create(
            package=package,
            number=1,
            coins=coins,
            bonus_percent=percent,
            bonus_coins=bonus,
            created_at=FROM,
            created_by=BY,
            reason="initial price list",
        )
        for currency, minor in (("USD", usd), ("CAD", cad), ("NGN", ngn)):
            price_model.create(version=version, currency=currency, price_micros=minor * 10_000)
        package.current = version
        package.save()
    policy_model = apps.get_model("payments", "Policy").objects.using(database)
    for name, value in POLICIES.items():
        policy_model.create(
            name=name, value=value, valid_from=FROM, created_by=BY, reason="initial value"
        )


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_ledger_rules")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
