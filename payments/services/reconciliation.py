"""Reconciliation: everything a gateway says of some days, against our books.

What can be repaired from the gateway's state is, through the services that would have heard of it
by a webhook; what cannot is written down as a difference, for a person. Webhooks only make things
faster: with every one of them lost, a run brings our books to where they belong.

No database transaction is open while the gateway is asked. Each finding is written by itself, so a
run that is cut off has done no harm, and the next one goes over the same days again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import structlog
from django.db.models import F, Q
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Invalid
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.jobs import enqueue
from payments import audit
from payments.gateways import registry
from payments.gateways.values import Window
from payments.models import Difference, ReconciliationDay
from payments.models import ReconciliationRun as Run
from payments.models.reconciliation import DifferenceQuerySet
from payments.services import differences
from payments.services import reconciliation_again as again
from payments.services import reconciliation_charges as charges
from payments.services import reconciliation_disputes as disputes
from payments.services import reconciliation_lines as lines
from payments.services import reconciliation_refunds as refunds
from payments.services.reconciliation_findings import (
    Counts,
    Finding,
    Identity,
    Subject,
    Tally,
    Task,
)

log = structlog.get_logger(__name__)

ACTOR = "system:reconcile"

DAYS = 3
"""How far a run looks back unless told otherwise: news that come late, and a weekend."""

LEASE = timedelta(hours=1)
"""How long a run may take before another may begin: its worker died, then."""

MOST_DAYS = 400


class AlreadyRunning(Conflict):
    code = "reconciliation_running"
    title = "This gateway is being compared right now; look again in a few minutes."


class WindowUnsound(Invalid):
    code = "window_unsound"
    title = "The days end before they begin, lie ahead, or are too many."


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """One gateway, day and currency, micros."""

    provider: str
    day: date
    currency: str
    totals: lines.Totals
    matched: int
    repaired: int


@dataclass(slots=True)
class Report:
    """What a run came to.

    Args:
        open: What it found and nobody closed; in a dry run, what it would have repaired, too.
        resolved: Differences that were open and are there no more.
    """

    provider: str
    window: Window
    days: list[DayReport] = field(default_factory=list)
    open: list[Finding] = field(default_factory=list)
    explained: int = 0
    resolved: int = 0

    @property
    def matched(self) -> int:
        """Objects of the gateway that agree with ours."""
        return sum(day.matched for day in self.days)

    @property
    def repaired(self) -> int:
        """Objects of ours that were brought to the gateway's state."""
        return sum(day.repaired for day in self.days)


def window_of(*, now: datetime, first: date | None = None, last: date | None = None) -> Window:
    """Whole days UTC, both included; today ends now.

    Args:
        first: Three days back unless given; or ``last``, if only that is given.
        last: Yesterday unless given; or today, if only ``first`` is given and it is today.

    Raises:
        WindowUnsound: They end before they begin, lie ahead, or are too many.
    """
    yesterday = now.date() - timedelta(days=1)
    last = last or max(yesterday, first or yesterday)
    first = first or min(last, now.date() - timedelta(days=DAYS))
    window = Window(_start_of(first), min(_start_of(last + timedelta(days=1)), now))
    if window.end <= window.start or (last - first).days >= MOST_DAYS:
        raise WindowUnsound
    return window


def reconcile(
    *,
    provider: str,
    window: Window,
    now: datetime,
    actor: str = ACTOR,
    is_dry_run: bool = False,
    progress: Callable[[date], None] = lambda _day: None,
) -> Report:
    """Compare a gateway with our books over some days. Call it outside a transaction.

    The same again changes nothing, but for the days on which differences were seen last.

    Args:
        is_dry_run: Repair nothing and write nothing down.
        progress: Told each day that begins.

    Raises:
        AlreadyRunning: Another run of this gateway is under way.
        registry.NotConfigured: The gateway lacks its keys.
        base.GatewayError: It does not answer; what was found before is kept, nothing is closed.
    """
    report = Report(provider, window)
    task = Task(provider=provider, now=now, repairs=not is_dry_run)
    if is_dry_run:
        _compare(task, window, report, None, progress)
        return report
    run = _begin(provider, window, actor=actor, now=now)
    failpoint("reconciliation.begun")
    try:
        seen = _compare(task, window, report, run, progress)
        report.resolved = _resolve(provider, window, seen, now=now)
        report.resolved += again.look_at(task, _of_other_days(provider, window))
    except Exception as error:
        # Whatever went wrong, the next run must not wait for this one's lease.
        _finish(run, report, Run.Status.FAILED, now=now, error=f"{type(error).__name__}: {error}")
        raise
    _finish(run, report, Run.Status.DONE, now=now)
    return report


@atomic
def ask_for(*, provider: str, first: date, last: date, actor: str, now: datetime) -> None:
    """Have some days of a gateway compared by a job.

    Raises:
        WindowUnsound: They end before they begin, lie ahead, or are too many.
    """
    window_of(now=now, first=first, last=last)
    audit.record(
        actor=actor,
        action="payments.reconciliation.asked",
        object_type="gateway",
        object_id=provider,
        now=now,
        after={"from": first.isoformat(), "to": last.isoformat()},
    )
    enqueue(
        "payments.reconcile_days",
        provider=provider,
        first=first.isoformat(),
        last=last.isoformat(),
    )


def _compare(
    task: Task,
    window: Window,
    report: Report,
    run: Run | None,
    progress: Callable[[date], None],
) -> set[Identity]:
    seen: set[Identity] = set()
    for part in _days(window):
        progress(part.start.date())
        tally = Tally(part.start.date())
        for listed in (charges.of_day, refunds.of_day, disputes.of_day):
            for checked in listed(task, part):
                tally.add(checked)
        books = lines.of_day(
            task,
            part,
            tally,
            is_closed=lambda one: differences.closed_before(task.provider, one) is not None,
        )
        seen |= _write(task, tally, report, is_dry_run=run is None)
        report.days += _day_reports(task.provider, tally, books)
        if run is not None:
            _keep_days(run, report.days, part.start.date())
    tally = Tally(window.start.date())
    for finding in again.unresolved_attempts(task):
        tally.report(finding)
    return seen | _write(task, tally, report, is_dry_run=run is None)


def _write(task: Task, tally: Tally, report: Report, *, is_dry_run: bool) -> set[Identity]:
    for finding in tally.findings.values():
        if is_dry_run:
            is_open = differences.closed_before(task.provider, finding) is None
        else:
            is_open = differences.record(finding, provider=task.provider, now=task.now)
        if is_open and finding.identity not in {one.identity for one in report.open}:
            report.open.append(finding)
        report.explained += not is_open
    return set(tally.findings)


def _day_reports(provider: str, tally: Tally, books: lines.Day) -> Iterator[DayReport]:
    for currency in sorted(books.totals.keys() | tally.counts.keys()):
        counts = tally.counts.get(currency, Counts())
        yield DayReport(
            provider=provider,
            day=tally.day,
            currency=currency,
            totals=books.of(currency),
            matched=counts.matched,
            repaired=counts.repaired,
        )


def _keep_days(run: Run, reports: list[DayReport], day: date) -> None:
    for report in reports:
        if report.day != day:
            continue
        totals = report.totals
        figures = {
            "their_gross_micros": totals.their_gross,
            "their_fee_micros": totals.their_fee,
            "our_gross_micros": totals.our_gross,
            "our_fee_micros": totals.our_fee,
            "elsewhere_micros": totals.elsewhere,
            "matched": report.matched + report.repaired,
            "run": run,
        }
        row, is_new = ReconciliationDay.objects.get_or_create(
            provider=report.provider,
            day=day,
            currency=report.currency,
            defaults={**figures, "repaired": report.repaired},
        )
        if not is_new:
            ReconciliationDay.objects.filter(pk=row.pk).update(
                **figures, repaired=F("repaired") + report.repaired
            )


def _resolve(provider: str, window: Window, seen: set[Identity], *, now: datetime) -> int:
    """Close what stood on these days and was not found again."""
    days = Q(day__gte=window.start.date(), day__lte=_last_day(window))
    here = Difference.objects.open().filter(
        days | Q(key__startswith=again.ATTEMPT), provider=provider
    )
    ours = here.exclude(subject=Subject.SETTLEMENT)
    gone = [row.pk for row in ours if (row.subject, row.kind, row.key) not in seen]
    return differences.resolve(
        Difference.objects.filter(pk__in=gone, last_seen_at__lte=now), actor=ACTOR, now=now
    )


def _of_other_days(provider: str, window: Window) -> DifferenceQuerySet:
    others = Q(day__lt=window.start.date()) | Q(day__gt=_last_day(window))
    return Difference.objects.open().filter(others, provider=provider)


@atomic
def _begin(provider: str, window: Window, *, actor: str, now: datetime) -> Run:
    registry.charge_gateway(provider)
    running = Run.objects.filter(provider=provider, status=Run.Status.RUNNING)
    running.filter(locked_until__lte=now).update(
        status=Run.Status.FAILED, finished_at=now, error="Its worker did not come back."
    )
    draft = Run(
        provider=provider,
        starts_at=window.start,
        ends_at=window.end,
        actor=actor,
        started_at=now,
        locked_until=now + LEASE,
    )
    # Two who begin at once: the constraint lets one row in.
    Run.objects.bulk_create([draft], ignore_conflicts=True)
    run = running.first()
    if run is None or run.pk != draft.pk:
        raise AlreadyRunning
    return run


def _finish(
    run: Run, report: Report, status: Run.Status, *, now: datetime, error: str = ""
) -> None:
    Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).update(
        status=status,
        finished_at=now,
        matched=report.matched,
        repaired=report.repaired,
        found=len(report.open),
        resolved=report.resolved,
        error=error[:300],
    )
    log.info(
        "reconciled",
        provider=run.provider,
        status=status,
        matched=report.matched,
        repaired=report.repaired,
        found=len(report.open),
        resolved=report.resolved,
    )


def _days(window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        end = min(_start_of(start.date() + timedelta(days=1)), window.end)
        yield Window(start, end)
        start = end


def _last_day(window: Window) -> date:
    return (window.end - timedelta(microseconds=1)).date()


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
