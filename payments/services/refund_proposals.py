"""Money refunds by staff: at once up to a limit, beyond it with another person's consent."""

from datetime import datetime
from uuid import UUID

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import approvals, audit
from payments.approvals import Order, Target
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRequest, Policy, Purchase, Refund
from payments.queries import policies
from payments.services import refund_amounts, refunds

REFUND_PURCHASE = "payments.refund_purchase"


def propose(
    *, purchase_id: UUID, amount: Money | None, reason: str, actor: str, now: datetime
) -> ApprovalRequest | Refund:
    """Pay a purchase back on finance's word.

    Args:
        amount: More than the unused coins are worth is goodwill; nothing is their worth.

    Raises:
        audit.ReasonMissing: No reason.
        refunds.PurchaseNotPaid, refunds.PurchaseDisputed, refunds.NothingToRefund,
            refunds.AmountTooLarge, refunds.CurrencyMismatch, AlreadyReversed: As
            ``refunds.create``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    purchase = Purchase.objects.get(pk=purchase_id)
    goodwill = refunds.goodwill_in(purchase, amount)
    return approvals.propose(
        action=REFUND_PURCHASE,
        target=Target("purchase", str(purchase.pk)),
        payload={
            "before": {},
            "after": {
                "reader": purchase.user_id,
                "amount": amount.amount() if amount else "all unused coins",
                "currency": purchase.currency,
                "goodwill": goodwill.amount(),
                # Names the proposal: the same amount may go back twice, for two reasons.
                "refund_id": str(uuid7()),
            },
        },
        summary=f"Pay {amount or 'the unused coins'} back to {purchase.user_id}"
        f" (goodwill {goodwill})",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=at_stake(purchase, amount),
        at_least=at_least(purchase, goodwill, actor=actor, now=now),
    )


def people_needed(*, purchase: Purchase, amount: Money | None, actor: str, now: datetime) -> int:
    """How many other people have to agree before it is paid back."""
    stake = at_stake(purchase, amount)
    by_rules = approvals.needed_for(action=REFUND_PURCHASE, amount=stake, on=now)
    goodwill = refunds.goodwill_in(purchase, amount)
    return max(by_rules, at_least(purchase, goodwill, actor=actor, now=now))


def at_stake(purchase: Purchase, amount: Money | None) -> Money:
    """What the rules look at, in US dollars: the amount, or the most that it could be."""
    most = amount or Money(purchase.total_micros - purchase.refunded_micros, purchase.currency)
    return Money(refund_amounts.in_book_currency(purchase, most.micros), BOOK_CURRENCY)


def at_least(purchase: Purchase, goodwill: Money, *, actor: str, now: datetime) -> int:
    """One person, where it is more than may be given away freely, or one's own purchase."""
    free = policies.value(Policy.Name.GOODWILL_FREE_CENTS, on=now) * 10_000
    is_much = refund_amounts.in_book_currency(purchase, goodwill.micros) > free
    return int(is_much or approvals.is_own(actor=actor, user_id=purchase.user_id))


def carry_out(order: Order) -> Refund:
    """Take the coins and put the money in flight; a job asks the gateway.

    Raises:
        As ``refunds.create``: things may have changed since it was proposed.
    """
    after = order.payload["after"]
    is_all = after["amount"] == "all unused coins"
    amount = None if is_all else Money.parse(after["amount"], after["currency"])
    request = refunds.Request(
        purchase_id=UUID(order.target.id),
        reason=order.reason,
        actor=order.maker,
        amount=amount,
        goodwill=not is_all,
        approval_id=order.approval_id,
    )
    refund = refunds.create(refund_id=UUID(after["refund_id"]), request=request, now=order.now)
    # Nobody asks the gateway in this call, as a reader's request does: the job is to find it due.
    refund.next_attempt_at = order.now
    refund.save(update_fields=["next_attempt_at"])
    return refund
