"""Who changed what, and why."""

from typing import ClassVar

from django.db import models

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7


class AuditEntry(AppendOnly):
    """One change of money state or configuration, by one actor. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    occurred_at = models.DateTimeField()
    actor = models.CharField(max_length=80, help_text="user:x, staff:7, service:y or system:task.")
    action = models.CharField(max_length=64, help_text="For example payments.package.changed.")
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.CharField(max_length=300, default="", blank=True)
    request_id = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["object_type", "object_id"], name="payments_auditentry_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id} by {self.actor}"
