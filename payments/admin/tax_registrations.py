"""Where we are registered for sales tax, as dated rows."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import FROM_APPROVAL, DayField, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.admin.tax_rules import JURISDICTION
from payments.gateways.tax.base import NoTaxRule
from payments.models import TaxRegistration
from payments.services import tax_proposals, tax_rules


class RegistrationForm(ProposalForm):
    """Whether a tax office knows us."""

    told_at = {
        tax_rules.StartsInThePast: "valid_from",
        tax_rules.RegistrationUnchanged: "number",
        NoTaxRule: "jurisdiction",
    }

    jurisdiction = forms.CharField(
        label="Tax office",
        max_length=6,
        validators=[JURISDICTION],
        help_text="CA for GST and HST, CA-QC for QST, NG for VAT.",
    )
    is_registered = forms.BooleanField(
        label="We are registered", required=False, initial=True, help_text="Off: no more."
    )
    number = forms.CharField(
        max_length=40, required=False, help_text="Our tax number there; receipts show it."
    )
    is_inclusive = forms.BooleanField(
        label="Prices include the tax", required=False, help_text="Else it comes on top."
    )
    valid_from = DayField(label="From (UTC)", required=False, help_text=FROM_APPROVAL)
    reason = ReasonField()

    def clean(self) -> dict[str, Any]:
        """Whoever is registered has a number."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("is_registered") and not data.get("number"):
            self.add_error("number", "Receipts need it.")
        return data

    def arguments(self) -> dict[str, Any]:
        """The registration, from when on, and why."""
        kind = tax_rules.Registration
        return self.folded("registration", kind, but=("valid_from", "reason"))


@admin.display(description="State")
def registration_state(row: TaxRegistration) -> str:
    """Whether we collect for the office today."""
    if not getattr(row, "is_newest", False):
        is_to_come = row.valid_from > clock.now().date()
        return cells.mark("Scheduled", Tone.BUSY) if is_to_come else cells.mark("Superseded")
    return cells.mark("Registered", Tone.GOOD) if row.is_registered else cells.mark("Not any more")


@admin.display(description="From")
def registered_from(row: TaxRegistration) -> str:
    """The day it begins."""
    return row.valid_from.isoformat()


@admin.register(TaxRegistration)
class TaxRegistrationAdmin(ShortListAdmin):
    """Rows are never edited: a newer one of the same office supersedes."""

    list_display = [
        columns.text("jurisdiction", "Tax office"),
        registration_state,
        columns.code("number"),
        columns.flag("is_inclusive", "Prices", yes="Tax included", no="Tax on top"),
        registered_from,
        columns.person("created_by", "By"),
        columns.words("reason"),
    ]
    list_filter = ["jurisdiction"]
    ordering = ["jurisdiction", "-valid_from", "-id"]
    nothing_yet = "We are registered nowhere: no sales tax is collected, and receipts say so."
    actions_list = ["register"]

    facts = (
        columns.text("jurisdiction", "Tax office"),
        registration_state,
        columns.copyable("number"),
        columns.flag("is_inclusive", "Prices", yes="Tax included", no="Tax on top"),
        registered_from,
        columns.person("created_by", "By"),
        columns.moment("created_at", "Recorded"),
        columns.words("reason"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxRegistration]:
        """With whether each is the newest of its office, in the same query."""
        rows: QuerySet[TaxRegistration] = super().get_queryset(request)
        newest = TaxRegistration.objects.newest("jurisdiction", "valid_from", on=clock.now().date())
        return rows.annotate(is_newest=Q(pk__in=newest.values("pk")))

    def sections(self, obj: TaxRegistration) -> Iterator[Section]:
        """What waits, and who changed it."""
        if (waiting := waiting_on("tax_registration", obj.jurisdiction)) is not None:
            yield waiting
        yield history_of("tax_registration", obj.jurisdiction)

    @button("Register, or no more", path="register", right="add")
    def register(self, request: HttpRequest) -> HttpResponse:
        """Collect for a tax office from a day on, or cease to."""
        return self.proposal_page(
            request,
            RegistrationForm,
            title="Register with a tax office, or no more",
            intro="Purchases from that day on are taxed. It counts when another person has agreed.",
            submit="Propose it",
            call=tax_proposals.register,
            told=partial(or_waiting, done="{} is recorded."),
        )
