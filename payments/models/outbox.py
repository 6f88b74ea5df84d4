"""The outbox: what other services are told, written with the change itself."""

from typing import ClassVar

from django.db import models

from legato_payments.lib.ids import uuid7


class OutboxEvent(models.Model):
    """One event, in the same database transaction as what it tells of.

    ``sequence`` is given after the commit by one publisher, without gaps, and is the order in which
    readers see events. Nothing else ever changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    type = models.CharField(max_length=64, help_text="For example payments.purchase.settled.")
    subject = models.CharField(max_length=64, help_text="Whom it is about: a user or writer id.")
    payload = models.JSONField()
    occurred_at = models.DateTimeField()
    trace_id = models.CharField(max_length=64, default="", blank=True)
    sequence = models.BigIntegerField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            # Partial: an event that has no number yet is in one index less.
            models.UniqueConstraint(
                name="payments_outboxevent_sequence",
                fields=["sequence"],
                condition=models.Q(sequence__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                name="payments_outboxevent_waiting",
                condition=models.Q(sequence__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"
