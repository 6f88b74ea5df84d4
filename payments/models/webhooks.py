"""The inbox of the gateways' webhooks."""

from typing import ClassVar

from django.db import models

from legato_payments.lib.jobs import DueQuerySet, DueRow
from payments.enums import Provider


class WebhookEventQuerySet(DueQuerySet["WebhookEvent"]):
    """Deliveries, in the words of the domain."""


class WebhookEvent(DueRow):
    """One verified delivery, stored once, answered at once, processed later by a job."""

    class Status(models.TextChoices):
        RECEIVED = "RECEIVED", "Received"
        PROCESSED = "PROCESSED", "Processed"
        IGNORED = "IGNORED", "Ignored"
        FAILED = "FAILED", "Failed"

    provider = models.CharField(max_length=8, choices=Provider.choices)
    dedupe_key = models.CharField(max_length=128)
    kind = models.CharField(max_length=64)
    reference = models.CharField(max_length=128, default="", blank=True)
    object_id = models.CharField(max_length=128, default="", db_default="", blank=True)
    payment_id = models.CharField(max_length=128, default="", db_default="", blank=True)
    body = models.BinaryField(help_text="As it arrived.")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RECEIVED)
    error = models.CharField(max_length=300, default="", blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_webhookevent_once", fields=["provider", "dedupe_key"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind} {self.dedupe_key}"
