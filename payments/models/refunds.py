"""Money given back for coins that were not used."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.ids import uuid7
from legato_payments.lib.jobs import DueQuerySet, DueRow
from payments.models.gateway_figures import GatewayFigures


class RefundQuerySet(DueQuerySet["Refund"]):
    """Refunds, in the words of the domain."""

    def open(self) -> "RefundQuerySet":
        """Refunds whose outcome is not known yet."""
        return self.filter(status__in=Refund.OPEN)

    def awaiting_finance(self) -> "RefundQuerySet":
        """A person has to do something at the gateway or here."""
        return self.filter(status__in=[Refund.Status.NEEDS_ATTENTION, Refund.Status.CONTRADICTED])


class Refund(GatewayFigures, DueRow):
    """A money refund of a coin purchase.

    The coins are taken and the money is put in flight when it is REQUESTED; the gateway is asked
    afterwards. PENDING: the gateway works on it. SUCCEEDED, or FAILED with the coins given back as
    child lots; a gateway can turn SUCCEEDED into FAILED days later. CONTRADICTED: the gateway says
    it paid what it had told us it could not; the coins are out again, and a person has to decide,
    by a ``RefundClosing``.
    """

    class Status(models.TextChoices):
        REQUESTED = "REQUESTED", "Requested"
        PENDING = "PENDING", "At the gateway"
        NEEDS_ATTENTION = "NEEDS_ATTENTION", "Needs attention"
        SUCCEEDED = "SUCCEEDED", "Refunded"
        FAILED = "FAILED", "Failed"
        CONTRADICTED = "CONTRADICTED", "Contradicted"

    class Kind(models.TextChoices):
        UNUSED = "UNUSED", "Unused coins"
        WITHDRAWAL = "WITHDRAWAL", "Withdrawal within 14 days"
        GOODWILL = "GOODWILL", "Goodwill"
        GATEWAY = "GATEWAY", "Made at the gateway"

    class Word(models.TextChoices):
        PAID = "PAID", "It was paid"
        NOT_PAID = "NOT_PAID", "It was not paid"
        UNCLEAR = "UNCLEAR", "It does not say"

    OPEN = (Status.REQUESTED, Status.PENDING, Status.NEEDS_ATTENTION)

    id = models.UUIDField(primary_key=True, default=uuid7)
    purchase = models.ForeignKey("payments.Purchase", models.PROTECT, related_name="refunds")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    status = models.CharField(max_length=15, choices=Status.choices, default=Status.REQUESTED)
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField(help_text="What goes back, in the paid currency.")
    tax_micros = models.BigIntegerField(default=0, help_text="Of it, tax.")
    goodwill_micros = models.BigIntegerField(
        default=0, help_text="Of it, more than the coins taken are worth."
    )
    coins = models.PositiveIntegerField()
    value_micros = models.BigIntegerField(help_text="What the coins released, in USD micros.")
    reason = models.CharField(max_length=200)
    requested_by = models.CharField(max_length=80)
    approval_id = models.UUIDField(null=True, blank=True)
    reference = models.CharField(max_length=40, unique=True, help_text="Ours, at the gateway.")
    gateway_id = models.CharField(max_length=128, default="", blank=True)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    last_word = models.CharField(
        max_length=8,
        choices=Word.choices,
        default="",
        db_default="",
        blank=True,
        help_text="What the gateway said last of one that is contradicted.",
    )
    last_word_at = models.DateTimeField(null=True, blank=True)
    requested_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="refund"
    )

    objects = RefundQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["gateway_id"],
                name="payments_refund_gateway_id",
                condition=~Q(gateway_id=""),
            ),
            models.Index(fields=["requested_at"], name="payments_refund_requested"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_refund_amounts",
                condition=Q(
                    amount_micros__gt=0,
                    tax_micros__gte=0,
                    goodwill_micros__gte=0,
                    value_micros__gte=0,
                    coins__gte=0,
                ),
            ),
            models.CheckConstraint(
                name="payments_refund_completed",
                condition=Q(
                    status__in=["SUCCEEDED", "FAILED", "CONTRADICTED"], completed_at__isnull=False
                )
                | Q(
                    status__in=["REQUESTED", "PENDING", "NEEDS_ATTENTION"],
                    completed_at__isnull=True,
                ),
            ),
            models.UniqueConstraint(
                name="payments_refund_gateway_once",
                fields=["purchase", "gateway_id"],
                condition=~Q(gateway_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"refund of {self.coins} coins"


class RefundClosing(models.Model):
    """How finance ended a contradiction of a gateway about a refund.

    A closing that booked the money as paid is undone when the gateway says once more that it was
    not. Only ``payments.services.refund_closings`` writes here.
    """

    class Decision(models.TextChoices):
        COINS = "COINS", "Take the coins again; what is missing is the reader's debt"
        GOODWILL = "GOODWILL", "Bear it: the reader keeps coins and money"
        FAILED = "FAILED", "It failed after all"

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="closings")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    transaction = models.OneToOneField(
        "payments.Transaction",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="refund_closing",
        help_text="What booked it; empty where nothing was paid.",
    )
    coins = models.PositiveIntegerField(default=0, help_text="Taken again.")
    value_micros = models.BigIntegerField(default=0, help_text="What they released, USD micros.")
    owed_micros = models.BigIntegerField(default=0, help_text="The reader's debt, USD micros.")
    goodwill_micros = models.BigIntegerField(default=0, help_text="Our cost, USD micros.")
    refunded_micros = models.BigIntegerField(
        default=0, help_text="What the purchase counts as given back, in the paid currency."
    )
    reason = models.CharField(max_length=300)
    approval_id = models.UUIDField(null=True, blank=True)
    closed_by = models.CharField(max_length=80)
    closed_at = models.DateTimeField()
    undone_by = models.OneToOneField(
        "payments.Transaction",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_refund_closing",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_refundclosing_amounts",
                condition=Q(
                    value_micros__gte=0,
                    owed_micros__gte=0,
                    goodwill_micros__gte=0,
                    refunded_micros__gte=0,
                ),
            ),
            models.CheckConstraint(
                name="payments_refundclosing_paid_has_transaction",
                condition=Q(decision="FAILED", transaction__isnull=True)
                | (~Q(decision="FAILED") & Q(transaction__isnull=False)),
            ),
            models.UniqueConstraint(
                name="payments_refundclosing_one_in_force",
                fields=["refund"],
                condition=Q(transaction__isnull=False, undone_by__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"closing of {self.refund_id}"

    @property
    def blocker(self) -> str:
        """What a wallet says that it was blocked by, where the reader owes for it."""
        return f"refund:{self.refund_id}"
