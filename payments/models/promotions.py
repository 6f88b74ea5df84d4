"""Coins that nobody paid for: campaigns, grants, and adjustments by finance."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7


class Campaign(models.Model):
    """A reason to give coins away, with a budget that a locked counter keeps.

    Funded, each coin is worth ``value_per_coin_micros`` to the writer who gets it, at our cost;
    unfunded it is worth nothing. ``coins_granted`` is changed under the row's lock alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=64, unique=True)
    budget_coins = models.PositiveBigIntegerField()
    coins_granted = models.PositiveBigIntegerField(default=0)
    value_per_coin_micros = models.BigIntegerField(default=0, help_text="0: unfunded.")
    expires_after_days = models.PositiveSmallIntegerField(default=90)
    per_user_coins = models.PositiveIntegerField(help_text="Most that one reader gets.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_campaign_budget", condition=Q(coins_granted__lte=F("budget_coins"))
            ),
            models.CheckConstraint(
                name="payments_campaign_terms",
                condition=Q(
                    value_per_coin_micros__gte=0,
                    expires_after_days__gte=1,
                    ends_at__gt=F("starts_at"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PromoGrant(AppendOnly):
    """Coins one reader got from one campaign. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="grants")
    user_id = models.CharField(max_length=64)
    coins = models.PositiveIntegerField()
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="promo_grant"
    )
    granted_at = models.DateTimeField()
    granted_by = models.CharField(max_length=80)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="payments_promogrant_coins", condition=Q(coins__gt=0)),
        ]
        indexes: ClassVar = [
            models.Index(fields=["campaign", "user_id"], name="payments_promogrant_user"),
        ]

    def __str__(self) -> str:
        return f"{self.coins} coins to {self.user_id}"


class Adjustment(AppendOnly):
    """Coins finance gave to, or took from, a wallet by hand; always approved by another person.

    Append-only: one that was wrong is followed by another the other way round.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.CharField(max_length=64)
    coins = models.IntegerField(help_text="Minus takes coins away.")
    value_micros = models.BigIntegerField(help_text="USD micros the coins are worth.")
    reason = models.CharField(max_length=300)
    approval = models.OneToOneField(
        "payments.ApprovalRequest", models.PROTECT, related_name="adjustment"
    )
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="adjustment"
    )
    adjusted_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="payments_adjustment_coins", condition=~Q(coins=0)),
        ]

    def __str__(self) -> str:
        return f"{self.coins:+d} coins for {self.user_id}"
