"""Background jobs, by name.

Services name a job instead of importing it: tasks import services, so the reverse import would be
a cycle. A convention test checks that every name enqueued anywhere is a registered task.

PostgreSQL is the truth for every job that matters: its row (a ``DueRow``) says when it is due, and
a sweep drives it again. Celery only wakes a worker earlier, so a broker that is away costs time,
never money.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self

import structlog
from celery import current_app
from django.db import models
from django.db.models import Q
from django.db.transaction import on_commit
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def enqueue(job: str, **kwargs: str | int | bool | None) -> None:
    """Send ``job`` to a worker once the transaction has committed; never, if it rolls back.

    Pass identifiers, not objects: the worker reads the row as it is when it runs.
    """
    on_commit(partial(_send, job, kwargs), robust=True)


def _send(job: str, kwargs: dict[str, Any]) -> None:
    try:
        current_app.send_task(job, kwargs=kwargs)
    except OperationalError as error:
        # The broker is away. The row is due in PostgreSQL, and the next sweep finds it.
        log.warning("job_not_sent", job=job, error=str(error), **kwargs)


class DueQuerySet[Row: "DueRow"](models.QuerySet[Row]):
    """Rows that are work to do."""

    def due(self, now: datetime) -> Self:
        """Rows whose time has come and that no worker holds."""
        return self.filter(next_attempt_at__lte=now).filter(
            Q(locked_until__isnull=True) | Q(locked_until__lte=now)
        )

    def claim(self, *, pk: Any, now: datetime, lease: timedelta) -> Row | None:
        """Take the lease on one due row, atomically; ``None`` when it is not ours to take.

        A worker that dies keeps nothing: when the lease has passed, the row is due again.
        """
        taken = (
            self.due(now)
            .filter(pk=pk)
            .update(locked_until=now + lease, attempts=models.F("attempts") + 1)
        )
        return self.get(pk=pk) if taken else None


class DueRow(models.Model):
    """A row that is work to do: due at ``next_attempt_at``, held until ``locked_until``.

    ``next_attempt_at`` is empty when nothing is left to do.
    """

    next_attempt_at = models.DateTimeField(null=True, blank=True, db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def finish(self) -> None:
        """Nothing is left to do. The caller saves the row."""
        self.next_attempt_at = None
        self.locked_until = None

    def postpone(self, *, until: datetime) -> None:
        """Try again later. The caller saves the row."""
        self.next_attempt_at = until
        self.locked_until = None


def backoff(attempts: int) -> timedelta:
    """How long to wait after the ``attempts``-th try: 1, 5, 30 minutes, then hourly."""
    minutes = (1, 5, 30, 60)[min(max(attempts, 1), 4) - 1]
    return timedelta(minutes=minutes)
