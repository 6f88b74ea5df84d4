"""Taxes: the rules, where we are registered, and what a purchase was taxed with."""

from datetime import date
from typing import ClassVar, TypeVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.append_only import AppendOnly
from payments.enums import Currency

_Row = TypeVar("_Row", bound=models.Model)


class DatedQuerySet(models.QuerySet[_Row]):
    """Rows of which the newest of a line counts."""

    def newest(self, line: str, start: str, *, on: date) -> "DatedQuerySet[_Row]":
        """Of each line the row that began last, on the day ``on`` or before.

        Args:
            line: The field that a line has in common.
            start: The field with the day a row begins.
        """
        begun = self.model._default_manager.filter(**{f"{start}__lte": on})  # noqa: SLF001
        last = begun.order_by(line, f"-{start}", "-id").distinct(line)
        return self.filter(pk__in=last.values("pk"))


class TaxRuleQuerySet(DatedQuerySet["TaxRule"]):
    """Rules, in the words of the domain."""

    def in_force(self, on: date) -> models.QuerySet["TaxRule"]:
        """What counts on a day: the newest row of each line, unless it is off or has ended."""
        newest = self.newest("code", "effective_from", on=on)
        return newest.filter(Q(effective_to=None) | Q(effective_to__gte=on), is_active=True)


class TaxRule(AppendOnly):
    """One line of a tax law, from a day on. Never edited: a newer row of the same ``code`` counts.

    A criterion that is left empty fits everybody. ``payments.services.tax_rules`` adds rows,
    ``taxes`` and ``withholding`` choose among them.
    """

    class Subject(models.TextChoices):
        READER = "READER", "Readers"
        WRITER = "WRITER", "Writers"

    class Kind(models.TextChoices):
        COLLECT = "COLLECT", "Collect"
        WITHHOLD = "WITHHOLD", "Withhold"
        REPORT = "REPORT", "Report"
        REGISTER = "REGISTER", "Register"

    class Payer(models.TextChoices):
        ENTITY = "ENTITY", "A company of the place"
        SMALL_ENTITY = "SMALL_ENTITY", "A small company of the place"
        SETTLEMENT_ORGANIZATION = "SETTLEMENT_ORGANIZATION", "Who settles for others"
        PLATFORM = "PLATFORM", "A platform for sellers"
        REGISTERED = "REGISTERED", "Who is registered"
        NON_RESIDENT = "NON_RESIDENT", "Who sells from abroad"
        SMALL_RESIDENT = "SMALL_RESIDENT", "Who is small and of the place"
        NEXUS = "NEXUS", "Who sells enough there"
        ANY_SUPPLIER = "ANY_SUPPLIER", "Every supplier"

    class Residence(models.TextChoices):
        RESIDENT = "RESIDENT", "Of the place"
        NON_RESIDENT = "NON_RESIDENT", "From abroad"

    class PayeeType(models.TextChoices):
        INDIVIDUAL = "INDIVIDUAL", "A person"
        COMPANY = "COMPANY", "A company"

    class Form(models.TextChoices):
        W9 = "W-9", "W-9"
        W8BEN = "W-8BEN", "W-8BEN"
        NR301 = "NR301", "NR301"
        NONE = "NONE", "None at all"

    class Item(models.TextChoices):
        DIGITAL_CONTENT = "DIGITAL_CONTENT", "Digital content"
        ROYALTY = "ROYALTY", "Royalties of any kind"
        ROYALTY_COPYRIGHT = "ROYALTY_COPYRIGHT", "Royalties on literary copyright"
        ROYALTY_OTHER = "ROYALTY_OTHER", "Other royalties"
        SERVICE_FEE = "SERVICE_FEE", "Fees for services"
        PRIZE = "PRIZE", "Prizes"
        BONUS = "BONUS", "Bonuses"
        RENT = "RENT", "Rent"
        MARKS_LICENCE = "MARKS_LICENCE", "Licences of marks"
        THIRD_PARTY_PAYMENT = "THIRD_PARTY_PAYMENT", "Payments settled for others"
        PERSONAL_SERVICE = "PERSONAL_SERVICE", "Personal services of sellers"

    class Basis(models.TextChoices):
        ANY_AMOUNT = "ANY_AMOUNT", "Any amount above it"
        CALENDAR_YEAR = "CALENDAR_YEAR", "A calendar year"
        CALENDAR_YEAR_GTE = "CALENDAR_YEAR_GTE", "Reached in a calendar year"
        CALENDAR_YEAR_GTE_OR_WITHHELD = (
            "CALENDAR_YEAR_GTE_OR_WITHHELD",
            "Reached in a calendar year, or tax was withheld",
        )
        CALENDAR_YEAR_GT_200_PAYMENTS = (
            "CALENDAR_YEAR_GT_200_PAYMENTS",
            "Passed in a calendar year, in more than 200 payments",
        )
        TWELVE_MONTHS_GT = "TWELVE_MONTHS_GT", "Passed in any twelve months"
        TURNOVER_GT = "TURNOVER_GT", "Passed by the turnover"
        TURNOVER_LTE = "TURNOVER_LTE", "Not passed by the turnover"
        MONTH_LTE = "MONTH_LTE", "Not passed in a month"

    class Certainty(models.TextChoices):
        HIGH = "H", "High"
        MEDIUM = "M", "Medium"
        LOW = "L", "Low"

    code = models.CharField(max_length=40, help_text="Names the line: CA-R-QST.")
    jurisdiction = models.CharField(
        max_length=6, help_text="Where it holds: a country, or a part of one (CA-QC)."
    )
    owed_to = models.CharField(
        max_length=6, help_text="Whose tax office; a province's GST is owed to CA."
    )
    subject = models.CharField(max_length=6, choices=Subject.choices)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    payer = models.CharField(max_length=24, choices=Payer.choices)
    payee_residence = models.CharField(
        max_length=12, choices=Residence.choices, blank=True, default=""
    )
    payee_country = models.CharField(max_length=2, blank=True, default="")
    payee_type = models.CharField(max_length=10, choices=PayeeType.choices, blank=True, default="")
    form_on_file = models.CharField(max_length=8, choices=Form.choices, blank=True, default="")
    has_tax_number = models.BooleanField(null=True, blank=True)
    item = models.CharField(max_length=24, choices=Item.choices, blank=True, default="")
    domestic_source_only = models.BooleanField(
        default=False, help_text="Only what readers in the place paid."
    )
    tax_name = models.CharField(max_length=16, blank=True, default="", help_text="On receipts.")
    rate_ppm = models.PositiveIntegerField(null=True, blank=True, help_text="Millionths.")
    multiplier = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Multiplies the rate that applies otherwise."
    )
    threshold_micros = models.BigIntegerField(null=True, blank=True)
    threshold_currency = models.CharField(max_length=3, blank=True, default="")
    threshold_basis = models.CharField(max_length=32, choices=Basis.choices, blank=True, default="")
    form = models.CharField(max_length=80, blank=True, default="", help_text="What is filed.")
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True, help_text="The last day.")
    is_active = models.BooleanField(default=True)
    certainty = models.CharField(max_length=1, choices=Certainty.choices)
    source = models.CharField(max_length=300)
    note = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    objects = TaxRuleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_taxrule_rate",
                condition=Q(rate_ppm__isnull=True) | Q(rate_ppm__lte=1_000_000),
            ),
            models.CheckConstraint(
                # A rate that nobody wrote down must never count as none.
                name="payments_taxrule_active_has_rate",
                condition=Q(is_active=False)
                | Q(kind__in=["REPORT", "REGISTER"])
                | Q(rate_ppm__isnull=False)
                | Q(kind="WITHHOLD", multiplier__isnull=False),
            ),
            models.CheckConstraint(
                name="payments_taxrule_collected_has_name",
                condition=~Q(kind="COLLECT") | ~Q(tax_name=""),
            ),
            models.CheckConstraint(
                name="payments_taxrule_threshold",
                condition=Q(threshold_micros__isnull=True, threshold_currency="")
                | Q(threshold_micros__gte=0) & ~Q(threshold_currency="") & ~Q(threshold_basis=""),
            ),
            models.CheckConstraint(
                name="payments_taxrule_days",
                condition=Q(effective_to__isnull=True)
                | Q(effective_to__gte=models.F("effective_from")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["code", "-effective_from", "-id"], name="payments_taxrule_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.code} from {self.effective_from}"


class TaxRegistrationQuerySet(DatedQuerySet["TaxRegistration"]):
    """Registrations, in the words of the domain."""

    def in_force(self, on: date) -> models.QuerySet["TaxRegistration"]:
        """Where we are registered on a day: the newest row of each office, unless it ended."""
        return self.newest("jurisdiction", "valid_from", on=on).filter(is_registered=True)


class TaxRegistration(AppendOnly):
    """Whether a tax office knows us, from a day on. Never edited: a newer row counts.

    Without one in force nothing is collected for that office; a purchase says so.
    """

    jurisdiction = models.CharField(max_length=6, help_text="Of the office: CA, CA-QC, NG.")
    is_registered = models.BooleanField(default=True)
    number = models.CharField(max_length=40, blank=True, default="", help_text="On receipts.")
    is_inclusive = models.BooleanField(
        default=False, help_text="Prices there have the tax in them."
    )
    valid_from = models.DateField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    objects = TaxRegistrationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_taxregistration_has_number",
                condition=Q(is_registered=False) | ~Q(number=""),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["jurisdiction", "-valid_from", "-id"],
                name="payments_taxregistr_newest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.jurisdiction}: {self.number if self.is_registered else 'not registered'}"


class PurchaseTaxLine(AppendOnly):
    """One tax of a purchase, as it was computed when the purchase started."""

    purchase = models.ForeignKey("payments.Purchase", models.PROTECT, related_name="tax_lines")
    jurisdiction = models.CharField(max_length=6, help_text="Whose tax office.")
    name = models.CharField(max_length=16)
    rate_ppm = models.PositiveIntegerField()
    amount_micros = models.BigIntegerField(help_text="In the currency of the purchase.")
    currency = models.CharField(max_length=3, choices=Currency.choices)
    is_inclusive = models.BooleanField(help_text="The shown price had it in it.")
    number = models.CharField(max_length=40, blank=True, default="", help_text="Ours, there.")
    rule = models.ForeignKey(
        TaxRule, models.PROTECT, null=True, blank=True, help_text="Empty: a service computed it."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_purchasetaxline_once", fields=["purchase", "jurisdiction", "name"]
            ),
            models.CheckConstraint(
                name="payments_purchasetaxline_amount", condition=Q(amount_micros__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.rate_ppm} ppm: {self.amount_micros} {self.currency}"
