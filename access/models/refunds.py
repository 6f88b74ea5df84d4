"""Chapters given back, and coins given to others."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7


class ContentRefund(AppendOnly):
    """A bought chapter given back for its coins. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    entitlement = models.OneToOneField("access.Entitlement", models.PROTECT, related_name="refund")
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="content_refund"
    )
    reason = models.CharField(max_length=300)
    read_percent = models.PositiveSmallIntegerField(help_text="As the content service told.")
    refunded_at = models.DateTimeField()
    refunded_by = models.CharField(max_length=80)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="access_contentrefund_percent", condition=Q(read_percent__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return f"refund of {self.entitlement_id}"


class CoinGift(AppendOnly):
    """Coins from one reader to another; they keep their value, expiry and origin's purchase.

    Append-only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    sender_id = models.CharField(max_length=64)
    recipient_id = models.CharField(max_length=64)
    coins = models.PositiveIntegerField()
    message = models.CharField(max_length=500, default="", blank=True)
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="coin_gift"
    )
    given_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="access_coingift_coins", condition=Q(coins__gt=0)),
            models.CheckConstraint(
                name="access_coingift_not_to_oneself", condition=~Q(sender_id=F("recipient_id"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["sender_id", "-given_at"], name="access_coingift_sender"),
        ]

    def __str__(self) -> str:
        return f"{self.coins} coins from {self.sender_id} to {self.recipient_id}"
