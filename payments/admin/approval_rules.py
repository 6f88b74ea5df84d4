"""How many people an action needs, as dated rows."""

from collections.abc import Iterator
from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.proposals import FROM_APPROVAL, ProposalForm, ReasonField, StartField
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.admin.promotions import dollars_field
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRule
from payments.queries import approvals as approval_queries
from payments.services import approval_rules, policies


def words_of(action: str) -> str:
    """What people call an action: ``Change package`` of ``payments.change_package``."""
    return action.rpartition(".")[2].replace("_", " ").capitalize()


def _actions() -> list[tuple[str, str]]:
    found = ApprovalRule.objects.order_by("action").values_list("action", flat=True).distinct()
    return [(action, words_of(action)) for action in found]


class RuleForm(ProposalForm):
    """Another number of people for one action."""

    told_at = {
        approval_rules.AlwaysFourEyes: "needed",
        approval_rules.ApproversMissing: "needed",
        policies.StartsInThePast: "valid_from",
    }

    action = forms.ChoiceField(choices=_actions)
    from_micros = dollars_field(
        label="From an amount of, USD",
        help_text="Up to the next amount that has a rule. 0 for actions without an amount.",
    )
    needed = forms.IntegerField(
        label="People needed",
        min_value=0,
        max_value=3,
        help_text="Besides whoever proposes the action. 0: it is done at once.",
    )
    valid_from = StartField(help_text=FROM_APPROVAL)
    reason = ReasonField()


@admin.display(description="Action")
def action(rule: ApprovalRule) -> str:
    """In words."""
    return words_of(rule.action)


@admin.display(description="State")
def state(rule: ApprovalRule) -> str:
    """Whether proposals are held to it."""
    counts = getattr(rule, "is_in_force", False)
    return cells.in_force(counts=counts, valid_from=rule.valid_from, now=clock.now())


RULE_FACTS = (
    action,
    columns.money("from_micros", BOOK_CURRENCY, "From"),
    columns.count("needed", "People needed"),
    state,
    columns.moment("valid_from"),
    columns.person("created_by", "By"),
    columns.words("reason"),
)


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(ShortListAdmin):
    """Rows are never edited: a newer one of the same action and amount supersedes."""

    list_display = RULE_FACTS
    list_filter = ["action"]
    ordering = ["action", "from_micros", "-valid_from", "-id"]
    actions_list = ["change_rule"]

    facts = (*RULE_FACTS, columns.code("action", "Job"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRule]:
        """With whether each row counts now, in the same query."""
        rows: QuerySet[ApprovalRule] = super().get_queryset(request)
        counting = approval_queries.rules_in_force(on=clock.now()).values("pk")
        return rows.annotate(is_in_force=Q(pk__in=counting))

    def sections(self, obj: ApprovalRule) -> Iterator[Section]:
        """What waits for the action's rules, and who changed them."""
        if waiting := waiting_on("approval_rule", obj.action):
            yield waiting
        yield history_of("approval_rule", obj.action)

    @button("Propose a change", path="change-rule", right="add")
    def change_rule(self, request: HttpRequest) -> HttpResponse:
        """Let an action need more people, or fewer."""
        return self.proposal_page(
            request,
            RuleForm,
            title="Change how many people an action needs",
            intro="As many others have to agree as the action needs now, and one at least.",
            submit="Propose the change",
            call=approval_rules.propose,
            told=partial(or_waiting, done="{} is set."),
            sections=[rules_in_force()],
        )


def rules_in_force() -> Table:
    """What every action needs now, and how many could decide on it."""
    rules = list(approval_queries.rules_in_force(on=clock.now()))
    people = {
        name: approval_queries.people_who_decide(name).count()
        for name in dict.fromkeys(rule.action for rule in rules)
    }
    return Table(
        title="Rules in force",
        headings=["Action", number("From"), number("People needed"), number("May decide"), "Since"],
        rows=[
            [
                action(rule),
                cells.amount(rule.from_micros, BOOK_CURRENCY),
                rule.needed,
                people[rule.action],
                cells.moment(rule.valid_from),
            ]
            for rule in rules
        ],
        note="Whoever proposes does not decide, and so does not count.",
    )
