"""Payments that a payer's bank wants back."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.ids import uuid7
from legato_payments.lib.jobs import DueQuerySet, DueRow
from payments.enums import Provider
from payments.models.gateway_figures import GatewayFigures


class DisputeQuerySet(DueQuerySet["Dispute"]):
    """Disputes, in the words of the domain."""

    def open(self) -> "DisputeQuerySet":
        """Disputes that are not decided yet."""
        return self.filter(status__in=Dispute.OPEN)

    def freezing(self) -> "DisputeQuerySet":
        """Disputes that keep the coins of their purchase out of reach, until the end is booked."""
        undecided = Q(status__in=Dispute.OPEN, is_inquiry=False) & ~Q(booked="LOST")
        return self.filter(undecided | Q(status=Dispute.Status.LOST, booked="HELD"))

    def in_the_way(self) -> "DisputeQuerySet":
        """Disputes that decide what is paid back of a purchase: undecided, or lost."""
        return self.filter(Q(status__in=Dispute.OPEN, is_inquiry=False) | ~Q(booked="NONE"))

    def due_before(self, end: datetime) -> "DisputeQuerySet":
        """Those whose evidence has to be there before a time, late ones included."""
        return self.filter(status=Dispute.Status.NEEDS_RESPONSE, evidence_due_at__lt=end)


class Dispute(GatewayFigures, DueRow):
    """A dispute of one purchase, as the gateway tells of it and as our books have it.

    ``status`` is the gateway's word; ``booked`` is how far our books are. While ``booked`` is HELD,
    the money is in ``dispute_hold``. Until it is decided, unless the bank only asks, the coins of
    the purchase are frozen, whether or not the gateway has taken the money already.
    """

    class Status(models.TextChoices):
        NEEDS_RESPONSE = "NEEDS_RESPONSE", "Needs an answer"
        UNDER_REVIEW = "UNDER_REVIEW", "Under review"
        WON = "WON", "Won"
        WITHDRAWN = "WITHDRAWN", "Withdrawn"
        LOST = "LOST", "Lost"

    class Booked(models.TextChoices):
        NONE = "NONE", "Nothing"
        HELD = "HELD", "Held"
        LOST = "LOST", "Lost"

    class Policy(models.TextChoices):
        WRITERS = "WRITERS", "Take unmatured earnings back; the rest is our loss"
        PLATFORM = "PLATFORM", "All of it is our loss"
        READER = "READER", "The reader owes it; the next purchase pays"

    OPEN = (Status.NEEDS_RESPONSE, Status.UNDER_REVIEW)

    id = models.UUIDField(primary_key=True, default=uuid7)
    purchase = models.ForeignKey("payments.Purchase", models.PROTECT, related_name="disputes")
    provider = models.CharField(max_length=8, choices=Provider.choices)
    gateway_id = models.CharField(max_length=128)
    status = models.CharField(max_length=14, choices=Status.choices)
    is_inquiry = models.BooleanField(
        default=False, help_text="The bank only asks so far: no money and no coins are held."
    )
    booked = models.CharField(max_length=4, choices=Booked.choices, default=Booked.NONE)
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField(help_text="Disputed, in the paid currency.")
    tax_micros = models.BigIntegerField(default=0, help_text="Of it, tax.")
    reason = models.CharField(max_length=64, default="", blank=True)
    policy = models.CharField(max_length=8, choices=Policy.choices, default=Policy.WRITERS)
    evidence = models.JSONField(null=True, blank=True)
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=80, default="", blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_dispute_once", fields=["provider", "gateway_id"]
            ),
            models.CheckConstraint(
                name="payments_dispute_amounts",
                condition=Q(amount_micros__gt=0, tax_micros__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"dispute {self.gateway_id}"

    @property
    def freezer(self) -> str:
        """What lots and wallets say that it froze or blocked."""
        return f"dispute:{self.pk}"


class DisputeLoss(models.Model):
    """What one lost dispute cost, and whom. A loss that is undone keeps its row."""

    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="losses")
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="dispute_loss"
    )
    policy = models.CharField(max_length=8, choices=Dispute.Policy.choices)
    coins = models.PositiveIntegerField(help_text="Unused coins that were taken.")
    unused_micros = models.BigIntegerField(help_text="What they released, USD micros.")
    writers_micros = models.BigIntegerField(help_text="Earnings taken back, USD micros.")
    platform_micros = models.BigIntegerField(help_text="Our loss, USD micros.")
    reader_micros = models.BigIntegerField(help_text="What the reader owes, USD micros.")
    spent_micros = models.BigIntegerField(
        default=0, help_text="Of these three, what was looked for in spends, USD micros."
    )
    lost_at = models.DateTimeField()
    undone_by = models.OneToOneField(
        "payments.Transaction",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_dispute_loss",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_disputeloss_amounts",
                condition=Q(
                    unused_micros__gte=0,
                    writers_micros__gte=0,
                    platform_micros__gte=0,
                    reader_micros__gte=0,
                ),
            ),
            models.UniqueConstraint(
                name="payments_disputeloss_one_in_force",
                fields=["dispute"],
                condition=Q(undone_by__isnull=True),
            ),
        ]
        verbose_name_plural = "dispute losses"

    def __str__(self) -> str:
        return f"loss of {self.dispute_id}"
