"""Rights to read."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.ids import uuid7


class Entitlement(models.Model):
    """A reader's right to open one piece of content, and what it was given for.

    At most one is in force (not revoked) per reader and content; after a refund the same chapter
    can be bought again as a new row.
    """

    class Ground(models.TextChoices):
        PURCHASED = "PURCHASED", "Bought with coins"
        GIFT = "GIFT", "Given by a reader"
        GRANT = "GRANT", "Granted by staff"
        TIMER = "TIMER", "Waited for"

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.CharField(max_length=64)
    content = models.ForeignKey(
        "access.Content",
        models.PROTECT,
        related_name="entitlements",
        db_constraint=False,
        # Below, by hand: Django would add a second one, for LIKE.
        db_index=False,
    )
    ground = models.CharField(max_length=9, choices=Ground.choices)
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="entitlement"
    )
    coins = models.PositiveIntegerField(default=0, help_text="What was paid for it.")
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="access_entitlement_one_in_force",
                fields=["user_id", "content"],
                condition=Q(revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="access_entitlement_purchase_has_transaction",
                condition=~Q(ground="PURCHASED") | Q(transaction__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user_id", "-id"], name="access_entitlement_user"),
            models.Index(fields=["content"], name="access_entitlement_content"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} may open {self.content_id}"
