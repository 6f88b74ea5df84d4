"""Exchange rates, with their history."""

from datetime import datetime
from decimal import Decimal
from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.errors import Unavailable
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import DayField, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Table, number
from payments.admin.approvals import or_waiting
from payments.enums import BOOK_CURRENCY, Currency
from payments.gateways.rates.base import RateProvider, RateSourceUnreadable
from payments.gateways.rates.registry import rate_provider
from payments.models import CurrencyRate
from payments.queries import rates
from payments.services import currency_rates, proposals

QUOTES = [currency for currency in Currency if currency != BOOK_CURRENCY]


class SourceUnreadable(Unavailable):
    """The rate source gave nothing usable."""

    title = "The source of the rates gave nothing usable."


class RateForm(ProposalForm):
    """A rate that a person sets by hand."""

    told_at = {currency_rates.RateRefused: "rate", proposals.RateUnchanged: "rate"}

    quote = forms.ChoiceField(
        label="Currency", choices=[(currency.value, currency.label) for currency in QUOTES]
    )
    rate = forms.DecimalField(
        label="Rate",
        min_value=Decimal(0),
        max_digits=18,
        decimal_places=8,
        help_text="How much of the currency one US dollar buys.",
    )
    as_of = DayField(label="Day", help_text="UTC; not ahead of today.")
    allow_jump = forms.BooleanField(
        label="It really moved this far",
        required=False,
        help_text="Needed when the rate is further from the newest one than the guard allows.",
    )
    reason = ReasonField()


@admin.display(description="Pair")
def pair(rate: CurrencyRate) -> str:
    """One of the first buys this much of the second."""
    return f"{rate.base} → {rate.quote}"


@admin.display(description="State")
def state(rate: CurrencyRate) -> str:
    """Whether conversions use it."""
    if not getattr(rate, "is_newest", False):
        return cells.mark("Superseded")
    if clock.now() > currency_rates.usable_until(source=rate.source, as_of=rate.as_of):
        return cells.mark("Too old", Tone.BAD)
    return cells.mark("In force", Tone.GOOD)


@admin.display(description="Usable until")
def usable_until(rate: CurrencyRate) -> str:
    """When it stops being used, unless a newer one comes before."""
    return cells.moment(currency_rates.usable_until(source=rate.source, as_of=rate.as_of))


@admin.display(description="Day")
def day(rate: CurrencyRate) -> str:
    """The day the source gave it for."""
    return rate.as_of.isoformat()


@admin.register(CurrencyRate)
class RateAdmin(ShortListAdmin):
    """Rows are never edited: a newer one supersedes."""

    list_display = [
        pair,
        columns.decimal("rate"),
        day,
        state,
        columns.text("source"),
        columns.person("created_by", "By"),
        columns.moment("fetched_at", "Recorded"),
        columns.words("reason"),
    ]
    list_filter = ["quote", "source"]
    ordering = ["-as_of", "-id"]
    nothing_yet = "No rates yet. “Refresh now” fetches them; a person can set one by hand."
    actions_list = ["set_by_hand", "refresh"]

    facts = (
        pair,
        columns.decimal("rate"),
        day,
        state,
        usable_until,
        columns.text("source"),
        columns.person("created_by", "By"),
        columns.moment("fetched_at", "Recorded"),
        columns.words("reason"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CurrencyRate]:
        """With whether each is the newest of its pair, in the same query."""
        return with_newest(super().get_queryset(request))

    @button("Set a rate by hand", path="set-by-hand", right="add")
    def set_by_hand(self, request: HttpRequest) -> HttpResponse:
        """Record a rate with a person's name and reason on it."""
        return self.proposal_page(
            request,
            RateForm,
            title="Set a rate by hand",
            intro="It counts when another person has agreed.",
            submit="Propose the rate",
            call=proposals.set_rate,
            told=partial(or_waiting, done="{} is in force."),
            initial={"as_of": clock.now().date()},
            sections=[newest_rates()],
        )

    @button("Refresh now", path="refresh", right="add")
    def refresh(self, request: HttpRequest) -> HttpResponse:
        """Fetch the rates from the configured source, after a confirmation."""
        provider = rate_provider()
        return self.proposal_page(
            request,
            ProposalForm,
            title="Refresh the exchange rates",
            intro=f"Fetches today's rates from the source “{provider.code}”. A rate that jumps"
            " further than the guard allows is refused and named.",
            submit="Refresh now",
            call=partial(refreshed, provider),
            told=words_of,
            sections=[newest_rates()],
        )


def refreshed(
    provider: RateProvider, *, now: datetime, **_unused: object
) -> currency_rates.Refreshed:
    """What the source gave, recorded.

    Raises:
        SourceUnreadable: It gave nothing usable.
    """
    try:
        return currency_rates.refresh(provider=provider, now=now)
    except RateSourceUnreadable as error:
        raise SourceUnreadable(str(error)) from error


def words_of(result: currency_rates.Refreshed) -> str:
    """What to tell of a refresh, refused rates by name."""
    parts = [f"{row} recorded" for row in result.recorded] or ["nothing new"]
    return "; ".join([*parts, *(f"refused: {words}" for words in result.refused)]) + "."


def with_newest(found: QuerySet[CurrencyRate]) -> QuerySet[CurrencyRate]:
    """Rates that also know whether they are the newest of their pair."""
    return found.annotate(is_newest=Q(pk__in=rates.newest().values("pk")))


def newest_rates() -> Table:
    """The newest rate of each currency, whatever its age."""
    return Table(
        title="Newest rates",
        headings=["Pair", number("Rate"), "Day", "State", "Source", "Usable until"],
        rows=[
            [pair(r), cells.decimal(r.rate), day(r), state(r), r.source, usable_until(r)]
            for r in with_newest(CurrencyRate.objects.filter(pk__in=rates.newest().values("pk")))
        ],
        empty="There is no rate yet.",
    )
