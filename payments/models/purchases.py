"""Coin purchases."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.ids import uuid7
from legato_payments.lib.jobs import DueQuerySet, DueRow
from legato_payments.lib.money import Money
from payments.enums import Currency, Provider


class PurchaseQuerySet(DueQuerySet["Purchase"]):
    """Purchases, in the words of the domain."""

    def open(self) -> "PurchaseQuerySet":
        """Purchases whose outcome is not known yet."""
        return self.filter(status__in=Purchase.OPEN)

    def awaiting_finance(self) -> "PurchaseQuerySet":
        """Paid in a way that does not match; a person has to decide."""
        return self.filter(status=Purchase.Status.QUARANTINED)


class Purchase(DueRow):
    """A reader's purchase of coins, from the first click to the credit.

    CREATED (committed before the gateway is called) -> PENDING (the reader can pay) -> SUCCEEDED,
    FAILED, EXPIRED or QUARANTINED. A late payment still turns FAILED or EXPIRED into SUCCEEDED: the
    money is here. Only ``payments.services.purchases`` changes ``status``.
    """

    class Status(models.TextChoices):
        CREATED = "CREATED", "Created"
        PENDING = "PENDING", "Awaiting payment"
        SUCCEEDED = "SUCCEEDED", "Settled"
        FAILED = "FAILED", "Failed"
        EXPIRED = "EXPIRED", "Expired"
        QUARANTINED = "QUARANTINED", "Quarantined"

    class TaxGround(models.TextChoices):
        """Why a purchase was taxed, or was not."""

        TAXED = "TAXED", "Taxed"
        NOT_REGISTERED = "NOT_REGISTERED", "We are not registered where the reader is"
        NOT_TAXABLE = "NOT_TAXABLE", "Nothing is due where the reader is"

    OPEN = (Status.CREATED, Status.PENDING)

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.CharField(max_length=64)
    package_version = models.ForeignKey(
        "payments.CoinPackageVersion",
        models.PROTECT,
        null=True,
        blank=True,
        help_text="Empty for an exact top-up.",
    )
    coins = models.PositiveIntegerField(help_text="Without the bonus.")
    bonus_coins = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3, choices=Currency.choices)
    price_micros = models.BigIntegerField(help_text="Before tax.")
    tax_micros = models.BigIntegerField(default=0)
    fx_rate = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        null=True,
        blank=True,
        help_text="Units of currency per US dollar when it started; empty for USD.",
    )
    value_micros = models.BigIntegerField(help_text="The price in USD micros: what the lot holds.")
    country = models.CharField(max_length=2, default="", blank=True)
    region = models.CharField(max_length=3, default="", blank=True, help_text="ISO 3166-2 part.")
    evidence = models.JSONField(
        default=list, blank=True, help_text="Where the reader is, by source: profile, request, …"
    )
    evidence_conflicts = models.BooleanField(
        default=False, help_text="Two sources name different places."
    )
    tax_ground = models.CharField(
        max_length=14, choices=TaxGround.choices, default=TaxGround.NOT_REGISTERED
    )
    tax_reference = models.CharField(
        max_length=64, default="", blank=True, help_text="Of the calculation at a tax service."
    )
    consent = models.JSONField(null=True, blank=True)
    return_url = models.URLField(max_length=500, default="", blank=True)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    reference = models.CharField(max_length=40, unique=True, help_text="Ours, at the gateway.")
    gateway_id = models.CharField(max_length=128, default="", blank=True)
    payment_id = models.CharField(
        max_length=128,
        default="",
        db_default="",
        blank=True,
        help_text="The gateway's, of the payment itself.",
    )
    action = models.JSONField(null=True, blank=True, help_text="What the reader does to pay.")
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.CREATED)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    quarantine_reason = models.CharField(max_length=200, default="", blank=True)
    fee_micros = models.BigIntegerField(null=True, blank=True)
    fee_currency = models.CharField(
        max_length=3,
        default="",
        db_default="",
        blank=True,
        help_text="Of the fee; empty before it is known.",
    )
    refunded_micros = models.BigIntegerField(
        default=0, db_default=0, help_text="Given back or about to be, tax included."
    )
    refunded_value_micros = models.BigIntegerField(
        default=0, db_default=0, help_text="What the coins given back were worth, USD micros."
    )
    debt_micros = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Of the value, what settled the reader's debt, USD micros.",
    )
    debt_coins = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Coins that were not credited, because the debt came first.",
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    transaction = models.OneToOneField(
        "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="purchase"
    )

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user_id", "-id"], name="payments_purchase_user"),
            models.Index(
                fields=["provider", "gateway_id"],
                name="payments_purchase_gateway_id",
                condition=~Q(gateway_id=""),
            ),
            models.Index(
                fields=["provider", "created_at"],
                name="payments_purchase_paid",
                condition=Q(status__in=["SUCCEEDED", "QUARANTINED"]),
            ),
            models.Index(
                fields=["provider", "payment_id"],
                name="payments_purchase_payment_id",
                condition=~Q(payment_id=""),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_purchase_amounts",
                condition=Q(coins__gt=0, price_micros__gt=0, tax_micros__gte=0, value_micros__gt=0),
            ),
            models.CheckConstraint(
                name="payments_purchase_refunded",
                condition=Q(
                    refunded_micros__gte=0,
                    refunded_micros__lte=F("price_micros") + F("tax_micros"),
                    refunded_value_micros__gte=0,
                    refunded_value_micros__lte=F("value_micros"),
                    debt_micros__gte=0,
                    debt_micros__lte=F("value_micros"),
                ),
            ),
            models.CheckConstraint(
                name="payments_purchase_settled_has_transaction",
                condition=Q(status="SUCCEEDED", transaction__isnull=False, settled_at__isnull=False)
                | (~Q(status="SUCCEEDED") & Q(transaction__isnull=True, settled_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="payments_purchase_quarantine_has_reason",
                condition=~Q(status="QUARANTINED") | ~Q(quarantine_reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total_coins:,} coins for {self.user_id}"

    @property
    def total_coins(self) -> int:
        """Coins and bonus coins: what was ordered."""
        return self.coins + self.bonus_coins

    @property
    def credited_coins(self) -> int:
        """What the lot holds, or will hold: less than ordered when a debt came first."""
        return self.total_coins - self.debt_coins

    @property
    def total_micros(self) -> int:
        """What the reader pays, tax included, micros of ``currency``."""
        return self.price_micros + self.tax_micros

    @property
    def fee(self) -> Money | None:
        """What the gateway kept, perhaps in another currency than was paid."""
        if self.fee_micros is None:
            return None
        return Money(self.fee_micros, self.fee_currency or self.currency)
