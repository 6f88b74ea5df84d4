"""What writers earned."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.append_only import AppendOnly
from payments.enums import Stream


class Earning(AppendOnly):
    """One writer's part of one ledger transaction, in USD micros. Append-only.

    Pending until ``matures_at``, available afterwards. A reversal is a row of its own with a
    negative amount and the maturity of the row it reverses. A lost dispute claws back a part of an
    earning, perhaps several times; a dispute that is won after all gives such a part back.
    """

    # Found through the unique index of (transaction, writer, stream).
    transaction = models.ForeignKey(
        "payments.Transaction", models.PROTECT, related_name="earnings", db_index=False
    )
    # No foreign keys in the database to rows that every sale of a writer shares: their key-share
    # locks would make a popular writer slow (performance.md, section 4).
    writer = models.ForeignKey(
        "revenue.Writer",
        models.PROTECT,
        related_name="earnings",
        db_index=False,
        db_constraint=False,
    )
    stream = models.CharField(max_length=12, choices=Stream.choices)
    content_id = models.CharField(max_length=64, default="", blank=True)
    amount_micros = models.BigIntegerField()
    coins = models.BigIntegerField(default=0, help_text="Coins of the whole transaction.")
    promo_coins = models.BigIntegerField(default=0)
    rule = models.ForeignKey(
        "revenue.SplitRule", models.PROTECT, db_index=False, db_constraint=False
    )
    rate_bps = models.PositiveIntegerField(help_text="The rule's rate when it was applied.")
    share_bps = models.PositiveIntegerField(help_text="The author's share of the content.")
    reader_country = models.CharField(max_length=2, default="", blank=True)
    occurred_at = models.DateTimeField()
    matures_at = models.DateTimeField()
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    claws_back = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="clawbacks", db_index=False
    )
    gives_back = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="given_back_by"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="revenue_earning_once",
                fields=["transaction", "writer", "stream"],
                condition=Q(claws_back__isnull=True, gives_back__isnull=True),
            ),
            models.UniqueConstraint(
                name="revenue_earning_clawed_back_once",
                fields=["claws_back", "transaction"],
                condition=Q(claws_back__isnull=False),
            ),
            models.CheckConstraint(
                name="revenue_earning_sign",
                condition=Q(reverses__isnull=True, claws_back__isnull=True, amount_micros__gte=0)
                | Q(reverses__isnull=False, gives_back__isnull=True, amount_micros__lte=0)
                | Q(claws_back__isnull=False, gives_back__isnull=True, amount_micros__lte=0),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["writer", "occurred_at"], name="revenue_earning_writer"),
        ]

    def __str__(self) -> str:
        return f"{self.writer_id}: {self.amount_micros} micros"
