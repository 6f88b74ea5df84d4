"""Corrections of what a gateway holds by our books: proposed, agreed to by others, done by a job.

The only way to make a difference good that no service can repair, and always with four eyes.
"""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Invalid, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money, divide_down
from payments import approvals, audit, ledger
from payments.approvals import Order, Target
from payments.enums import BOOK_CURRENCY, Currency
from payments.ledger import templates
from payments.models import ApprovalRequest, Difference
from payments.services import currency_rates, differences

CORRECT_GATEWAY = "payments.correct_gateway"


class CorrectionEmpty(Invalid):
    code = "correction_empty"
    title = "A correction changes what the gateway holds, by some amount."


class CorrectionNotApproved(Refused):
    code = "correction_not_approved"
    title = "What a gateway holds is corrected by hand only after another person agreed."


class DifferenceChanged(Conflict):
    code = "difference_changed"
    title = "One side of the difference changed since the correction was proposed."


def propose(
    *, difference_id: UUID, amount: Money, actor: str, reason: str, now: datetime
) -> ApprovalRequest | Difference:
    """Ask another person for a correction that closes a difference.

    Args:
        amount: What our books are to say the gateway holds beyond what they say now; below zero,
            less.

    Raises:
        audit.ReasonMissing: No reason.
        CorrectionEmpty: Nothing would change.
        differences.DifferenceUnknown, differences.DifferenceClosed: As they say.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    if not amount.micros:
        raise CorrectionEmpty
    row = Difference.objects.filter(pk=difference_id).first()
    if row is None:
        raise differences.DifferenceUnknown
    return approvals.propose(
        action=CORRECT_GATEWAY,
        target=Target("difference", str(row.pk)),
        payload={
            "before": {},
            "after": {
                "amount": amount.amount(),
                "currency": amount.currency,
                "gateway": row.provider,
                "difference": row.fingerprint,
            },
        },
        summary=f"Correct {row.get_provider_display()} by {amount}: {row}",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=_in_book_currency(amount),
    )


@atomic
def carry_out(order: Order) -> Difference:
    """Post the correction and close its difference, once.

    The database looks at the commit whether others agreed to exactly this.

    Raises:
        CorrectionNotApproved: There is no proposal behind it.
        DifferenceChanged: It is not what was looked at any more.
        differences.DifferenceUnknown, differences.DifferenceClosed: As they say.
    """
    if order.approval_id is None:
        raise CorrectionNotApproved
    after = order.payload["after"]
    row = differences.lock_open(UUID(order.target.id))
    if row.fingerprint != after["difference"]:
        raise DifferenceChanged
    amount = Money.parse(after["amount"], after["currency"])
    transaction_id = ledger.post(
        templates.correction(provider=row.provider, currency=amount.currency, amount=amount.micros),
        ledger.Header(
            id=uuid7(),
            key=f"difference:{row.pk}:correction",
            occurred_at=order.now,
            source_type="difference",
            source_id=str(row.pk),
            actor=order.maker,
            memo=order.reason[:200],
        ),
    )
    failpoint("correction.posted")
    differences.close_adjusted(
        row,
        approval_id=order.approval_id,
        transaction_id=transaction_id,
        actor=order.maker,
        now=order.now,
    )
    return row


def _in_book_currency(amount: Money) -> Money | None:
    """What it is about in the currency of the rules; nothing where no rate is known at all."""
    size = abs(amount.micros)
    if amount.currency == BOOK_CURRENCY:
        return Money(size, BOOK_CURRENCY)
    rate = currency_rates.newest(quote=Currency(amount.currency))
    return Money(divide_down(size, rate.rate), BOOK_CURRENCY) if rate else None
