"""Looking again at what differs: one object at a time, on any day."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic

from legato_payments.lib.jobs import enqueue
from payments import audit
from payments.gateways import base
from payments.models import Attempt, Difference, Dispute, Purchase, Refund
from payments.queries.gateway_books import Source
from payments.services import attempts, differences
from payments.services import reconciliation_charges as charges
from payments.services import reconciliation_disputes as disputes
from payments.services import reconciliation_refunds as refunds
from payments.services.reconciliation_findings import Checked, Finding, Kind, Subject, Task

ACTOR = "system:reconcile"

ATTEMPT = "attempt:"
"""How keys of calls without an outcome begin."""

OPERATIONS = {"charge": Subject.CHARGE, "refund": Subject.REFUND}

MOST = 200
"""Open differences of other days that a run looks at again."""


def fetch_again(*, difference_id: UUID, actor: str, now: datetime) -> Difference:
    """Ask the gateway about the object of one open difference, and act on it.

    A difference of a line or a balance has no object: a job compares its whole day again. Call it
    outside a transaction.

    Raises:
        differences.DifferenceUnknown, differences.DifferenceClosed: As they say.
        attempts.GatewayUnavailable: The gateway does not answer.
    """
    row = Difference.objects.filter(pk=difference_id).first()
    if row is None:
        raise differences.DifferenceUnknown
    if row.status != Difference.Status.OPEN:
        raise differences.DifferenceClosed
    try:
        checked = _check(Task(provider=row.provider, now=now), row)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=5) from error
    if checked is not None:
        _take_over(row, checked, now=now)
    _tell_fetched(row, is_of_the_day=checked is None, actor=actor, now=now)
    row.refresh_from_db()
    return row


def unresolved_attempts(task: Task) -> Iterator[Finding]:
    """Calls whose outcome nobody has found out for a day."""
    for attempt in Attempt.objects.awaiting_finance(task.now).filter(provider=task.provider):
        subject = OPERATIONS.get(attempt.operation, Subject.DISPUTE)
        yield Finding(
            subject=subject,
            kind=Kind.STATUS,
            key=f"{ATTEMPT}{attempt.pk}",
            day=attempt.created_at.date(),
            ours={
                "status": attempt.state,
                "asked for": attempt.operation,
                "key": attempt.key,
                "error": attempt.error,
            },
            theirs=None,
            reference=attempt.reference,
            source=Source(attempt.object_type, attempt.object_id),
        )


def look_at(task: Task, rows: QuerySet[Difference]) -> int:
    """Ask again about open differences, those not seen for longest first; how many are gone."""
    gone = 0
    for row in rows.exclude(last_seen_at__gte=task.now).order_by("last_seen_at", "pk")[:MOST]:
        checked = _check(task, row)
        if checked is not None:
            gone += _take_over(row, checked, now=task.now)
    return gone


def _take_over(row: Difference, checked: Checked, *, now: datetime) -> int:
    """Write down what an object came to; close its difference when that is gone."""
    for finding in checked.findings:
        differences.record(finding, provider=row.provider, now=now)
    if (row.subject, row.kind, row.key) in {one.identity for one in checked.findings}:
        return 0
    return differences.resolve(Difference.objects.filter(pk=row.pk), actor=ACTOR, now=now)


def _check(task: Task, row: Difference) -> Checked | None:
    """Compare the object of a difference once more; ``None`` where it has none."""
    if row.subject in (Subject.LEDGER_LINE, Subject.BALANCE, Subject.SETTLEMENT):
        return None
    if row.key.startswith(ATTEMPT):
        found = tuple(one for one in unresolved_attempts(task) if one.key == row.key)
        return Checked(found)
    if row.object_id and row.kind != Kind.DUPLICATE:
        return _check_object(task, row)
    return _check_theirs(task, row)


def _check_object(task: Task, row: Difference) -> Checked | None:
    by_kind = {"purchase": Purchase, "refund": Refund, "dispute": Dispute}
    model = by_kind.get(row.object_type)
    ours = model._default_manager.filter(pk=row.object_id).first() if model else None  # noqa: SLF001
    match ours:
        case Purchase():
            return charges.check_ours(task, ours, day=row.day)
        case Refund():
            return refunds.check_ours(task, ours, day=row.day)
        case Dispute():
            return disputes.check_ours(task, ours, day=row.day)
        case _:
            return None


def _check_theirs(task: Task, row: Difference) -> Checked | None:
    """What only the gateway has, by its own id."""
    if row.subject == Subject.REFUND:
        refund = refunds.fetch(task.provider, row.gateway_id)
        return refunds.check(task, refund, day=row.day) if refund else None
    if row.subject == Subject.DISPUTE:
        dispute = disputes.fetch(task.provider, row.gateway_id)
        return disputes.check(task, dispute, day=row.day) if dispute else None
    charge = charges.fetch(
        task.provider,
        reference=(row.theirs or {}).get("reference", row.reference),
        gateway_id=row.gateway_id,
        at=datetime.combine(row.day, time(), UTC),
    )
    is_it = charge is not None and row.gateway_id in (charge.payment_id, charge.gateway_id)
    # Two payments with one reference: which of them a gateway shows is not ours to choose.
    return charges.check(task, charge, day=row.day) if charge and is_it else None


@atomic
def _tell_fetched(row: Difference, *, is_of_the_day: bool, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action="payments.difference.fetched",
        object_type="difference",
        object_id=row.pk,
        now=now,
    )
    if is_of_the_day:
        enqueue(
            "payments.reconcile_days",
            provider=row.provider,
            first=row.day.isoformat(),
            last=row.day.isoformat(),
        )
