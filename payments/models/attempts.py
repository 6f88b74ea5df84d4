"""What was asked of a gateway, written down before it was asked."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.enums import Provider

PATIENCE = timedelta(hours=24)
"""How long an outcome may stay unknown before a person looks (gateways.md, section 7)."""


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Attempts, in the words of the domain."""

    def unresolved(self) -> "AttemptQuerySet":
        """Asked, and nobody knows yet what came of it."""
        return self.filter(state__in=Attempt.UNRESOLVED)

    def awaiting_finance(self, now: datetime) -> "AttemptQuerySet":
        """Unresolved for so long that a person has to find out."""
        return self.unresolved().filter(created_at__lte=now - PATIENCE)


class Attempt(models.Model):
    """One operation at a gateway: its row is committed before the call goes out.

    SENDING -> ANSWERED, REFUSED (certainly not done), UNSENT (did not reach the gateway) or UNKNOWN
    (perhaps done). One that stays SENDING died with its worker and counts as UNKNOWN. A later call
    for the same thing has the same key and reference, and uses the same row.
    """

    class State(models.TextChoices):
        SENDING = "SENDING", "Sending"
        ANSWERED = "ANSWERED", "Answered"
        REFUSED = "REFUSED", "Refused"
        UNSENT = "UNSENT", "Not sent"
        UNKNOWN = "UNKNOWN", "Unknown"
        EXPLAINED = "EXPLAINED", "Explained by finance"

    UNRESOLVED = (State.SENDING, State.UNKNOWN)

    provider = models.CharField(max_length=8, choices=Provider.choices)
    operation = models.CharField(max_length=40)
    key = models.CharField(max_length=160, help_text="Idempotency key, the same at every try.")
    reference = models.CharField(max_length=64, help_text="Ours, at the gateway.")
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of what was asked for.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.SENDING)
    tries = models.PositiveIntegerField(default=1)
    error = models.CharField(max_length=300, default="", blank=True)
    note = models.CharField(max_length=500, default="", blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(help_text="The last try.")
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="payments_attempt_once", fields=["provider", "key"]),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"],
                name="payments_attempt_unresolved",
                condition=Q(state__in=["SENDING", "UNKNOWN"]),
            ),
            models.Index(fields=["object_type", "object_id"], name="payments_attempt_object"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.reference}"
