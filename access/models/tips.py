"""Tips."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7


class Tip(AppendOnly):
    """Coins a reader gave to a writer, with a few words perhaps. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    sender_id = models.CharField(max_length=64)
    recipient = models.ForeignKey(
        "revenue.Writer", models.PROTECT, related_name="tips", db_constraint=False
    )
    content_id = models.CharField(max_length=64, default="", blank=True)
    coins = models.PositiveIntegerField()
    message = models.CharField(max_length=500, default="", blank=True)
    transaction = models.OneToOneField("payments.Transaction", models.PROTECT, related_name="tip")
    sent_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="access_tip_coins", condition=Q(coins__gt=0)),
            models.CheckConstraint(
                name="access_tip_not_to_oneself", condition=~Q(sender_id=F("recipient"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["sender_id", "-sent_at"], name="access_tip_sender"),
        ]

    def __str__(self) -> str:
        return f"{self.coins} coins from {self.sender_id} to {self.recipient_id}"
