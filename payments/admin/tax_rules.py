"""Tax rules, as dated rows."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.money import MICROS
from legato_payments.lib.pages import cells, columns, people
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import (
    FROM_APPROVAL,
    DayField,
    MicrosField,
    ProposalForm,
    ReasonField,
)
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.models import TaxRule
from payments.services import tax_proposals, tax_rules

PPM_PER_PERCENT = 10_000
JURISDICTION = RegexValidator(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?\Z", "As CA, or CA-QC.")
CODE = RegexValidator(r"^[A-Z0-9-]{3,40}\Z", "Capital letters, digits and dashes.")

TONES = {
    TaxRule.Certainty.HIGH: Tone.GOOD,
    TaxRule.Certainty.MEDIUM: Tone.WARN,
    TaxRule.Certainty.LOW: Tone.BAD,
}


class RateField(forms.DecimalField):
    """A percentage of at most four digits behind the point; millionths when it is read."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Rate (%)", min_value=0, max_value=100, max_digits=7, decimal_places=4, **kwargs
        )

    def clean(self, value: Any) -> Any:
        """Millionths, or nothing."""
        percent = super().clean(value)
        return None if percent is None else int(percent * PPM_PER_PERCENT)


class RuleForm(ProposalForm):
    """What a rule says from a day on."""

    told_at = {tax_rules.StartsInThePast: "effective_from", tax_rules.RuleUnchanged: "rate_ppm"}

    rate_ppm = RateField(required=False, help_text="Left empty only where the rule has no rate.")
    threshold_micros = MicrosField(
        label="Limit",
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=2,
        help_text="In the currency of the rule, if it has one.",
    )
    is_active = forms.BooleanField(label="It counts", required=False)
    effective_from = DayField(label="From (UTC)", required=False, help_text=FROM_APPROVAL)
    effective_to = DayField(
        label="Last day", required=False, help_text="Left empty: until further notice."
    )
    certainty = forms.ChoiceField(choices=TaxRule.Certainty.choices)
    source = forms.CharField(max_length=300, help_text="Where it is written.")
    note = forms.CharField(max_length=500, required=False)
    reason = ReasonField()

    def arguments(self) -> dict[str, Any]:
        """The change, from when on, and why."""
        return self.folded("change", tax_proposals.Change, but=("effective_from", "reason"))


class SalesTaxForm(ProposalForm):
    """A sales tax that no rule names yet."""

    told_at = {tax_rules.StartsInThePast: "effective_from", tax_proposals.CodeTaken: "code"}

    code = forms.CharField(max_length=40, validators=[CODE], help_text="For example GB-R-VAT.")
    jurisdiction = forms.CharField(
        max_length=6, validators=[JURISDICTION], help_text="Where it holds: GB, or CA-QC."
    )
    owed_to = forms.CharField(
        max_length=6, validators=[JURISDICTION], help_text="Whose tax office gets it."
    )
    tax_name = forms.CharField(
        label="Name", max_length=16, help_text="As receipts say it, for example VAT."
    )
    rate_ppm = RateField()
    effective_from = DayField(label="From (UTC)", required=False, help_text=FROM_APPROVAL)
    form = forms.CharField(max_length=80, required=False, help_text="What is filed.")
    certainty = forms.ChoiceField(choices=TaxRule.Certainty.choices)
    source = forms.CharField(max_length=300, help_text="Where it is written.")
    note = forms.CharField(max_length=500, required=False)
    reason = ReasonField()

    def arguments(self) -> dict[str, Any]:
        """The tax, from when on, and why."""
        return self.folded("tax", tax_proposals.SalesTax, but=("effective_from", "reason"))


@admin.display(description="State")
def rule_state(rule: TaxRule) -> str:
    """Whether it counts today."""
    if not getattr(rule, "is_newest", False):
        is_to_come = rule.effective_from > clock.now().date()
        return cells.mark("Scheduled", Tone.BUSY) if is_to_come else cells.mark("Superseded")
    if not rule.is_active:
        return cells.mark("Off")
    if rule.effective_to and rule.effective_to < clock.now().date():
        return cells.mark("Ended")
    return cells.mark("In force", Tone.GOOD)


@admin.display(description="What")
def what(rule: TaxRule) -> str:
    """The tax by its name, or what is paid for."""
    return rule.tax_name or rule.get_item_display() or "Everything"


@admin.display(description="Rate")
def number_rate(rule: TaxRule) -> str:
    """As a percentage, or by how much it multiplies another."""
    return (
        f"\N{MULTIPLICATION SIGN} {rule.multiplier}"
        if rule.multiplier
        else cells.ppm(rule.rate_ppm)
    )


@admin.display(description="Limit")
def number_threshold(rule: TaxRule) -> str:
    """From which amount on it holds."""
    if rule.threshold_micros is None:
        return cells.EMPTY
    whole = Decimal(rule.threshold_micros) / MICROS
    return f"{whole:,.2f} {rule.threshold_currency}"


@admin.display(description="From")
def first_day(rule: TaxRule) -> str:
    """The day it begins."""
    return rule.effective_from.isoformat()


@admin.display(description="Last day")
def last_day(rule: TaxRule) -> str:
    """The day it ends."""
    return rule.effective_to.isoformat() if rule.effective_to else cells.EMPTY


@admin.display(description="Tax number of the payee")
def tax_number(rule: TaxRule) -> str:
    """Whether the payee must have one."""
    return {None: cells.EMPTY, True: "Given", False: "Missing"}[rule.has_tax_number]


@admin.register(TaxRule)
class TaxRuleAdmin(ShortListAdmin):
    """Rows are never edited: a newer one of the same code supersedes."""

    list_display = [
        columns.code("code"),
        "jurisdiction",
        columns.choice("subject", "Of"),
        columns.choice("kind"),
        what,
        number_rate,
        number_threshold,
        rule_state,
        columns.state("certainty", TONES),
    ]
    list_filter = ["subject", "kind", "jurisdiction", "certainty", "is_active"]
    search_fields = ["code", "jurisdiction"]
    search_help_text = "Code or jurisdiction"
    ordering = ["code", "-effective_from", "-id"]
    nothing_yet = "No rules yet. “manage.py load_tax_rules” adds those of this version."
    actions_list = ["add_sales_tax"]
    actions_detail = ["change_rule"]

    facts = (
        columns.copyable("code"),
        rule_state,
        "jurisdiction",
        columns.text("owed_to", "Owed to"),
        columns.choice("subject", "Of"),
        columns.choice("kind"),
        columns.choice("payer", "Who pays or sells"),
        columns.choice("payee_residence", "Where the payee lives"),
        columns.text("payee_country", "Country of the payee"),
        columns.choice("payee_type", "The payee is"),
        columns.choice("form_on_file", "Form on file"),
        tax_number,
        columns.choice("item"),
        columns.flag("domestic_source_only", "Only what readers there paid"),
        columns.text("tax_name", "Name on receipts"),
        number_rate,
        number_threshold,
        columns.choice("threshold_basis", "How the limit counts"),
        columns.text("form", "What is filed"),
        first_day,
        last_day,
        columns.state("certainty", TONES),
        columns.words("source"),
        columns.words("note"),
        columns.person("created_by", "By"),
        columns.moment("created_at", "Recorded"),
        columns.words("reason"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxRule]:
        """With whether each is the newest of its line, in the same query."""
        rows: QuerySet[TaxRule] = super().get_queryset(request)
        newest = TaxRule.objects.newest("code", "effective_from", on=clock.now().date())
        return rows.annotate(is_newest=Q(pk__in=newest.values("pk")))

    def sections(self, obj: TaxRule) -> Iterator[Section]:
        """What the line said and will say, what waits, and who changed it."""
        yield history_of_rule(obj)
        if (waiting := waiting_on("tax_rule", obj.code)) is not None:
            yield waiting
        yield history_of("tax_rule", obj.code)

    @button("Change this rule", path="change-rule", right="change")
    def change_rule(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let it say something else from a day on."""
        rule: TaxRule = self.find(request, object_id)
        return self.proposal_page(
            request,
            RuleForm,
            title=f"Change the tax rule {rule.code}",
            intro="What was taxed stays as it was. It counts when another person has agreed.",
            submit="Propose the change",
            call=partial(tax_proposals.change_rule, code=rule.code),
            told=partial(or_waiting, done="{} is recorded."),
            row=rule,
            initial=_typed(rule),
            sections=[history_of_rule(rule)],
        )

    @button("Add a sales tax", path="add-sales-tax", right="add")
    def add_sales_tax(self, request: HttpRequest) -> HttpResponse:
        """A rule for a place that has none yet."""
        return self.proposal_page(
            request,
            SalesTaxForm,
            title="Add a sales tax",
            intro="Nothing is collected before a registration of its tax office is in force.",
            submit="Propose the rule",
            call=tax_proposals.add_sales_tax,
            told=partial(or_waiting, done="{} is recorded."),
        )


def history_of_rule(rule: TaxRule) -> Table:
    """Every row of a line, the newest first."""
    rows = TaxRule.objects.filter(code=rule.code).order_by("-effective_from", "-id")
    return Table(
        title="What the rule says, by day",
        headings=["From", "Last day", number("Rate"), number("Limit"), "On", "Source", "By"],
        rows=[
            [
                cells.link(row, first_day(row)),
                last_day(row),
                number_rate(row),
                number_threshold(row),
                "Yes" if row.is_active else "No",
                row.source,
                people.name_of(row.created_by),
            ]
            for row in rows
        ],
    )


def _typed(rule: TaxRule) -> dict[str, Any]:
    percent = None if rule.rate_ppm is None else Decimal(rule.rate_ppm) / PPM_PER_PERCENT
    limit = rule.threshold_micros
    return {
        "rate_ppm": percent,
        "threshold_micros": None if limit is None else Decimal(limit) / MICROS,
        "is_active": rule.is_active,
        "effective_to": rule.effective_to,
        "certainty": rule.certainty,
        "source": rule.source,
        "note": rule.note,
    }
