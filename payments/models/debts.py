"""What readers owe us, and what took it off them again."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class DebtQuerySet(models.QuerySet["Debt"]):
    """Debts, in the words of the domain."""

    def in_force(self) -> "DebtQuerySet":
        """Debts whose cause stands: the dispute is lost, the money of the refund is out."""
        return self.filter(voided_by__isnull=True)

    def open(self) -> "DebtQuerySet":
        """Debts of which something is still owed."""
        return self.filter(open_micros__gt=0)


class Debt(models.Model):
    """What a reader owes for one lost dispute, or for one refund that was paid after it had failed.

    A reader pays debts, not a debt: what purchases paid and what was written off covers the oldest
    first, so ``open_micros`` of all debts in force come to the wallet's ``debt_micros``. A debt is
    void when its cause is undone. Only ``payments.services.debts`` writes here.
    """

    wallet = models.ForeignKey("payments.CoinBalance", models.PROTECT, related_name="debts")
    loss = models.OneToOneField(
        "payments.DisputeLoss", models.PROTECT, null=True, blank=True, related_name="debt"
    )
    closing = models.OneToOneField(
        "payments.RefundClosing", models.PROTECT, null=True, blank=True, related_name="debt"
    )
    amount_micros = models.BigIntegerField(help_text="Owed at first, USD micros.")
    open_micros = models.BigIntegerField(help_text="Of it, still owed.")
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="debt", help_text="What charged it."
    )
    owed_at = models.DateTimeField()
    voided_by = models.OneToOneField(
        "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="voided_debt"
    )

    objects = DebtQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_debt_amounts",
                condition=Q(
                    amount_micros__gt=0, open_micros__gte=0, open_micros__lte=F("amount_micros")
                ),
            ),
            models.CheckConstraint(
                name="payments_debt_one_cause",
                condition=Q(loss__isnull=False, closing__isnull=True)
                | Q(loss__isnull=True, closing__isnull=False),
            ),
            models.CheckConstraint(
                name="payments_debt_void_is_over",
                condition=Q(voided_by__isnull=True) | Q(open_micros=0),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="payments_debt_open", condition=Q(open_micros__gt=0)),
        ]

    def __str__(self) -> str:
        return f"debt {self.pk}"


class DebtReduction(models.Model):
    """What a purchase paid of its reader's debts, or two people wrote off.

    Only ``undone_micros`` ever changes: what came back because a debt it covered became void.
    """

    wallet = models.ForeignKey("payments.CoinBalance", models.PROTECT, related_name="reductions")
    purchase = models.OneToOneField(
        "payments.Purchase",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="debt_reduction",
        help_text="That paid; empty: it was written off.",
    )
    approval_id = models.UUIDField(null=True, blank=True, unique=True)
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, related_name="debt_reduction"
    )
    amount_micros = models.BigIntegerField(help_text="USD micros.")
    undone_micros = models.BigIntegerField(default=0, help_text="Of it, taken back since.")
    reason = models.CharField(max_length=300, default="", blank=True)
    reduced_by = models.CharField(max_length=80)
    reduced_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_debtreduction_amounts",
                condition=Q(
                    amount_micros__gt=0,
                    undone_micros__gte=0,
                    undone_micros__lte=F("amount_micros"),
                ),
            ),
            models.CheckConstraint(
                name="payments_debtreduction_paid_or_approved",
                condition=Q(purchase__isnull=False, approval_id__isnull=True)
                | Q(purchase__isnull=True, approval_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"reduction {self.pk}"

    @property
    def left_micros(self) -> int:
        """What it still covers, USD micros."""
        return self.amount_micros - self.undone_micros
