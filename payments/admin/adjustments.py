"""Coins given or taken by hand: the proposal form, and what came of it."""

from functools import partial

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import RecordAdmin, button
from legato_payments.lib.pages import columns
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from payments.admin.approvals import or_waiting
from payments.admin.promotions import dollars_field
from payments.enums import BOOK_CURRENCY
from payments.models import Adjustment
from payments.services import adjustments


class AdjustmentForm(ProposalForm):
    """Coins for, or from, one reader."""

    told_at = {
        adjustments.AdjustmentEmpty: "coins",
        adjustments.ValueOfTakenCoins: "value_micros",
    }

    user_id = forms.RegexField(regex=r"^[A-Za-z0-9._:-]{1,64}\Z", label="Reader")
    coins = forms.IntegerField(
        min_value=-1_000_000, max_value=1_000_000, help_text="Minus takes them away."
    )
    value_micros = dollars_field(
        label="Value in USD",
        help_text="Of all of them together, at our cost; 0: promotional coins for 90 days.",
    )
    reason = ReasonField()


@admin.register(Adjustment)
class AdjustmentAdmin(RecordAdmin):
    """What finance gave or took by hand, each with the approval behind it."""

    list_display = [
        columns.moment("adjusted_at"),
        columns.text("user_id", "Reader"),
        columns.count("coins"),
        columns.money("value_micros", BOOK_CURRENCY, "Value"),
        columns.words("reason"),
    ]
    search_fields = ["pk", "user_id"]
    search_help_text = "Id or reader"
    ordering = ["-id"]
    nothing_yet = "No adjustments yet. “Propose an adjustment” asks another person for one."
    actions_list = ["propose"]

    facts = (
        columns.text("user_id", "Reader"),
        columns.count("coins"),
        columns.money("value_micros", BOOK_CURRENCY, "Value"),
        columns.words("reason"),
        columns.related("transaction", by="get_kind_display"),
        columns.related("approval"),
        columns.moment("adjusted_at"),
        columns.copyable("id"),
    )

    @button("Propose an adjustment", path="propose", right="add")
    def propose(self, request: HttpRequest) -> HttpResponse:
        """Ask another person for coins given or taken by hand."""
        return self.proposal_page(
            request,
            AdjustmentForm,
            title="Propose an adjustment",
            intro="It is carried out when another person has agreed.",
            submit="Propose it",
            call=adjustments.propose,
            told=partial(or_waiting, done="{} is done."),
        )
