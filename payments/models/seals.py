"""Sealing: the hash chain over the books, daily sums per account, and months that close."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.append_only import AppendOnly


class Unsealed(models.Model):
    """A transaction that is in the books and not in the chain yet. Written by a trigger."""

    # No foreign key in the database: the trigger that writes the row fires on the transaction.
    transaction = models.OneToOneField(
        "payments.Transaction",
        models.PROTECT,
        primary_key=True,
        related_name="unsealed",
        db_constraint=False,
    )

    class Meta:
        verbose_name_plural = "unsealed"

    def __str__(self) -> str:
        return str(self.transaction_id)


class Seal(AppendOnly):
    """One link of the chain: SHA-256 of the link before and of the transaction, canonically.

    ``sequence`` has no gaps. Whoever keeps the newest hash elsewhere can tell any change of what
    was sealed before it.
    """

    sequence = models.BigIntegerField(primary_key=True)
    transaction = models.OneToOneField("payments.Transaction", models.PROTECT, related_name="seal")
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"#{self.sequence}"


class AccountDay(models.Model):
    """What an account moved on one accounting day, of the transactions sealed so far.

    A projection: it can be dropped and summed again from the entries.
    """

    account = models.ForeignKey(
        "payments.Account", models.PROTECT, related_name="days", db_constraint=False
    )
    day = models.DateField()
    debits = models.BigIntegerField(default=0)
    credits = models.BigIntegerField(default=0, help_text="A positive number.")
    last_sequence = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="payments_accountday_once", fields=["account", "day"]),
            models.CheckConstraint(
                name="payments_accountday_positive", condition=Q(debits__gte=0, credits__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}"


class Period(models.Model):
    """An accounting month, from open over closing to closed.

    Closing, it takes no new transaction: late ones go to the next month. It is closed once whatever
    was under way when closing began has ended and is sealed; ``sealed_root`` is the chain's hash
    then. A month without a row is open.
    """

    class Status(models.TextChoices):
        OPEN = "OPEN", "Open"
        CLOSING = "CLOSING", "Closing"
        CLOSED = "CLOSED", "Closed"

    month = models.DateField(primary_key=True, help_text="Its first day.")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.OPEN)
    closing_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The database's clock, once the closing was visible to everybody.",
    )
    last_sequence = models.BigIntegerField(null=True, blank=True)
    sealed_root = models.BinaryField(max_length=32, null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=80, default="", blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_period_closed_is_sealed",
                condition=~Q(status="CLOSED")
                | Q(
                    sealed_root__isnull=False, closed_at__isnull=False, last_sequence__isnull=False
                ),
            ),
            models.CheckConstraint(name="payments_period_first_day", condition=Q(month__day=1)),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class AuditSeal(AppendOnly):
    """One link of the audit log's own chain, as ``Seal`` is of the books'."""

    sequence = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField("payments.AuditEntry", models.PROTECT, related_name="seal")
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"#{self.sequence}"
