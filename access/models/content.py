"""The catalogue: what can be opened, and for how much."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.enums import Tier


class Content(models.Model):
    """One chapter, as the content service last described it.

    ``price_coins`` is what it costs now: what the content service said, or the default rule.
    """

    content_id = models.CharField(max_length=64, primary_key=True)
    title = models.CharField(max_length=200)
    price_coins = models.PositiveIntegerField()
    word_count = models.PositiveIntegerField(null=True, blank=True)
    is_free = models.BooleanField(default=False)
    is_published = models.BooleanField(default=True)
    required_tier = models.CharField(
        max_length=7,
        choices=Tier.choices,
        default="",
        blank=True,
        help_text="The lowest subscription tier that opens it.",
    )
    series_id = models.CharField(max_length=64, default="", blank=True)
    position = models.PositiveIntegerField(
        null=True, blank=True, help_text="In the series, from 1."
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "content"
        indexes: ClassVar = [
            models.Index(fields=["series_id", "position"], name="access_content_series"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="access_content_price",
                condition=Q(is_free=True, price_coins=0) | Q(is_free=False, price_coins__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.title
