"""Campaigns, and the coins that readers got from them."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, ShortListAdmin, button
from legato_payments.lib.ids import is_external_id
from legato_payments.lib.pages import cells, columns, people, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import MicrosField, ProposalForm, ReasonField, StartField
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.approvals import or_waiting
from payments.admin.audit import history_of
from payments.enums import BOOK_CURRENCY
from payments.models import Campaign, Policy, PromoGrant
from payments.queries import policies
from payments.services import campaign_proposals, campaigns

GRANTS = 100
MOST_READERS = 500
"""Readers of one list: each is a transaction of its own, and somebody waits for the page."""


def dollars_field(**kwargs: Any) -> MicrosField:
    """An amount in US dollars that is none unless somebody types one."""
    return MicrosField(min_value=Decimal(0), initial=Decimal(0), **kwargs)


class CampaignForm(ProposalForm):
    """The terms of a new campaign."""

    told_at = {
        campaigns.CampaignNameTaken: "name",
        campaigns.EndsBeforeItStarts: "ends_at",
        campaigns.CampaignTooLarge: "value_per_coin_micros",
    }

    name = forms.CharField(max_length=64)
    budget_coins = forms.IntegerField(min_value=1, max_value=10**12, label="Budget in coins")
    per_user_coins = forms.IntegerField(
        min_value=1, max_value=1_000_000, label="Coins a reader", help_text="The most one gets."
    )
    value_per_coin_micros = dollars_field(
        label="Value of a coin in USD",
        help_text="What we pay for each coin, so that writers earn from it. 0: unfunded.",
    )
    expires_after_days = forms.IntegerField(
        min_value=1, max_value=3_650, initial=90, label="Days to use them"
    )
    starts_at = StartField(label="Starts (UTC)", help_text="Left empty: when it is set up.")
    ends_at = StartField(label="Ends (UTC)", help_text="From then on nobody gets any.")
    reason = ReasonField()

    def clean_ends_at(self) -> Any:
        """Every campaign ends."""
        if not self.cleaned_data["ends_at"]:
            raise forms.ValidationError("Say when it ends.")
        return self.cleaned_data["ends_at"]

    def arguments(self) -> dict[str, Any]:
        """Its terms, its name, and why."""
        return self.folded("terms", campaigns.Terms, but=("name", "reason"))


class GrantForm(ProposalForm):
    """Readers who get coins of a campaign."""

    readers = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 8}), help_text="Their ids, one on a line."
    )
    coins = forms.IntegerField(min_value=1, max_value=1_000_000, label="Coins for each")
    key = forms.RegexField(
        regex=r"^[A-Za-z0-9._-]{1,32}\Z",
        label="Name of this list",
        help_text="Letters, digits, dots and dashes. Sent again under it, nobody gets more.",
    )

    def clean_readers(self) -> list[str]:
        """The ids, each once."""
        found = list(dict.fromkeys(self.cleaned_data["readers"].split()))
        if wrong := [reader for reader in found if not is_external_id(reader)]:
            raise forms.ValidationError(f"No user id: {', '.join(wrong[:5])}")
        if len(found) > MOST_READERS:
            raise forms.ValidationError(f"At most {MOST_READERS} readers at once.")
        return found

    def arguments(self) -> dict[str, Any]:
        """Readers as services call them."""
        data = super().arguments()
        return {"user_ids": data.pop("readers"), **data}


@admin.display(description="State")
def state(campaign: Campaign) -> str:
    """Whether it gives coins now."""
    now = clock.now()
    if campaign.ends_at <= now:
        return cells.mark("Over")
    if campaign.starts_at > now:
        return cells.mark("Scheduled", Tone.BUSY)
    if campaign.coins_granted >= campaign.budget_coins:
        return cells.mark("Used up", Tone.WARN)
    return cells.mark("Running", Tone.GOOD)


@admin.register(Campaign)
class CampaignAdmin(ShortListAdmin):
    """Terms are never changed: another campaign is another row."""

    list_display = [
        "name",
        state,
        columns.count("coins_granted", "Given"),
        columns.count("budget_coins", "Budget"),
        columns.money("value_per_coin_micros", BOOK_CURRENCY, "Value of a coin"),
        columns.moment("starts_at", "Starts"),
        columns.moment("ends_at", "Ends"),
    ]
    search_fields = ["pk", "name__startswith"]
    search_help_text = "Beginning of the name"
    ordering = ["-id"]
    nothing_yet = "No campaigns yet. “New campaign” sets up the first."
    actions_list = ["create"]
    actions_detail = ["grant"]

    facts = (
        "name",
        state,
        columns.count("coins_granted", "Given"),
        columns.count("budget_coins", "Budget"),
        columns.count("per_user_coins", "Most for one reader"),
        columns.money("value_per_coin_micros", BOOK_CURRENCY, "Value of a coin"),
        columns.count("expires_after_days", "Days to use them"),
        columns.moment("starts_at", "Starts"),
        columns.moment("ends_at", "Ends"),
        columns.moment("created_at"),
        columns.person("created_by", "By"),
        columns.copyable("id"),
    )

    def sections(self, obj: Campaign) -> Iterator[Section]:
        """Who got coins, then who set it up and why."""
        yield grants_of(obj)
        yield history_of("campaign", obj.pk)

    @button("New campaign", path="new", right="add")
    def create(self, request: HttpRequest) -> HttpResponse:
        """Set up a campaign."""
        free = policies.value(Policy.Name.CAMPAIGN_FREE_COINS, on=clock.now())
        return self.proposal_page(
            request,
            CampaignForm,
            title="New campaign",
            intro="A campaign whose coins have a value, or that gives more than"
            f" {cells.coins(free)}, waits for another person first.",
            submit="Set it up",
            call=campaign_proposals.create,
            told=partial(or_waiting, done="{} is set up."),
        )

    @button("Give coins…", path="grant", right="change")
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give every reader of a list the same."""
        campaign: Campaign = self.find(request, object_id)

        def told(done: tuple[list[PromoGrant], list[campaigns.Refusal]]) -> str:
            granted, refused = done
            for refusal in refused:
                messages.error(request, f"{refusal.user_id}: {refusal.error}")
            return f"{len(granted)} readers have their coins, {len(refused)} do not."

        return self.proposal_page(
            request,
            GrantForm,
            title=f"Give coins of {campaign.name}",
            intro="Each reader gets the coins once for each name of a list.",
            submit="Give the coins",
            call=partial(campaigns.grant_all, campaign_id=campaign.pk),
            told=told,
            row=campaign,
        )


def grants_of(campaign: Campaign) -> Table:
    """The newest grants."""
    grants = campaign.grants.select_related("transaction").order_by("-id")
    shown, note = tables.newest(grants[: GRANTS + 1], GRANTS)
    return Table(
        title="Grants",
        headings=["Granted", "Reader", "By", number("Coins")],
        rows=[
            [
                cells.link(row.transaction, cells.moment(row.granted_at)),
                row.user_id,
                people.name_of(row.granted_by),
                f"{row.coins:,}",
            ]
            for row in shown
        ],
        empty="Nobody got coins of it yet.",
        note=note,
    )


@admin.register(PromoGrant)
class PromoGrantAdmin(RecordAdmin):
    """Coins one reader got from one campaign."""

    list_display = [
        columns.moment("granted_at"),
        columns.text("user_id", "Reader"),
        columns.related("campaign", by="name"),
        columns.count("coins"),
        columns.person("granted_by", "By"),
    ]
    list_select_related = ["campaign"]
    search_fields = ["pk", "user_id"]
    search_help_text = "Id or reader"
    ordering = ["-id"]
    nothing_yet = "No grants yet. A campaign's “Give coins…” makes them."

    facts = (
        columns.text("user_id", "Reader"),
        columns.related("campaign", by="name"),
        columns.count("coins"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("granted_at"),
        columns.person("granted_by", "By"),
        columns.copyable("id"),
    )
