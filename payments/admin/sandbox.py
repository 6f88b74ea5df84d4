"""The sandbox gateway's own books, for trying things out; nobody sees them where it is off."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.models import Purchase, SandboxCharge

Status = SandboxCharge.Status

TONES = {
    Status.OPEN: Tone.BUSY,
    Status.AUTHENTICATING: Tone.BUSY,
    Status.SUCCEEDED: Tone.GOOD,
    Status.FAILED: Tone.BAD,
    Status.CANCELLED: Tone.PLAIN,
}


@admin.display(description="Amount")
def number_amount(charge: SandboxCharge) -> str:
    """What the reader pays there."""
    return str(Money.from_minor(charge.amount_minor, charge.currency))


@admin.display(description="Fee")
def number_fee(charge: SandboxCharge) -> str:
    """What the sandbox keeps."""
    if charge.fee_minor is None:
        return cells.EMPTY
    return str(Money.from_minor(charge.fee_minor, charge.currency))


@admin.display(description="Purchase")
def purchase(charge: SandboxCharge) -> str:
    """Ours, with the same reference."""
    return cells.link(Purchase.objects.filter(reference=charge.reference).first())


@admin.register(SandboxCharge)
class SandboxChargeAdmin(RecordAdmin):
    """Payments as the sandbox knows them."""

    list_display = [
        columns.moment("created_at", "Opened"),
        columns.state("status", TONES),
        number_amount,
        number_fee,
        columns.code("reference"),
        columns.moment("completed_at", "Closed"),
    ]
    list_filter = ["status", "currency"]
    search_fields = ["pk", "reference"]
    search_help_text = "Id or reference"
    ordering = ["-created_at"]
    nothing_yet = "No payments at the sandbox yet."

    facts = (
        columns.state("status", TONES),
        number_amount,
        number_fee,
        columns.text("failure_code"),
        "description",
        purchase,
        columns.copyable("reference"),
        columns.copyable("id"),
        columns.moment("created_at", "Opened"),
        columns.moment("completed_at", "Closed"),
    )

    def has_module_permission(self, *args: Any) -> bool:
        """Only where the sandbox takes payments."""
        return bool(settings.GATEWAY_SANDBOX and super().has_module_permission(*args))

    def has_view_permission(self, *args: Any) -> bool:
        """Only where the sandbox takes payments."""
        return bool(settings.GATEWAY_SANDBOX and super().has_view_permission(*args))

    def sections(self, obj: SandboxCharge) -> Iterator[Section]:
        """The webhooks that the sandbox owes us."""
        deliveries = obj.deliveries.defer("body").order_by("id")
        yield Table(
            title="Webhooks it owes us",
            headings=["Event", "Made", "Delivered", number("Attempts")],
            rows=[
                [
                    cells.code(delivery.event_id),
                    cells.moment(delivery.created_at),
                    cells.moment(delivery.delivered_at),
                    f"{delivery.attempts:,}",
                ]
                for delivery in deliveries
            ],
            empty="Nothing yet: it tells us when the payment ends.",
        )
