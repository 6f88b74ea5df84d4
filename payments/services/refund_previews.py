"""What paying a purchase back now would do: step one of a withdrawal, which moves nothing.

Directive (EU) 2023/2673 wants a declaration that names what it is about, and then a confirmation:
readers see this before they ask.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from legato_payments.lib.errors import DomainError
from legato_payments.lib.money import Money
from payments.models import Purchase, Refund
from payments.services import refund_rights, refunds


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would come of asking now.

    Args:
        refusal: Why nothing would; none: it would be paid back.
        coins: Unused coins that would be taken.
        money: What would go back for them, tax included.
        tax: Of it, tax.
        ground: On what ground; none when it would be refused.
        withdrawal_until: Until when the right of withdrawal stands; none when it does not.
    """

    refusal: DomainError | None = None
    coins: int = 0
    money: Money | None = None
    tax: Money | None = None
    ground: Refund.Kind | None = None
    withdrawal_until: datetime | None = None


def of_purchase(purchase: Purchase, *, now: datetime) -> Preview:
    """What a reader would get who asks for all unused coins to be paid back; nothing changes."""
    until = _withdrawal_until(purchase, now=now)
    try:
        ground = refund_rights.window_of(purchase, now=now)
        worth, _no_goodwill = refunds.preview(purchase=purchase, amount=None)
    except DomainError as refusal:
        return Preview(refusal=refusal, withdrawal_until=until)
    return Preview(
        coins=worth.coins,
        money=worth.money,
        tax=Money(worth.tax_micros, purchase.currency),
        ground=ground,
        withdrawal_until=until,
    )


def _withdrawal_until(purchase: Purchase, *, now: datetime) -> datetime | None:
    paid_at = purchase.settled_at
    if paid_at is None or refund_rights.kind_of(purchase, now=now) != Refund.Kind.WITHDRAWAL:
        return None
    return paid_at + timedelta(days=14)
