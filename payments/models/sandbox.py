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
    status = models.CharField(max_length=14, choices=Status.choices, default=Status.OPEN)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


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
