"""The page on which finance pays a purchase back: how much, why, and what would go."""

from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.proposals import (
    Confirmation,
    MoneyField,
    ProposalForm,
    ReasonField,
)
from legato_payments.lib.pages.tables import Section, Table, Text, number
from payments import audit
from payments.admin.approvals import or_waiting
from payments.admin.refunds import coins_of, refunds_of
from payments.ledger.reversals import AlreadyReversed
from payments.models import ApprovalRequest, Purchase, Refund
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

    reason = ReasonField(help_text="Kept with the refund, in the books and in the audit log.")

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = MoneyField(
            currency,
            required=False,
            help_text="Left empty: what all unused coins are worth. More than that is goodwill.",
        )
        self.order_fields(["amount"])


def may_be_paid_back(purchase: Purchase) -> bool:
    """Whether the page has anything to offer; the service decides again, under its locks."""
    return (
        purchase.status == Purchase.Status.SUCCEEDED
        and purchase.refunded_micros < purchase.total_micros
        and not purchase.disputes.exclude(booked="NONE").exists()
    )


def page(owner: RecordAdmin, request: HttpRequest, purchase: Purchase) -> HttpResponse:
    """Ask how much and why, show what would go back, and do it or propose it."""
    return owner.proposal_page(
        request,
        partial(PayBackForm, currency=purchase.currency),
        title=f"Pay back a purchase of {purchase.user_id}",
        intro="Unused coins become money again, through the gateway that took it.",
        submit="See what would go back",
        call=partial(refund_proposals.propose, purchase_id=purchase.pk),
        told=_told,
        row=purchase,
        sections=[_what_can_go(purchase), coins_of(purchase), refunds_of(purchase)],
        confirm=partial(_confirmation, purchase),
    )


def _confirmation(
    purchase: Purchase, *, amount: Money | None, actor: str, now: datetime, **_reason: object
) -> Confirmation:
    """What goes back for which coins, at whose cost, and who has to agree."""
    worth, goodwill = refunds.preview(purchase=purchase, amount=amount)
    people = refund_proposals.people_needed(purchase=purchase, amount=amount, actor=actor, now=now)
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


def _told(made: ApprovalRequest | Refund) -> str:
    if isinstance(made, ApprovalRequest):
        return or_waiting(made, "")
    money = Money(made.amount_micros, made.currency)
    return f"{money} are on their way: the gateway is asked in a moment."


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
