"""The page on which finance pays a purchase back: how much, why, and what would go."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin, actor_of
from legato_payments.lib.money import MINOR_DIGITS, Money
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.proposals import Confirmation, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, Text, number
from payments import audit
from payments.admin.approvals import or_waiting
from payments.admin.refunds import coins_of, refunds_of
from payments.ledger.reversals import AlreadyReversed
from payments.models import ApprovalRequest, Purchase
from payments.services import refund_proposals, refunds

RIGHT = "payments.add_refund"


class PayBackForm(ProposalForm):
    """An amount in the currency of the purchase; nothing is the worth of all unused coins."""

    told_at = {
        refunds.AmountTooLarge: "amount",
        refunds.AmountTooSmall: "amount",
        refunds.CurrencyMismatch: "amount",
        refunds.NothingToRefund: "amount",
        audit.ReasonMissing: "reason",
    }

    amount = forms.DecimalField(
        required=False,
        help_text="Left empty: what all unused coins are worth. More than that is goodwill.",
    )
    reason = ReasonField(help_text="Kept with the refund, in the books and in the audit log.")

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        digits = MINOR_DIGITS[currency]
        self.fields["amount"] = forms.DecimalField(
            label=f"Amount in {currency}",
            required=False,
            min_value=Decimal(1).scaleb(-digits),
            max_digits=16,
            decimal_places=digits,
            help_text=self.base_fields["amount"].help_text,
        )


def may_be_paid_back(purchase: Purchase) -> bool:
    """Whether the page has anything to offer; the service decides again, under its locks."""
    return (
        purchase.status == Purchase.Status.SUCCEEDED
        and purchase.refunded_micros < purchase.total_micros
        and not purchase.disputes.exclude(booked="NONE").exists()
    )


def page(owner: RecordAdmin, request: HttpRequest, purchase: Purchase) -> HttpResponse:
    """Ask how much and why, show what would go back, and do it or propose it."""
    sent = request.POST if request.method == "POST" else None

    def amount_in(data: Mapping[str, Any]) -> Money | None:
        typed = data["amount"]
        return None if typed is None else Money.parse(str(typed), purchase.currency)

    def confirm(data: Mapping[str, Any]) -> Confirmation:
        amount = amount_in(data)
        worth, goodwill = refunds.preview(purchase=purchase, amount=amount)
        people = refund_proposals.people_needed(
            purchase=purchase, amount=amount, actor=actor_of(request), now=clock.now()
        )
        words = f"{worth.money + goodwill} go back to {purchase.user_id}"
        taken = f"{cells.coins(worth.coins)} are taken for {worth.money}"
        gift = f", and {goodwill} are goodwill, at our cost" if goodwill.micros else ""
        how = _others(people) if people else "This is done at once."
        return Confirmation(
            words=f"{words}: {taken}{gift}. {how}",
            submit=f"Propose to pay {worth.money + goodwill} back"
            if people
            else f"Pay {worth.money + goodwill} back",
        )

    def call(data: Mapping[str, Any]) -> str:
        made = refund_proposals.propose(
            purchase_id=purchase.pk,
            amount=amount_in(data),
            reason=data["reason"],
            actor=actor_of(request),
            now=clock.now(),
        )
        if isinstance(made, ApprovalRequest):
            return or_waiting(made, "")
        money = Money(made.amount_micros, made.currency)
        return f"{money} are on their way: the gateway is asked in a moment."

    return owner.ask(
        request,
        PayBackForm(sent, currency=purchase.currency),
        title=f"Pay back a purchase of {purchase.user_id}",
        intro="Unused coins become money again, through the gateway that took it.",
        submit="See what would go back",
        call=call,
        back=cells.page_of(purchase),
        sections=[_what_can_go(purchase), coins_of(purchase), refunds_of(purchase)],
        confirm=confirm,
    )


def _others(people: int) -> str:
    if people == 1:
        return "Another person has to agree first."
    return f"{people} other people have to agree first."


def _what_can_go(purchase: Purchase) -> Section:
    """The worth of the unused coins and the most that can go back, or why nothing can."""
    try:
        worth, _goodwill = refunds.preview(purchase=purchase, amount=None)
    except refunds.NothingToRefund:
        worth = None
    except (refunds.PurchaseNotPaid, refunds.PurchaseDisputed, AlreadyReversed) as refusal:
        return Text(title="It cannot be paid back", text=str(refusal))
    total = Money(purchase.total_micros, purchase.currency)
    before = Money(purchase.refunded_micros, purchase.currency)
    nothing = Money(0, purchase.currency)
    money = worth.money if worth else nothing
    tax = Money(worth.tax_micros, purchase.currency) if worth else nothing
    return Table(
        title="What could go back",
        headings=["What", number("Money"), number("For")],
        rows=[
            ["Paid, tax included", total, cells.coins(purchase.credited_coins)],
            ["Paid back before, or on its way", before, cells.EMPTY],
            ["All unused coins", money, cells.coins(worth.coins if worth else 0)],
            ["of this tax", tax, cells.EMPTY],
            ["The most, with goodwill", total - before, cells.EMPTY],
        ],
    )
