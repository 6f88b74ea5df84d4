"""Writers, and who wrote what."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class Writer(models.Model):
    """A person who earns. Known from the first content or registration on."""

    class Level(models.TextChoices):
        STANDARD = "STANDARD", "Standard"
        PARTNER = "PARTNER", "Partner"

    writer_id = models.CharField(max_length=64, primary_key=True, help_text="The platform user id.")
    first_seen_at = models.DateTimeField()
    level = models.CharField(max_length=8, choices=Level.choices, default=Level.STANDARD)
    country = models.CharField(max_length=2, default="", blank=True, help_text="ISO 3166-1.")

    def __str__(self) -> str:
        return self.writer_id


class Authorship(models.Model):
    """A writer's share of one piece of content, over a span of time.

    The open rows of a content (no ``valid_to``) sum to 10,000 basis points. A change closes them
    and opens new ones; ``revenue.services.authorships`` alone writes here.
    """

    content_id = models.CharField(max_length=64)
    writer = models.ForeignKey(Writer, models.PROTECT, related_name="authorships")
    share_bps = models.PositiveIntegerField()
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["content_id", "-valid_from"], name="revenue_authorship_content"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="revenue_authorship_one_open",
                fields=["content_id", "writer"],
                condition=Q(valid_to__isnull=True),
            ),
            models.CheckConstraint(
                name="revenue_authorship_share", condition=Q(share_bps__gt=0, share_bps__lte=10_000)
            ),
            models.CheckConstraint(
                name="revenue_authorship_span",
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.writer_id}: {self.share_bps} bps of {self.content_id}"
