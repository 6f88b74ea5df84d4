"""The double-entry ledger: accounts, transactions and their entries.

Written by ``payments.ledger`` alone (an import contract keeps it so). ``Transaction``, ``Entry``
and ``LotUse`` are append-only: the database refuses to change them, whoever asks.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7
from payments.enums import GATEWAY_KINDS, TransactionKind, Unit


class Account(models.Model):
    """A place where value sits: a reader's wallet, a writer's earnings, the coins we owe.

    A ``GUARDED`` account may never go below zero, and a domain row (a wallet) holds its balance. A
    ``DERIVED`` account has no stored balance: it is only ever inserted into, so that a popular
    writer is no bottleneck.
    """

    class Owner(models.TextChoices):
        PLATFORM = "PLATFORM", "Platform"
        USER = "USER", "Reader"
        WRITER = "WRITER", "Writer"

    class Type(models.TextChoices):
        ASSET = "ASSET", "Asset"
        LIABILITY = "LIABILITY", "Liability"
        INCOME = "INCOME", "Income"
        EXPENSE = "EXPENSE", "Expense"
        POSITION = "POSITION", "Position"

    class Mode(models.TextChoices):
        GUARDED = "GUARDED", "Guarded"
        DERIVED = "DERIVED", "Derived"

    code = models.CharField(max_length=64, help_text="Chart code, for example coins_deferred.")
    owner_type = models.CharField(max_length=8, choices=Owner.choices, default=Owner.PLATFORM)
    owner_id = models.CharField(max_length=64, default="", blank=True)
    unit = models.CharField(max_length=4, choices=Unit.choices)
    type = models.CharField(max_length=9, choices=Type.choices)
    normal_side = models.SmallIntegerField(help_text="1: grows by debits, -1: grows by credits.")
    mode = models.CharField(max_length=7, choices=Mode.choices, default=Mode.DERIVED)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_account_unique",
                fields=["code", "owner_type", "owner_id", "unit"],
            ),
            models.UniqueConstraint(name="payments_account_id_unit", fields=["id", "unit"]),
            models.CheckConstraint(
                name="payments_account_normal_side", condition=Q(normal_side__in=[1, -1])
            ),
            models.CheckConstraint(
                name="payments_account_owner",
                condition=Q(owner_type="PLATFORM", owner_id="")
                | (~Q(owner_type="PLATFORM") & ~Q(owner_id="")),
            ),
        ]

    def __str__(self) -> str:
        owner = f":{self.owner_id}" if self.owner_id else ""
        return f"{self.code}{owner} {self.unit}"


class Transaction(AppendOnly):
    """One business event, recorded as two or more entries that sum to zero in every unit.

    A coin purchase gets its id when it starts, and its transaction takes that id when it settles.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=24, choices=TransactionKind.choices)
    source_type = models.CharField(max_length=24, help_text="What caused it, e.g. purchase.")
    source_id = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=160)
    payload_hash = models.BinaryField(max_length=32, help_text="SHA-256 of what was posted.")
    occurred_at = models.DateTimeField(help_text="When it happened, UTC.")
    recorded_at = models.DateTimeField(help_text="When this row was written, UTC.")
    posted_on = models.DateField(
        help_text="Accounting day: its own, or the first of the oldest open month."
    )
    line_count = models.PositiveIntegerField()
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    relates_to = models.UUIDField(null=True, blank=True, db_index=True)
    fx_rate = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        null=True,
        blank=True,
        help_text="Units of the paid currency per US dollar.",
    )
    actor = models.CharField(max_length=80, help_text="user:x, staff:7, service:y or system:task.")
    memo = models.CharField(max_length=200, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            # Not ``unique=True``: that adds a second index, for LIKE.
            models.UniqueConstraint(name="payments_transaction_key", fields=["idempotency_key"]),
            models.CheckConstraint(
                name="payments_transaction_two_lines", condition=Q(line_count__gte=2)
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["source_type", "source_id"], name="payments_transaction_source"),
            models.Index(
                fields=["occurred_at"],
                name="payments_transaction_gateway",
                condition=Q(kind__in=GATEWAY_KINDS),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.id}"


class Entry(AppendOnly):
    """One line of a transaction."""

    # Found through the unique index of (transaction, line). No foreign key in the database: the
    # balance trigger refuses lines without their header, and no header is ever deleted.
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="entries", db_constraint=False, db_index=False
    )
    line = models.PositiveIntegerField(help_text="1 to the transaction's line count.")
    # No foreign key to Account: its key-share locks on the few shared account rows cost a quarter
    # of the throughput. The balance trigger checks that the account exists and has this unit.
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="entries", db_constraint=False, db_index=False
    )
    unit = models.CharField(max_length=4, choices=Unit.choices)
    amount = models.BigIntegerField(help_text="Micros or coins; debit > 0, credit < 0.")

    class Meta:
        verbose_name_plural = "entries"
        constraints: ClassVar = [
            models.UniqueConstraint(name="payments_entry_line", fields=["transaction", "line"]),
            models.CheckConstraint(name="payments_entry_not_zero", condition=~Q(amount=0)),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "transaction"],
                include=["amount"],
                name="payments_entry_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id}/{self.line}: {self.amount:+d} {self.unit}"
