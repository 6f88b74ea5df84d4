"""Giving a chapter back for its coins."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db.models import F, Sum
from django.db.transaction import atomic

from access.models import ContentRefund, Entitlement
from access.services import reversals
from legato_payments.lib.errors import DomainError, Refused
from legato_payments.lib.failpoints import failpoint
from payments.ledger.reversals import AlreadyReversed, NotReversible, TransactionUnknown
from payments.models import CoinLot, LotUse, Policy, Transaction
from payments.queries import policies
from payments.services import wallets


class RefundWindowOver(Refused):
    code = "refund_window_over"
    title = "It was bought too long ago to be given back."


class ReadTooMuch(Refused):
    code = "read_too_much"
    title = "Too much of it is read to be given back."


class RefundLimitReached(Refused):
    code = "refund_limit_reached"
    title = "This reader gives back no more chapters today without the content service's word."


@dataclass(frozen=True, slots=True)
class Refunded:
    """A chapter given back, and the lots its coins came back in."""

    refund: ContentRefund
    lots: tuple[CoinLot, ...]

    @property
    def coins(self) -> int:
        """All coins that came back."""
        return sum(lot.coins for lot in self.lots)


@atomic
def refund(
    *,
    transaction_id: UUID,
    reason: str,
    actor: str,
    now: datetime,
    read_percent: int | None = None,
) -> Refunded:
    """Take one bought chapter back whole: coins, earnings and right, as ``reversals.reverse``.

    Args:
        transaction_id: Of the purchase of the chapter.
        read_percent: How much was read, as the content service tells. Nothing told counts as
            unread, but only for so many chapters of a reader in a UTC day.

    Raises:
        TransactionUnknown: There is none with this id.
        NotReversible: It did not buy a chapter.
        AlreadyReversed: It was taken back before.
        RefundWindowOver: It was bought too long ago.
        ReadTooMuch: Too much of it is read.
        RefundLimitReached: Nothing is told, and the reader gave back enough for one day.
    """
    bought = Entitlement.objects.filter(
        transaction_id=transaction_id, ground=Entitlement.Ground.PURCHASED
    )
    right = bought.first()
    if right is None:
        raise _why_not(transaction_id)
    wallets.lock(user_id=right.user_id)
    right.refresh_from_db()
    if right.revoked_at:
        raise AlreadyReversed
    _check(right, read_percent, now=now)

    reversal_id = reversals.reverse(
        transaction_id=transaction_id, actor=actor, reason=reason, now=now
    )
    failpoint("refund.reversed")
    row = ContentRefund.objects.create(
        entitlement=right,
        transaction_id=reversal_id,
        reason=reason,
        read_percent=read_percent or 0,
        refunded_at=now,
        refunded_by=actor,
    )
    failpoint("refund.recorded")
    return Refunded(row, tuple(CoinLot.objects.filter(transaction=reversal_id).order_by("id")))


def preview(*, transaction_id: UUID, now: datetime) -> int:
    """How many coins a chapter would bring that is given back now; nothing changes.

    Raises:
        As ``refund``, where nothing is told of how much was read; and PurchaseDisputed.
    """
    right = Entitlement.objects.filter(
        transaction_id=transaction_id, ground=Entitlement.Ground.PURCHASED
    ).first()
    if right is None:
        raise _why_not(transaction_id)
    if right.revoked_at:
        raise AlreadyReversed
    _check(right, None, now=now)
    reversals.refuse_taken(transaction_id)
    uses = LotUse.objects.filter(transaction_id=transaction_id)
    coins: int = uses.aggregate(coins=Sum(F("to_coin") - F("from_coin"), default=0))["coins"]
    return coins


def _why_not(transaction_id: UUID) -> DomainError:
    if Transaction.objects.filter(pk=transaction_id).exists():
        return NotReversible()
    return TransactionUnknown()


def _check(right: Entitlement, read_percent: int | None, *, now: datetime) -> None:
    name = Policy.Name
    limits = policies.values(
        [name.REFUND_WINDOW_HOURS, name.REFUND_MAX_READ_PERCENT, name.REFUND_DAILY_CHAPTERS],
        on=now,
    )
    until = right.granted_at + timedelta(hours=limits[name.REFUND_WINDOW_HOURS])
    if now > until:
        raise RefundWindowOver
    most_read = limits[name.REFUND_MAX_READ_PERCENT]
    if read_percent is not None and read_percent >= most_read:
        raise ReadTooMuch(
            f"{read_percent} % is read; below {most_read} % it can be given back.",
            read_percent=read_percent,
            limit_percent=most_read,
        )
    if read_percent is None:
        _check_day(right.user_id, limits[name.REFUND_DAILY_CHAPTERS], now=now)


def _check_day(user_id: str, daily: int, *, now: datetime) -> None:
    # A count is safe here: the reader's wallet is locked, and no refund of theirs goes past it.
    midnight = datetime.combine(now.date(), time(), UTC)
    today = ContentRefund.objects.filter(
        entitlement__user_id=user_id, refunded_at__gte=midnight
    ).count()
    if today >= daily:
        raise RefundLimitReached(limit_chapters=daily, refunded_chapters=today)
