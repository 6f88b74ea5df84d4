"""What a gateway says against what our books say: runs, days, and the differences between them."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7
from payments.enums import Provider

LONG_OPEN = timedelta(hours=48)
"""A difference that is open for longer needs somebody's attention (backoffice.md, section 2)."""


class ReconciliationRun(models.Model):
    """One comparison of one gateway over some days.

    A provider has one run at a time: another may begin when it finished, or when ``locked_until``
    has passed because its worker died.
    """

    class Status(models.TextChoices):
        RUNNING = "RUNNING", "Running"
        DONE = "DONE", "Done"
        FAILED = "FAILED", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    starts_at = models.DateTimeField(help_text="Of the window, included.")
    ends_at = models.DateTimeField(help_text="Of the window, excluded.")
    actor = models.CharField(max_length=80)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.RUNNING)
    started_at = models.DateTimeField()
    locked_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    matched = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0, help_text="Differences seen, open or new.")
    resolved = models.PositiveIntegerField(default=0, help_text="Differences that are gone.")
    error = models.CharField(max_length=300, default="", blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_reconciliationrun_one",
                fields=["provider"],
                condition=Q(status="RUNNING"),
            ),
            models.CheckConstraint(
                name="payments_reconciliationrun_window", condition=Q(ends_at__gt=F("starts_at"))
            ),
            models.CheckConstraint(
                name="payments_reconciliationrun_finished",
                condition=Q(status="RUNNING", finished_at__isnull=True)
                | (~Q(status="RUNNING") & Q(finished_at__isnull=False)),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["provider", "-started_at"], name="payments_reconrun_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"


class ReconciliationDay(models.Model):
    """One gateway, day and currency: what its book says and what ours says, micros.

    ``elsewhere_micros`` is what agrees but stands on another day here, is on its way, or was
    explained; theirs less ours less that is ``difference_micros``. The newest run writes it anew.
    """

    provider = models.CharField(max_length=8, choices=Provider.choices)
    day = models.DateField(help_text="UTC.")
    currency = models.CharField(max_length=3)
    their_gross_micros = models.BigIntegerField()
    their_fee_micros = models.BigIntegerField()
    our_gross_micros = models.BigIntegerField()
    our_fee_micros = models.BigIntegerField()
    elsewhere_micros = models.BigIntegerField()
    matched = models.PositiveIntegerField()
    repaired = models.PositiveIntegerField(help_text="By any run so far.")
    run = models.ForeignKey(ReconciliationRun, models.PROTECT, related_name="days")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_reconciliationday_once", fields=["provider", "day", "currency"]
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-day", "provider", "currency"], name="payments_reconday_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.day} {self.currency}"

    @property
    def their_net_micros(self) -> int:
        """What our balance at the gateway changed by, by its book."""
        return self.their_gross_micros - self.their_fee_micros

    @property
    def our_net_micros(self) -> int:
        """What it changed by, by ours."""
        return self.our_gross_micros - self.our_fee_micros

    @property
    def difference_micros(self) -> int:
        """What is left to be explained."""
        return self.their_net_micros - self.our_net_micros - self.elsewhere_micros


class DifferenceQuerySet(models.QuerySet["Difference"]):
    """Differences, in the words of the domain."""

    def open(self) -> "DifferenceQuerySet":
        """Those that nobody has closed."""
        return self.filter(status=Difference.Status.OPEN)

    def long_open(self, now: datetime) -> "DifferenceQuerySet":
        """Open for longer than two days."""
        return self.open().filter(first_seen_at__lte=now - LONG_OPEN)


class Difference(models.Model):
    """One thing about which a gateway and our books disagree.

    OPEN -> CLOSED, once: matched with its counterpart, explained, adjusted in the books, or
    resolved by itself when a later run finds it gone. A closed one is never opened again: what
    shows unchanged stays closed, what changed is a new row. Never deleted, which the database
    refuses. Only ``payments.services.differences`` writes here.
    """

    class Subject(models.TextChoices):
        CHARGE = "CHARGE", "Charge"
        REFUND = "REFUND", "Refund"
        DISPUTE = "DISPUTE", "Dispute"
        FEE = "FEE", "Fee"
        LEDGER_LINE = "LEDGER_LINE", "Ledger line"
        SETTLEMENT = "SETTLEMENT", "Settlement"
        BALANCE = "BALANCE", "Balance"

    class Kind(models.TextChoices):
        MISSING_HERE = "MISSING_HERE", "Missing here"
        MISSING_THERE = "MISSING_THERE", "Missing at the gateway"
        AMOUNT = "AMOUNT", "Amount differs"
        CURRENCY = "CURRENCY", "Currency differs"
        FEE = "FEE", "Fee differs"
        STATUS = "STATUS", "Status differs"
        DUPLICATE = "DUPLICATE", "Duplicate"

    class Status(models.TextChoices):
        OPEN = "OPEN", "Open"
        CLOSED = "CLOSED", "Closed"

    class Closing(models.TextChoices):
        MATCHED = "MATCHED", "Matched"
        EXPLAINED = "EXPLAINED", "Explained"
        ADJUSTED = "ADJUSTED", "Adjusted"
        RESOLVED = "RESOLVED", "Gone by itself"

    class Reason(models.TextChoices):
        TIMING = "TIMING", "Booked on another day"
        GATEWAY_ERROR = "GATEWAY_ERROR", "The gateway's mistake, which it puts right"
        NOT_OURS = "NOT_OURS", "Belongs to another business of the same account"
        TEST = "TEST", "A test payment"
        HANDLED = "HANDLED", "Dealt with by hand, see the note"
        OTHER = "OTHER", "Something else, see the note"

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    day = models.DateField(help_text="UTC day of the gateway's list it was first found in.")
    subject = models.CharField(max_length=11, choices=Subject.choices)
    kind = models.CharField("class", max_length=13, choices=Kind.choices)
    key = models.CharField(max_length=160, help_text="Of its subject; the same in every run.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of both sides.")
    reference = models.CharField(max_length=64, default="", blank=True, help_text="Ours.")
    gateway_id = models.CharField(max_length=128, default="", blank=True)
    object_type = models.CharField(max_length=40, default="", blank=True)
    object_id = models.CharField(max_length=64, default="", blank=True)
    ours = models.JSONField(null=True, blank=True, help_text="Empty: we have nothing.")
    theirs = models.JSONField(null=True, blank=True, help_text="Empty: the gateway has nothing.")
    gap_micros = models.BigIntegerField(
        null=True, blank=True, help_text="What the gateway holds for us beyond our books."
    )
    currency = models.CharField(max_length=3, default="", blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    owner = models.CharField(max_length=80, default="", blank=True, help_text="Who looks into it.")
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    closing = models.CharField(max_length=9, choices=Closing.choices, default="", blank=True)
    reason_code = models.CharField(max_length=13, choices=Reason.choices, default="", blank=True)
    matched_with = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="matches"
    )
    matched_object = models.CharField(max_length=120, default="", blank=True)
    approval = models.OneToOneField(
        "payments.ApprovalRequest",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="difference",
    )
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="difference"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=80, default="", blank=True)

    objects = DifferenceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_difference_one_open",
                fields=["provider", "subject", "kind", "key"],
                condition=Q(status="OPEN"),
            ),
            models.CheckConstraint(
                name="payments_difference_closed",
                condition=Q(status="OPEN", closing="", closed_at__isnull=True)
                | (Q(status="CLOSED", closed_at__isnull=False) & ~Q(closing="")),
            ),
            models.CheckConstraint(
                name="payments_difference_adjusted",
                condition=Q(closing="ADJUSTED", approval__isnull=False, transaction__isnull=False)
                | (~Q(closing="ADJUSTED") & Q(approval__isnull=True, transaction__isnull=True)),
            ),
            models.CheckConstraint(
                name="payments_difference_explained",
                condition=(Q(closing="EXPLAINED") & ~Q(reason_code=""))
                | (~Q(closing="EXPLAINED") & Q(reason_code="")),
            ),
            models.CheckConstraint(
                name="payments_difference_sides",
                condition=Q(ours__isnull=False) | Q(theirs__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["provider", "subject", "kind", "key", "-id"], name="payments_difference_key"
            ),
            models.Index(
                fields=["provider", "day"],
                name="payments_difference_open",
                condition=Q(status="OPEN"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_subject_display()} {self.reference or self.gateway_id or self.key}"


class DifferenceNote(AppendOnly):
    """What somebody, or a run, had to say about a difference."""

    difference = models.ForeignKey(Difference, models.PROTECT, related_name="notes")
    text = models.CharField(max_length=500)
    written_by = models.CharField(max_length=80)
    written_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.text
