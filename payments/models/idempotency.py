"""Requests that were sent with an Idempotency-Key, and what they were answered."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class IdempotencyKey(models.Model):
    """One keyed request of one caller: whoever claims the key runs, all others get the answer.

    A local operation writes its row once, answered, in the transaction of its effect. A remote one
    commits the row before it calls anybody (``object_id`` chosen, ``locked_until`` its lease), and
    answers it afterwards; after the lease a retry resumes with the same ``object_id``. Rows go 30
    days after they were made. Only ``payments.idempotency`` writes them.
    """

    scope = models.CharField(max_length=64, help_text="SHA-256 of issuer, client and subject.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    object_id = models.UUIDField(
        null=True, blank=True, help_text="What a remote operation makes, chosen beforehand."
    )
    locked_until = models.DateTimeField(null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer_headers = models.JSONField(default=dict, blank=True)
    answer_body = models.BinaryField(null=True, blank=True, help_text="The very bytes sent first.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="payments_idempotencykey_once", fields=["scope", "key"]),
            models.CheckConstraint(
                name="payments_idempotencykey_whole_answer",
                condition=Q(answer_status__isnull=True, answer_body__isnull=True)
                | Q(answer_status__isnull=False, answer_body__isnull=False),
            ),
            models.CheckConstraint(
                name="payments_idempotencykey_expires_later",
                condition=Q(expires_at__gt=F("created_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.answer_status or 'not answered'})"
