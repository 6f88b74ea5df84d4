"""Limits and product constants that finance changes: dated rows, never numbers in code."""

from typing import ClassVar

from django.db import models


class Policy(models.Model):
    """The value of one limit from a day on. Never edited: a new row supersedes the old one."""

    class Name(models.TextChoices):
        TIP_MIN_COINS = "TIP_MIN_COINS", "Smallest tip (coins)"
        TIP_DAILY_COINS = "TIP_DAILY_COINS", "Tips of one reader in a day (coins)"
        WORDS_PER_COIN = "WORDS_PER_COIN", "Words per coin of the default chapter price"
        CHAPTER_MIN_COINS = "CHAPTER_MIN_COINS", "Lowest default chapter price (coins)"
        CHAPTER_MAX_COINS = "CHAPTER_MAX_COINS", "Highest default chapter price (coins)"
        FREE_CHAPTERS = "FREE_CHAPTERS", "Free chapters at the start of a series"
        PURCHASE_TTL_MINUTES = "PURCHASE_TTL_MINUTES", "Minutes until an unpaid purchase expires"
        TOP_UP_MAX_COINS = "TOP_UP_MAX_COINS", "Largest exact top-up (coins)"
        RATE_MAX_JUMP_BPS = "RATE_MAX_JUMP_BPS", "Largest change between two rates (bps)"
        REFUND_WINDOW_HOURS = "REFUND_WINDOW_HOURS", "Hours in which a chapter is taken back"
        REFUND_MAX_READ_PERCENT = "REFUND_MAX_READ_PERCENT", "Read so far, it is kept (percent)"
        REFUND_DAILY_CHAPTERS = "REFUND_DAILY_CHAPTERS", "Chapters a reader gives back in a day"
        GIFT_DAILY_COINS = "GIFT_DAILY_COINS", "Coins one reader gives to others in a day"
        PROMO_RESTORE_MIN_DAYS = "PROMO_RESTORE_MIN_DAYS", "Days that returned promo coins last"
        CAMPAIGN_FREE_COINS = (
            "CAMPAIGN_FREE_COINS",
            "Largest free campaign of one person (coins)",
        )

        MONEY_REFUND_DAYS = (
            "MONEY_REFUND_DAYS",
            "Days in which unused coins are paid back on request",
        )
        GOODWILL_FREE_CENTS = "GOODWILL_FREE_CENTS", "Largest goodwill of one person (US cents)"

    name = models.CharField(max_length=24, choices=Name.choices)
    value = models.BigIntegerField()
    valid_from = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name_plural = "policies"
        indexes: ClassVar = [
            models.Index(fields=["name", "-valid_from", "-id"], name="payments_policy_newest"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_policy_not_negative", condition=models.Q(value__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.value}"
