"""Limits and product constants, as dated rows."""

from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.proposals import FROM_APPROVAL, ProposalForm, ReasonField, StartField
from legato_payments.lib.pages.tables import Table, number
from payments.admin.approvals import or_waiting
from payments.models import Policy
from payments.queries import policies as policy_queries
from payments.services import policies, proposals


class PolicyForm(ProposalForm):
    """A new value of one limit."""

    told_at = {policies.StartsInThePast: "valid_from"}

    name = forms.TypedChoiceField(label="Limit", choices=Policy.Name.choices, coerce=Policy.Name)
    value = forms.IntegerField(min_value=0, help_text="In the unit that the limit's name gives.")
    valid_from = StartField(help_text=FROM_APPROVAL)
    reason = ReasonField()


@admin.display(description="State")
def state(policy: Policy) -> str:
    """Whether decisions use it."""
    counts = getattr(policy, "is_in_force", False)
    return cells.in_force(counts=counts, valid_from=policy.valid_from, now=clock.now())


@admin.display(description="Limit")
def limit(policy: Policy) -> str:
    """Its name in words, with the unit."""
    return policy.get_name_display()


LIMIT_FACTS = (
    limit,
    columns.count("value"),
    state,
    columns.moment("valid_from"),
    columns.person("created_by", "By"),
    columns.words("reason"),
)


@admin.register(Policy)
class PolicyAdmin(ShortListAdmin):
    """Rows are never edited: a newer one supersedes."""

    list_display = LIMIT_FACTS
    list_filter = ["name"]
    ordering = ["name", "-valid_from", "-id"]
    actions_list = ["change_limit"]

    facts = LIMIT_FACTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        """With whether each row counts now, in the same query."""
        rows: QuerySet[Policy] = super().get_queryset(request)
        counting = policy_queries.in_force(on=clock.now()).values("pk")
        return rows.annotate(is_in_force=Q(pk__in=counting))

    @button("Change a limit", path="change-limit", right="add")
    def change_limit(self, request: HttpRequest) -> HttpResponse:
        """Put a new value in force, now or later."""
        return self.proposal_page(
            request,
            PolicyForm,
            title="Change a limit",
            intro="It counts when another person has agreed.",
            submit="Propose the value",
            call=proposals.change_policy,
            told=partial(or_waiting, done="{} is set."),
            sections=[limits_in_force()],
        )


def limits_in_force() -> Table:
    """Every limit and its value now."""
    return Table(
        title="Limits in force",
        headings=["Limit", number("Value"), "Since"],
        rows=[
            [limit(row), f"{row.value:,}", cells.moment(row.valid_from)]
            for row in policy_queries.in_force(on=clock.now())
        ],
    )
