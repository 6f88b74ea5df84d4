"""What a reader paid for, as the receipt of a purchase says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from legato_payments.lib.money import Money
from payments.models import Purchase, PurchaseTaxLine
from payments.models import Refund as MoneyRefund

WITHDRAWAL = timedelta(days=14)
"""Directive 2011/83/EU, article 9: how long a purchase can be withdrawn from."""


STATUSES = {
    MoneyRefund.Status.REQUESTED: "pending",
    MoneyRefund.Status.PENDING: "pending",
    MoneyRefund.Status.NEEDS_ATTENTION: "pending",
    MoneyRefund.Status.SUCCEEDED: "succeeded",
    MoneyRefund.Status.FAILED: "failed",
    # Finance decides; the reader has nothing to do about it.
    MoneyRefund.Status.CONTRADICTED: "pending",
}
"""How a refund stands, in the words of the API."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back to the reader."""

    amount: Money
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A refund as the reader asked for it, whatever became of it.

    Args:
        declared_at: When the withdrawal was declared, or the money asked for.
        ended_at: When it was paid or failed; none while it is on its way.
        coins: What was taken for it.
        ground: Of ``Refund.Kind``, in lower case.
        status: Of ``STATUSES``.
    """

    refund_id: UUID
    declared_at: datetime
    ended_at: datetime | None
    amount: Money
    coins: int
    ground: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A settled purchase, told from what the books keep for ever.

    Args:
        number: The short form of the transaction's id.
        price: Before tax.
        lines: Its taxes.
        consented_at: When the reader asked for the coins at once and acknowledged what that means
            for the right of withdrawal; none when one of both is missing.
        withdrawal_until: Until when the reader may withdraw then.
        refunds: What was paid back so far, the oldest first.
        asked: Every refund, also what is on its way and what failed, the oldest first.
    """

    purchase: Purchase
    number: str
    issued_at: datetime
    price: Money
    lines: Sequence[PurchaseTaxLine]
    tax: Money
    total: Money
    consented_at: datetime | None
    withdrawal_until: datetime
    refunds: Sequence[Refund]
    asked: Sequence[Asked]

    @property
    def package(self) -> str:
        """The name of what was bought; empty for an exact number of coins."""
        version = self.purchase.package_version
        return version.package.name if version else ""

    @property
    def refunded(self) -> Money:
        """All refunds together."""
        return Money(sum(refund.amount.micros for refund in self.refunds), self.total.currency)


def of_purchase(*, transaction_id: UUID) -> Receipt | None:
    """The receipt of a purchase, or nothing: not a purchase, or not paid."""
    found = Purchase.objects.filter(pk=transaction_id, status=Purchase.Status.SUCCEEDED)
    purchase = found.select_related("package_version__package").first()
    if purchase is None or purchase.settled_at is None:
        return None
    consent = purchase.consent or {}
    has_consented = (
        consent.get("immediate_delivery") is True and consent.get("acknowledged") is True
    )
    return Receipt(
        purchase=purchase,
        number=number_of(purchase.pk),
        issued_at=purchase.settled_at,
        price=Money(purchase.price_micros, purchase.currency),
        lines=list(purchase.tax_lines.order_by("id")),
        tax=Money(purchase.tax_micros, purchase.currency),
        total=Money(purchase.total_micros, purchase.currency),
        consented_at=purchase.created_at if has_consented else None,
        withdrawal_until=purchase.settled_at + WITHDRAWAL,
        refunds=list(_refunds(purchase)),
        asked=_asked(purchase),
    )


def number_of(transaction_id: UUID) -> str:
    """The short form of an id: its last twelve digits, of which most are random."""
    digits = transaction_id.hex[-12:].upper()
    return "-".join((digits[:4], digits[4:8], digits[8:]))


def _refunds(purchase: Purchase) -> list[Refund]:
    # Asked for alone is not paid back.
    paid = purchase.refunds.filter(status=MoneyRefund.Status.SUCCEEDED).order_by("completed_at")
    return [
        Refund(Money(refund.amount_micros, refund.currency), refund.completed_at)
        for refund in paid
        if refund.completed_at
    ]


def _asked(purchase: Purchase) -> list[Asked]:
    found = purchase.refunds.prefetch_related("closings").order_by("id")
    return [_describe(refund) for refund in found]


def _describe(refund: MoneyRefund) -> Asked:
    status = STATUSES[MoneyRefund.Status(refund.status)]
    # One that was paid after it had failed took what was left of its coins, or none.
    closed = [one for one in refund.closings.all() if one.transaction_id and not one.undone_by_id]
    return Asked(
        refund_id=refund.pk,
        declared_at=refund.requested_at,
        ended_at=None if status == "pending" else refund.completed_at,
        amount=Money(refund.amount_micros, refund.currency),
        coins=closed[0].coins if closed else refund.coins,
        ground=refund.kind.lower(),
        status=status,
    )
