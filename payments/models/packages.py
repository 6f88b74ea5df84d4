"""Coin packages: what readers can buy, as versions with price lists."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.ids import uuid7
from payments.enums import Currency


class CoinPackage(models.Model):
    """A coin bundle on sale. What it holds and costs is in its newest ``CoinPackageVersion``."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    is_reference = models.BooleanField(
        default=False,
        help_text="The undiscounted package: its coin price values coins and exact top-ups.",
    )
    current = models.OneToOneField(
        "payments.CoinPackageVersion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="current_of",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_coinpackage_one_reference",
                fields=["is_reference"],
                condition=Q(is_reference=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CoinPackageVersion(models.Model):
    """What a package held and cost between two changes. Never edited: purchases point here."""

    package = models.ForeignKey(CoinPackage, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    coins = models.PositiveIntegerField(help_text="Without the bonus.")
    bonus_percent = models.PositiveSmallIntegerField(default=0)
    bonus_coins = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_coinpackageversion_number", fields=["package", "number"]
            ),
            models.CheckConstraint(
                name="payments_coinpackageversion_coins",
                condition=Q(coins__gt=0, coins__lte=1_000_000, bonus_percent__lte=100),
            ),
            models.CheckConstraint(
                name="payments_coinpackageversion_bonus",
                condition=Q(bonus_coins__lte=F("coins")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package} v{self.number}"

    @property
    def total_coins(self) -> int:
        """Coins and bonus coins."""
        return self.coins + self.bonus_coins


class PackagePrice(models.Model):
    """The price of one package version in one currency; a currency without a row is converted."""

    version = models.ForeignKey(CoinPackageVersion, models.PROTECT, related_name="prices")
    currency = models.CharField(max_length=3, choices=Currency.choices)
    price_micros = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_packageprice_currency", fields=["version", "currency"]
            ),
            models.CheckConstraint(
                name="payments_packageprice_positive", condition=Q(price_micros__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.price_micros} micros {self.currency}"
