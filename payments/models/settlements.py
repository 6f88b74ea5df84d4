"""Transfers of a gateway's balance to our bank, and what the bank says of them."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7
from payments.enums import Currency, Provider


class SettlementQuerySet(models.QuerySet["Settlement"]):
    """Settlements, in the words of the domain."""

    def at_the_bank(self) -> Self:
        """With ``has_arrived`` and ``has_come_back``: whether a line of a statement shows it."""
        lines = BankReceipt.objects.filter(settlement=OuterRef("pk"))
        return self.annotate(
            has_arrived=Exists(lines.filter(is_return=False)),
            has_come_back=Exists(lines.filter(is_return=True)),
        )

    def with_a_line_to_come(self) -> Self:
        """Those that a line of a statement may still be about."""
        return self.at_the_bank().filter(
            Q(status=Settlement.Status.PAID, has_arrived=False)
            | Q(status=Settlement.Status.RETURNED, has_come_back=False)
        )

    def not_at_the_bank(self, *, promised_before: date) -> Self:
        """Paid, or come back after the bank had it, long ago, and no statement shows that."""
        return self.with_a_line_to_come().filter(
            Q(status=Settlement.Status.PAID) | Q(has_arrived=True),
            arrives_on__lt=promised_before,
        )

    def with_other_lines(self) -> Self:
        """Those whose amount is not what the gateway's own lines come to."""
        return self.filter(lines_status=Settlement.Lines.READ).exclude(
            lines_net_micros=F("amount_micros")
        )


class Settlement(models.Model):
    """A transfer of a gateway's balance to our bank account, as the gateway last described it.

    PENDING until it is PAID, when the books move the money from the gateway to the bank, or FAILED.
    RETURNED: it was paid, and failed days later; the books moved the money back. Below zero it is
    money that the gateway took from our account. Only ``services.settlements`` writes here, and a
    trigger refuses to delete a row.

    The sums say what the gateway's own lines of the transfer changed our balance by: ``charges``
    above zero, ``refunds``, ``disputes`` and ``fees`` below, and ``lines_net`` is all of them.
    """

    class Status(models.TextChoices):
        PENDING = "PENDING", "On its way"
        PAID = "PAID", "Paid"
        FAILED = "FAILED", "Failed"
        RETURNED = "RETURNED", "Returned after it was paid"

    class Lines(models.TextChoices):
        UNREAD = "UNREAD", "Not read yet"
        READ = "READ", "Read"
        UNKNOWN = "UNKNOWN", "The gateway does not say"

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    gateway_id = models.CharField(max_length=128)
    status = models.CharField(max_length=8, choices=Status.choices)
    currency = models.CharField(max_length=3, choices=Currency.choices)
    amount_micros = models.BigIntegerField(help_text="What reaches the bank.")
    arrives_on = models.DateField(help_text="Day the bank should have it, by the gateway.")
    bank_reference = models.CharField(
        max_length=128, default="", blank=True, help_text="What a statement may show of it."
    )
    created_at = models.DateTimeField(help_text="When the gateway made it.")
    seen_at = models.DateTimeField(help_text="When we first heard of it.")
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="settlement"
    )
    return_transaction = models.OneToOneField(
        "payments.Transaction",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="returned_settlement",
    )

    lines_status = models.CharField(max_length=7, choices=Lines.choices, default=Lines.UNREAD)
    line_count = models.PositiveIntegerField(default=0)
    charges_micros = models.BigIntegerField(default=0)
    refunds_micros = models.BigIntegerField(default=0)
    disputes_micros = models.BigIntegerField(default=0)
    fees_micros = models.BigIntegerField(default=0)
    other_micros = models.BigIntegerField(default=0)
    lines_net_micros = models.BigIntegerField(default=0)

    has_arrived: bool
    """Whether a line of a statement pays it in; of ``objects.at_the_bank()`` only."""
    has_come_back: bool
    """Whether one takes it back; the same."""

    objects = SettlementQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_settlement_once", fields=["provider", "gateway_id"]
            ),
            models.CheckConstraint(
                name="payments_settlement_not_zero", condition=~Q(amount_micros=0)
            ),
            models.CheckConstraint(
                name="payments_settlement_posted",
                condition=Q(
                    status__in=["PENDING", "FAILED"],
                    transaction__isnull=True,
                    return_transaction__isnull=True,
                )
                | Q(status="PAID", transaction__isnull=False, return_transaction__isnull=True)
                | Q(status="RETURNED", transaction__isnull=False, return_transaction__isnull=False),
            ),
            models.CheckConstraint(
                name="payments_settlement_lines_net",
                condition=Q(
                    lines_net_micros=F("charges_micros")
                    + F("refunds_micros")
                    + F("disputes_micros")
                    + F("fees_micros")
                    + F("other_micros")
                ),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at", "id"], name="payments_settlement_created"),
            models.Index(fields=["currency", "amount_micros"], name="payments_settlement_amount"),
        ]

    def __str__(self) -> str:
        return f"settlement {self.gateway_id}"

    @property
    def difference_micros(self) -> int | None:
        """What the transfer has more than its lines; ``None`` while the lines are not known."""
        if self.lines_status != self.Lines.READ:
            return None
        return self.amount_micros - self.lines_net_micros


class BankStatement(AppendOnly):
    """A statement of our bank account, as the file that somebody brought; its bytes are kept.

    Append-only: a file that was wrong is followed by the right one, and its lines are explained.
    """

    class Form(models.TextChoices):
        CSV = "CSV", "CSV"
        CAMT_053 = "CAMT_053", "camt.053"

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=200, help_text="Of the file.")
    form = models.CharField("format", max_length=8, choices=Form.choices)
    content = models.BinaryField(help_text="The file, byte by byte.")
    sha256 = models.CharField("SHA-256", max_length=64, unique=True)
    account = models.CharField(max_length=64, default="", blank=True)
    currency = models.CharField(max_length=3, choices=Currency.choices)
    opening_micros = models.BigIntegerField(null=True, blank=True)
    closing_micros = models.BigIntegerField(null=True, blank=True)
    line_count = models.PositiveIntegerField(help_text="Lines of the file.")
    duplicates = models.JSONField(
        default=list, help_text="Its lines that an earlier file had: line, and id of the receipt."
    )
    imported_at = models.DateTimeField()
    imported_by = models.CharField(max_length=80)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_bankstatement_balances",
                condition=Q(opening_micros__isnull=True, closing_micros__isnull=True)
                | Q(opening_micros__isnull=False, closing_micros__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BankReceiptQuerySet(models.QuerySet["BankReceipt"]):
    """Lines of statements, in the words of the domain."""

    def open(self) -> Self:
        """Lines that belong to no settlement and that nobody has explained."""
        return self.filter(settlement=None, explained_as="")


class BankReceipt(models.Model):
    """One line of our bank's statements, above zero when money came in.

    What the bank said never changes, and no line is deleted (triggers). A line belongs to the
    settlement that it pays in, or takes back (``is_return``), or a person explained what it is;
    either can be undone. Only ``services.bank_receipts`` does so.
    """

    class Matched(models.TextChoices):
        REFERENCE = "REFERENCE", "By the bank's reference"
        AMOUNT = "AMOUNT", "By amount and day"
        MANUAL = "MANUAL", "By hand"

    class Reason(models.TextChoices):
        BANK_FEE = "BANK_FEE", "Fee of the bank"
        INTEREST = "INTEREST", "Interest"
        OWN_TRANSFER = "OWN_TRANSFER", "Between our own accounts"
        PAYMENT = "PAYMENT", "Something we paid"
        INCOME = "INCOME", "Money that no gateway sent"
        BANK_MISTAKE = "BANK_MISTAKE", "Mistake of the bank"
        OTHER = "OTHER", "Something else"

    id = models.UUIDField(primary_key=True, default=uuid7)
    statement = models.ForeignKey(BankStatement, models.PROTECT, related_name="receipts")
    line = models.PositiveIntegerField(help_text="Of the file; of an XML file, the entry.")
    booked_on = models.DateField()
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=Currency.choices)
    reference = models.CharField(max_length=100, help_text="The bank's, of this line.")
    description = models.CharField(max_length=500, default="", blank=True)

    settlement = models.ForeignKey(
        Settlement, models.PROTECT, null=True, blank=True, related_name="receipts"
    )
    is_return = models.BooleanField(default=False, help_text="The settlement goes back with it.")
    matched = models.CharField(max_length=9, choices=Matched.choices, default="", blank=True)
    explained_as = models.CharField(max_length=12, choices=Reason.choices, default="", blank=True)
    note = models.CharField(max_length=300, default="", blank=True, help_text="A person's words.")
    decided_by = models.CharField(max_length=80, default="", blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = BankReceiptQuerySet.as_manager()

    class Meta:
        verbose_name = "bank line"
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_bankreceipt_once",
                fields=["reference", "booked_on", "amount_micros", "currency"],
            ),
            models.UniqueConstraint(name="payments_bankreceipt_line", fields=["statement", "line"]),
            models.UniqueConstraint(
                name="payments_bankreceipt_settlement",
                fields=["settlement", "is_return"],
                condition=Q(settlement__isnull=False),
            ),
            models.CheckConstraint(
                name="payments_bankreceipt_decided",
                condition=Q(
                    settlement__isnull=True,
                    matched="",
                    is_return=False,
                    explained_as="",
                    decided_by="",
                    decided_at__isnull=True,
                )
                | (
                    Q(settlement__isnull=False, explained_as="", decided_at__isnull=False)
                    & ~Q(matched="")
                )
                | (
                    Q(
                        settlement__isnull=True,
                        matched="",
                        is_return=False,
                        decided_at__isnull=False,
                    )
                    & ~Q(explained_as="")
                ),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["currency", "amount_micros"],
                name="payments_bankreceipt_open",
                condition=Q(settlement__isnull=True, explained_as=""),
            ),
        ]

    def __str__(self) -> str:
        return self.reference
