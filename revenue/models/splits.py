"""What part of each stream goes to writers, as dated rows."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from payments.enums import Stream
from revenue.models.writers import Writer


class StreamTerms(models.Model):
    """The agreed band of a stream's rate, and how long its earnings mature. Never edited."""

    stream = models.CharField(max_length=12, choices=Stream.choices)
    min_bps = models.PositiveIntegerField()
    max_bps = models.PositiveIntegerField()
    hold_days = models.PositiveSmallIntegerField(help_text="0: available when posted.")
    new_writer_hold_days = models.PositiveSmallIntegerField()
    new_writer_days = models.PositiveSmallIntegerField(
        help_text="How long a writer counts as new, from first seen."
    )
    valid_from = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name_plural = "stream terms"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="revenue_streamterms_band",
                condition=Q(min_bps__lte=F("max_bps"), max_bps__lte=10_000),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["stream", "-valid_from"], name="revenue_streamterms_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_stream_display()}: {self.min_bps}-{self.max_bps} bps"


class SplitRule(models.Model):
    """The writers' rate of a stream from a time on. Never edited: a new row supersedes.

    The most specific rule wins: one writer, then a level, then the stream's default.
    """

    stream = models.CharField(max_length=12, choices=Stream.choices)
    level = models.CharField(max_length=8, choices=Writer.Level.choices, default="", blank=True)
    writer = models.ForeignKey(
        Writer, models.PROTECT, null=True, blank=True, related_name="split_rules"
    )
    rate_bps = models.PositiveIntegerField()
    is_override = models.BooleanField(default=False, help_text="Outside the agreed band.")
    valid_from = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="revenue_splitrule_rate", condition=Q(rate_bps__lte=10_000)
            ),
            models.CheckConstraint(
                name="revenue_splitrule_one_target",
                condition=Q(level="") | Q(writer__isnull=True),
            ),
            models.CheckConstraint(
                name="revenue_splitrule_override_has_reason",
                condition=Q(is_override=False) | ~Q(reason=""),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["stream", "-valid_from", "-id"], name="revenue_splitrule_newest"),
        ]

    def __str__(self) -> str:
        target = self.writer_id or self.level or "everybody"
        return f"{self.get_stream_display()}, {target}: {self.rate_bps} bps"
