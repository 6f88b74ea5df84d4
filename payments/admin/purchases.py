"""Coin purchases, from the first click to the credit."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from legato_payments.lib.admin import RecordAdmin, button
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Advice, Section, Table, number
from payments.admin import paying_back, readers
from payments.admin.audit import history_of
from payments.admin.transactions import listed
from payments.enums import Provider, Unit
from payments.models import Purchase, SandboxCharge, Transaction, WebhookEvent

Status = Purchase.Status

TONES = {
    Status.CREATED: Tone.BUSY,
    Status.PENDING: Tone.BUSY,
    Status.SUCCEEDED: Tone.GOOD,
    Status.FAILED: Tone.BAD,
    Status.EXPIRED: Tone.PLAIN,
    Status.QUARANTINED: Tone.WARN,
}


@admin.display(description="Coins")
def number_coins(purchase: Purchase) -> str:
    """What the lot holds or will hold, bonus included."""
    return f"{purchase.total_coins:,}"


@admin.display(description="Coins")
def coins_and_bonus(purchase: Purchase) -> str:
    """How the coins come about."""
    bonus = f" + {purchase.bonus_coins:,} bonus" if purchase.bonus_coins else ""
    return f"{cells.coins(purchase.total_coins)} ({purchase.coins:,}{bonus})"


@admin.display(description="Package")
def package(purchase: Purchase) -> str:
    """What was bought, in the version that was on sale then."""
    version = purchase.package_version
    if version is None:
        return "Exact top-up"
    return cells.link(version.package, f"{version.package.name}, version {version.number}")


@admin.display(description="Gateway fee")
def fee(purchase: Purchase) -> str:
    """What the gateway kept, by its own figures."""
    return str(purchase.fee or cells.EMPTY)


QUARANTINE = (
    "The payment is not what was due, so no coins were given, and nothing is posted. Look it up in"
    " the gateway's dashboard by its id or our reference, and pay it back there. Until both sides"
    " agree, the reconciliation lists it."
)


@admin.display(description="What went wrong")
def what_went_wrong(purchase: Purchase) -> str:
    """In the words of the gateway, or of our own check."""
    return purchase.quarantine_reason or purchase.failure_code or cells.EMPTY


@admin.display(description="Consent")
def consent(purchase: Purchase) -> str:
    """What the reader agreed to about the right of withdrawal."""
    parts = [f"{name}: {cells.plain(value)}" for name, value in (purchase.consent or {}).items()]
    return " · ".join(parts) or cells.EMPTY


@admin.display(description="Where the reader is")
def place(purchase: Purchase) -> str:
    """What the tax was computed for."""
    parts = [part for part in (purchase.country, purchase.region) if part]
    return "-".join(parts) or cells.EMPTY


@admin.display(description="Evidence of that")
def evidence(purchase: Purchase) -> str:
    """Every piece, with its source; a mark when they contradict each other."""
    pieces = [
        f"{cells.plain(piece.get('source'))}: {cells.plain(piece.get('value'))}"
        for piece in purchase.evidence
    ]
    words = " · ".join(pieces) or cells.EMPTY
    if not purchase.evidence_conflicts:
        return words
    return format_html("{} {}", words, cells.mark("Contradictory", Tone.WARN))


@admin.display(description="Checkout")
def checkout(purchase: Purchase) -> str:
    """Where the reader pays, while that is still to be done; for the sandbox only."""
    is_open = purchase.status == Status.PENDING and purchase.provider == Provider.SANDBOX
    url = (purchase.action or {}).get("url", "")
    if not (settings.GATEWAY_SANDBOX and is_open and url):
        return cells.EMPTY
    return format_html('<a class="bo-link" href="{}">Open the sandbox checkout</a>', url)


@admin.register(Purchase)
class PurchaseAdmin(RecordAdmin):
    """Settled by what the gateway says, never by hand."""

    list_display = [
        columns.moment("created_at", "Started"),
        columns.text("user_id", "Reader"),
        columns.state("status", TONES),
        columns.money("total_micros", "currency", "Total"),
        number_coins,
        columns.choice("provider", "Gateway"),
        columns.code("reference"),
    ]
    list_filter = ["status", "provider", "currency", "evidence_conflicts"]
    search_fields = ["pk", "user_id", "reference", "gateway_id"]
    search_help_text = "Id, reader, our reference or the gateway's id"
    ordering = ["-id"]
    nothing_yet = "No purchases yet. Each appears here as soon as a reader starts one."

    facts = (
        columns.state("status", TONES),
        what_went_wrong,
        readers.of_row,
        package,
        coins_and_bonus,
        columns.money("price_micros", "currency", "Price before tax"),
        columns.money("tax_micros", "currency", "Tax"),
        columns.money("total_micros", "currency", "Total"),
        columns.money("refunded_micros", "currency", "Paid back"),
        fee,
        columns.money("value_micros", Unit.USD, "Value of the coins"),
        columns.money("debt_micros", Unit.USD, "Settled a debt"),
        columns.decimal("fx_rate", "Per US dollar"),
        place,
        evidence,
        columns.state("tax_ground", {}, "Sales tax"),
        columns.choice("provider", "Gateway"),
        columns.copyable("reference", "Our reference"),
        columns.copyable("gateway_id", "Gateway's id"),
        columns.copyable("id"),
        checkout,
        consent,
        columns.moment("created_at", "Started"),
        columns.moment("expires_at"),
        columns.moment("settled_at"),
        columns.related("transaction", by="get_kind_display"),
        columns.moment("next_attempt_at", "Asked again"),
        columns.count("attempts", "Times asked"),
    )
    list_select_related = ["package_version__package"]
    actions_detail = ["pay_back"]

    def usable(self, request: HttpRequest, row: Purchase) -> set[str]:
        """Only of what was paid, and as long as something is left of it."""
        return {"pay-back"} if paying_back.may_be_paid_back(row) else set()

    def has_propose_refund_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may begin refunds."""
        return request.user.has_perm(paying_back.RIGHT)

    @button("Pay back…", path="pay-back", right="refund")
    def pay_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give money back for unused coins, or as goodwill."""
        return paying_back.page(self, request, self.find(request, object_id))

    def sections(self, obj: Purchase) -> Iterator[Section]:
        """What became of it: in the books, at the gateway, in the audit log."""
        if obj.status == Status.QUARANTINED:
            yield Advice(advice=QUARANTINE)
        yield tax_lines(obj)
        yield in_the_books(obj)
        yield deliveries(obj)
        if settings.GATEWAY_SANDBOX and obj.provider == Provider.SANDBOX:
            yield at_the_sandbox(obj)
        yield history_of("purchase", obj.pk)


def tax_lines(purchase: Purchase) -> Table:
    """Each tax, with the rule that it was computed by."""
    lines = purchase.tax_lines.select_related("rule").order_by("id")
    return Table(
        title="Sales tax",
        headings=["Tax", "Owed to", number("Rate"), number("Amount"), "Rule"],
        rows=[
            [
                f"{line.name}{' (in the price)' if line.is_inclusive else ''}",
                line.jurisdiction,
                cells.ppm(line.rate_ppm),
                cells.amount(line.amount_micros, line.currency),
                cells.link(line.rule),
            ]
            for line in lines
        ],
        empty=f"No tax: {purchase.get_tax_ground_display()[:1].lower()}"
        f"{purchase.get_tax_ground_display()[1:]}.",
    )


def in_the_books(purchase: Purchase) -> Table:
    """The purchase's own transaction, its fee, and what took them back."""
    found = Transaction.objects.filter(Q(pk=purchase.pk) | Q(relates_to=purchase.pk))
    return listed(found, empty="Nothing is posted before the payment is captured.")


def deliveries(purchase: Purchase) -> Table:
    """What the gateway told us about it."""
    events = WebhookEvent.objects.filter(
        provider=purchase.provider, reference=purchase.reference
    ).defer("body")
    return Table(
        title="Webhooks",
        headings=["Delivery", "Status", "Received", "Processed"],
        rows=[
            [
                cells.link(event, event.kind),
                event.get_status_display(),
                cells.moment(event.received_at),
                cells.moment(event.processed_at),
            ]
            for event in events.order_by("id")[:20]
        ],
        empty="The gateway sent nothing about this purchase yet.",
    )


def at_the_sandbox(purchase: Purchase) -> Table:
    """The payment in the sandbox's own books."""
    charges = SandboxCharge.objects.filter(reference=purchase.reference)
    return Table(
        title="At the sandbox",
        headings=["Payment", "Status", "Opened", "Closed"],
        rows=[
            [
                cells.link(charge, charge.pk),
                charge.get_status_display(),
                cells.moment(charge.created_at),
                cells.moment(charge.completed_at),
            ]
            for charge in charges
        ],
        empty="The sandbox knows no payment with this reference.",
    )
