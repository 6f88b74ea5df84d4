"""Payment methods that readers let us keep; the gateways' tokens are never shown."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import RecordAdmin, ViewList, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section
from legato_payments.lib.pages.views import SavedViews, View
from payments import audit
from payments.admin import readers
from payments.admin.attempts import attempts_of
from payments.admin.audit import history_of
from payments.models import PaymentMethod
from payments.services import payment_methods


class MethodViews(SavedViews):
    """By how far a removal is."""

    views = (
        View("kept", "Kept", lambda _now: Q(removed_at__isnull=True), is_counted=False),
        View(
            "leaving",
            "Not yet forgotten by the gateway",
            lambda _now: Q(next_attempt_at__isnull=False),
        ),
    )


class RemoveForm(ProposalForm):
    """Why a method is removed in the reader's place."""

    told_at = {audit.ReasonMissing: "reason"}

    reason = ReasonField(help_text="Kept in the audit log.")


@admin.display(description="State")
def state(method: PaymentMethod) -> str:
    """Whether it can be charged, and whether the gateway knows that it cannot."""
    if method.removed_at is None:
        return cells.mark("Kept", Tone.GOOD)
    if method.detached_at is None:
        return cells.mark("Removed, the gateway still keeps it", Tone.BUSY)
    return cells.mark("Removed", Tone.PLAIN)


@admin.display(description="Gateway")
def gateway(method: PaymentMethod) -> str:
    """Who keeps it."""
    return method.get_provider_display()


@admin.register(PaymentMethod)
class PaymentMethodAdmin(RecordAdmin):
    """Kept with a purchase; removed by the reader, or here when the reader asks us to."""

    list_display = [
        columns.moment("consented_at", "Since"),
        columns.text("user_id", "Reader"),
        columns.text("brand"),
        columns.code("last4", "Last four"),
        columns.text("expires"),
        gateway,
        state,
        columns.moment("removed_at"),
    ]
    list_filter = [MethodViews, "provider"]
    list_before_template = "admin/views.html"
    search_fields = ["pk", "user_id"]
    search_help_text = "Reader, or id of the method"
    ordering = ["-id"]
    nothing_yet = "No reader lets us keep a payment method yet. They agree to it with a purchase."
    actions_detail = ["remove"]

    facts = (
        readers.of_row,
        state,
        columns.text("kind"),
        columns.text("brand"),
        columns.code("last4", "Last four"),
        columns.text("expires"),
        gateway,
        columns.related("purchase", "Kept with"),
        columns.moment("consented_at", "The reader agreed"),
        columns.moment("removed_at"),
        columns.moment("detached_at", "Forgotten by the gateway"),
        columns.count("attempts", "Times the gateway was asked"),
        columns.copyable("pk", "Id"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ViewList]:
        """The list with its saved views."""
        return ViewList

    def usable(self, request: HttpRequest, row: PaymentMethod) -> set[str]:
        """What is removed cannot be removed again."""
        return {"remove"} if row.removed_at is None else set()

    def sections(self, obj: PaymentMethod) -> Iterator[Section]:
        """What the gateway was asked, and who removed it."""
        yield attempts_of("payment_method", obj.pk)
        yield history_of("payment_method", obj.pk)

    @button("Remove…", path="remove", right="change", is_danger=True)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Never charge it again, at the reader's wish."""
        method: PaymentMethod = self.find(request, object_id)
        return self.proposal_page(
            request,
            RemoveForm,
            title=f"Remove {method} of {method.user_id}",
            intro="It is not charged any more from this moment, and the gateway is told to forget"
            " it. The reader can keep it again only with another purchase.",
            submit="Remove it",
            call=partial(payment_methods.remove, method_id=method.pk),
            told=lambda removed: f"Removed: {removed} of {removed.user_id}.",
            row=method,
            is_danger=True,
        )
