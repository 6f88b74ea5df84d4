"""Split rates and the terms they stand under, as dated rows."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.proposals import FROM_APPROVAL, ProposalForm, ReasonField, StartField
from legato_payments.lib.pages.tables import Section, Table, number
from payments import audit
from payments.admin.approvals import or_waiting
from payments.admin.audit import history_of
from payments.enums import Stream
from payments.services import policies
from revenue.models import SplitRule, StreamTerms, Writer
from revenue.queries import splits as split_queries
from revenue.services import proposals, splits, writers


class SplitForm(ProposalForm):
    """A new rate for everybody, a level, or one writer."""

    told_at = {
        splits.RateOutsideBand: "rate",
        audit.ReasonMissing: "reason",
        policies.StartsInThePast: "valid_from",
    }

    stream = forms.TypedChoiceField(choices=Stream.choices, coerce=Stream)
    level = forms.ChoiceField(
        label="Writers of the level",
        choices=[("", "Every level"), *Writer.Level.choices],
        required=False,
    )
    writer_id = forms.CharField(
        label="Or one writer",
        max_length=64,
        required=False,
        help_text="The writer's platform id. The most specific rule wins: writer, level, default.",
    )
    rate = forms.DecimalField(
        label="Writers' rate, %",
        min_value=Decimal(0),
        max_value=Decimal(100),
        max_digits=5,
        decimal_places=2,
        help_text="The writers' part of the coins' value; the platform has the rest.",
    )
    valid_from = StartField(help_text=FROM_APPROVAL)
    allow_override = forms.BooleanField(
        label="It may lie outside the agreed band",
        required=False,
        help_text="Stored with the rule, which then needs a reason.",
    )
    reason = ReasonField(required=False)

    def clean_writer_id(self) -> str:
        """Somebody we know, or nobody."""
        writer_id: str = self.cleaned_data["writer_id"].strip()
        if writer_id and not writers.is_known(writer_id=writer_id):
            raise forms.ValidationError("There is no writer with this id.")
        return writer_id

    def clean(self) -> dict[str, Any]:
        """One target, not two."""
        if self.cleaned_data.get("level") and self.cleaned_data.get("writer_id"):
            self.add_error("writer_id", "Choose a level or one writer, not both.")
        return self.cleaned_data

    def arguments(self) -> dict[str, Any]:
        """The rate in basis points; nobody, rather than a writer without an id."""
        data = super().arguments()
        rate_bps, writer_id = int(data.pop("rate") * 100), data.pop("writer_id") or None
        return {"rate_bps": rate_bps, "writer_id": writer_id, **data}


@admin.display(description="For")
def target(rule: SplitRule) -> str:
    """Whom the rule is about."""
    if rule.writer_id:
        return rule.writer_id
    return f"Level: {rule.get_level_display()}" if rule.level else "Everybody"


@admin.display(description="State")
def state(row: SplitRule | StreamTerms) -> str:
    """Whether sales use it."""
    counts = getattr(row, "is_in_force", False)
    return cells.in_force(counts=counts, valid_from=row.valid_from, now=clock.now())


@admin.display(description="Agreed band")
def band(terms: StreamTerms) -> str:
    """Between which rates a rule may lie without an override."""
    return f"{cells.percent(terms.min_bps)} to {cells.percent(terms.max_bps)}"


RULE_FACTS = (
    "stream",
    target,
    columns.percent("rate_bps", "Writers' rate"),
    state,
    columns.flag("is_override", "Outside the band", yes="Yes, by override"),
    columns.moment("valid_from"),
    columns.person("created_by", "By"),
    columns.words("reason"),
)


@admin.register(SplitRule)
class SplitRuleAdmin(ShortListAdmin):
    """Rows are never edited: a newer one supersedes, and sales keep the rule they used."""

    list_display = RULE_FACTS
    list_filter = ["stream", "level"]
    search_fields = ["writer_id"]
    search_help_text = "Writer id"
    ordering = ["stream", "-valid_from", "-id"]
    actions_list = ["change_rate"]

    facts = (*RULE_FACTS, columns.moment("created_at", "Recorded"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[SplitRule]:
        """With whether each counts now, in the same query."""
        return with_in_force(super().get_queryset(request))

    def sections(self, obj: SplitRule) -> Iterator[Section]:
        """Who made it."""
        yield history_of("split_rule", obj.pk)

    @button("Change a rate", path="change-rate", right="add")
    def change_rate(self, request: HttpRequest) -> HttpResponse:
        """Put a new rate in force, now or later."""
        return self.proposal_page(
            request,
            SplitForm,
            title="Change a split rate",
            intro="It counts when another person has agreed. Sales already made keep the rate they"
            " were made with.",
            submit="Propose the rate",
            call=proposals.change_split_rule,
            told=partial(or_waiting, done="{} is set."),
            sections=[rules_in_force()],
        )


def with_in_force(rules: QuerySet[SplitRule]) -> QuerySet[SplitRule]:
    """Rules that also know whether they count now."""
    counting = split_queries.in_force(on=clock.now()).values("pk")
    return rules.annotate(is_in_force=Q(pk__in=counting))


def rules_in_force() -> Table:
    """The default rate of every stream, beside the band it may move in."""
    now = clock.now()
    defaults = split_queries.in_force(on=now).filter(level="", writer__isnull=True)
    rates = {rule.stream: rule.rate_bps for rule in defaults}
    return Table(
        title="Rates in force for everybody",
        headings=["Stream", number("Writers' rate"), number("Agreed band")],
        rows=[
            [
                terms.get_stream_display(),
                cells.percent(rates[terms.stream]) if terms.stream in rates else cells.EMPTY,
                band(terms),
            ]
            for terms in split_queries.terms_in_force(on=now)
        ],
    )


TERMS_FACTS = (
    "stream",
    band,
    columns.count("hold_days", "Pending for, days"),
    columns.count("new_writer_hold_days", "for new writers, days"),
    columns.count("new_writer_days", "New for, days"),
    state,
    columns.moment("valid_from"),
    columns.person("created_by", "By"),
    columns.words("reason"),
)


@admin.register(StreamTerms)
class StreamTermsAdmin(ShortListAdmin):
    """The agreed bands and holds; a contract changes them, not a form."""

    list_display = TERMS_FACTS[:-2]
    ordering = ["stream", "-valid_from", "-id"]
    facts = TERMS_FACTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamTerms]:
        """With whether each counts now, in the same query."""
        rows: QuerySet[StreamTerms] = super().get_queryset(request)
        counting = split_queries.terms_in_force(on=clock.now()).values("pk")
        return rows.annotate(is_in_force=Q(pk__in=counting))
