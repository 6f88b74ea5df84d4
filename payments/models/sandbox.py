"""The sandbox gateway's own books. Never read by our services: only the gateway speaks for them."""

from typing import ClassVar

from django.db import models

from legato_payments.lib.jobs import DueQuerySet, DueRow


class SandboxCharge(models.Model):
    """A payment at the sandbox gateway, as a real gateway would keep it."""

    class Status(models.TextChoices):
        OPEN = "OPEN", "Open"
        AUTHENTICATING = "AUTHENTICATING", "Authenticating"
        SUCCEEDED = "SUCCEEDED", "Succeeded"
        FAILED = "FAILED", "Failed"
        CANCELLED = "CANCELLED", "Cancelled"

    id = models.CharField(max_length=40, primary_key=True)
    key = models.CharField(max_length=160, unique=True, help_text="Idempotency key of the call.")
    reference = models.CharField(max_length=64, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    fee_minor = models.BigIntegerField(null=True, blank=True)
    description = models.CharField(max_length=200, default="", blank=True)
    return_url = models.CharField(max_length=500, default="", blank=True)
    method = models.CharField(
        max_length=40, default="", blank=True, help_text="A test method, or a kept one's id."
    )
    keeps_method = models.BooleanField(
        default=False, db_default=False, help_text="What pays it is kept for later payments."
    )
    metadata = models.JSONField(default=dict)
    status = models.CharField(max_length=14, choices=Status.choices, default=Status.OPEN)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


class SandboxMethod(models.Model):
    """A card that the sandbox gateway keeps; its id is the token that charges it."""

    id = models.CharField(max_length=40, primary_key=True)
    charge = models.OneToOneField(
        SandboxCharge, models.CASCADE, related_name="kept", help_text="What it first paid."
    )
    acts_as = models.CharField(max_length=40, help_text="The test method it behaves as.")
    is_detached = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.id


class SandboxRefund(models.Model):
    """A refund at the sandbox gateway."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        NEEDS_ATTENTION = "NEEDS_ATTENTION", "Needs attention"
        SUCCEEDED = "SUCCEEDED", "Succeeded"
        FAILED = "FAILED", "Failed"

    id = models.CharField(max_length=40, primary_key=True)
    key = models.CharField(max_length=160, unique=True, help_text="Idempotency key of the call.")
    reference = models.CharField(max_length=64, blank=True, help_text="Empty: made by hand there.")
    charge = models.ForeignKey(SandboxCharge, models.CASCADE, related_name="refunds")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=15, choices=Status.choices)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


class SandboxDispute(models.Model):
    """A dispute at the sandbox gateway."""

    class Status(models.TextChoices):
        NEEDS_RESPONSE = "NEEDS_RESPONSE", "Needs response"
        UNDER_REVIEW = "UNDER_REVIEW", "Under review"
        WON = "WON", "Won"
        LOST = "LOST", "Lost"

    id = models.CharField(max_length=40, primary_key=True)
    charge = models.ForeignKey(SandboxCharge, models.CASCADE, related_name="disputes")
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    fee_returned_minor = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=64)
    status = models.CharField(max_length=14, choices=Status.choices, default=Status.NEEDS_RESPONSE)
    holds_funds = models.BooleanField(default=True)
    is_withdrawn = models.BooleanField(default=False)
    evidence = models.JSONField(null=True, blank=True)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


class SandboxSettlement(models.Model):
    """A transfer of the sandbox's balance to our bank."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        PAID = "PAID", "Paid"
        FAILED = "FAILED", "Failed"

    id = models.CharField(max_length=40, primary_key=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=7, choices=Status.choices)
    created_at = models.DateTimeField()
    arrives_on = models.DateField()

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


class SandboxLine(models.Model):
    """A line of the sandbox's own book: its balance for us changed by gross less fee."""

    kind = models.CharField(max_length=20)
    source_id = models.CharField(max_length=40)
    reference = models.CharField(max_length=64, default="", blank=True)
    gross_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    occurred_at = models.DateTimeField()
    settlement = models.ForeignKey(
        SandboxSettlement, models.CASCADE, null=True, blank=True, related_name="lines"
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["occurred_at", "id"], name="payments_sandboxline_day"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.gross_minor} {self.currency}"


class SandboxDeliveryQuerySet(DueQuerySet["SandboxDelivery"]):
    """Webhooks the sandbox owes us."""


class SandboxDelivery(DueRow):
    """A webhook that the sandbox owes us, retried until it is answered with a 2xx."""

    event_id = models.CharField(max_length=40, unique=True)
    charge = models.ForeignKey(SandboxCharge, models.CASCADE, related_name="deliveries")
    body = models.BinaryField()
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = SandboxDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "sandbox deliveries"
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.event_id
