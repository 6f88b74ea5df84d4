"""Accounting months: closing one, in order, for good."""

from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models import Func, Max
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Invalid
from payments import audit
from payments.ledger import sealing
from payments.models import Period, Transaction, Unsealed

Status = Period.Status


class PeriodNotOver(Invalid):
    """The month has not ended yet, so events of it can still come."""

    code = "period_not_over"
    title = "The month is not over."


class PeriodClosed(Conflict):
    """The month is closed already; what came late stands in the next open one."""

    code = "period_closed"
    title = "The month is closed."


class EarlierPeriodOpen(Conflict):
    """Months close in order: an earlier one still has transactions and is open."""

    code = "earlier_period_open"
    title = "An earlier month is still open."


class StillMoving(Conflict):
    """Transactions that began before the closing are under way. Try again in a moment."""

    code = "period_still_moving"
    title = "Transactions of this month are still under way. Try again."


@atomic
def begin_closing(*, month: date, actor: str, now: datetime) -> Period:
    """Take no new transaction into a month: what comes late from here on goes to the next.

    Args:
        month: Its first day.

    Raises:
        PeriodNotOver: It has not ended yet.
        PeriodClosed: It is closed.
        EarlierPeriodOpen: Another month must close first.
    """
    assert month.day == 1, month
    if now < datetime.combine(_next(month), datetime.min.time(), UTC):
        raise PeriodNotOver
    period, _ = Period.objects.select_for_update().get_or_create(month=month)
    if period.status == Status.CLOSED:
        raise PeriodClosed
    _require_order(month)
    if period.status == Status.OPEN:
        period.status = Status.CLOSING
        period.save()
        _tell(period, "payments.period.closing", actor=actor, now=now)
    return period


def finish_closing(*, month: date, actor: str, now: datetime) -> Period:
    """Close a month for good: nothing that began before the closing is under way, all is sealed.

    Raises:
        PeriodClosed: It is closed already.
        StillMoving: Not yet; nothing changed.
    """
    _mark_visible(month)
    sealing.seal_all(now=now)
    with atomic():
        period = Period.objects.select_for_update().get(month=month)
        if period.status == Status.CLOSED:
            raise PeriodClosed
        if _is_moving(period):
            raise StillMoving(retry_after=1)
        newest = sealing.head()
        period.status = Status.CLOSED
        period.last_sequence = newest.sequence if newest else 0
        period.sealed_root = newest.hash if newest else bytes(32)
        period.closed_at = now
        period.closed_by = actor
        period.save()
        _tell(period, "payments.period.closed", actor=actor, now=now)
    return period


def _require_order(month: date) -> None:
    newest_closed = Period.objects.filter(status=Status.CLOSED).aggregate(at=Max("month"))["at"]
    earlier = Transaction.objects.filter(posted_on__lt=month)
    if newest_closed:
        earlier = earlier.filter(posted_on__gte=_next(newest_closed))
    if earlier.exists():
        raise EarlierPeriodOpen
    if newest_closed and month < newest_closed:
        raise PeriodClosed


def _mark_visible(month: date) -> None:
    # In a transaction of its own, after the one that began the closing has committed: whoever
    # starts later than this sees the month as closing.
    period = Period.objects.filter(month=month, closing_since__isnull=True)
    period.update(closing_since=Func(function="clock_timestamp"))


def _is_moving(period: Period) -> bool:
    """Whether a transaction that may still have seen the month open is not over, or not sealed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND xact_start <= %s)
            """,
            [period.closing_since],
        )
        row = cursor.fetchone()
    if row != (False,):
        return True
    return Unsealed.objects.filter(transaction__posted_on__lt=_next(period.month)).exists()


def _next(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _tell(period: Period, action: str, *, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type="period",
        object_id=period,
        now=now,
        after={
            "status": period.status,
            "last_sequence": period.last_sequence,
            "sealed_root": bytes(period.sealed_root).hex() if period.sealed_root else None,
        },
    )
