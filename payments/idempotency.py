"""One key, one effect, one answer: the table behind the Idempotency-Key header (api.md, section 3).

Knows nothing of HTTP: a request is its scope, key and fingerprint, an answer is bytes.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection
from django.db.transaction import atomic

from legato_payments.lib.errors import (
    Conflict,
    Declined,
    DomainError,
    Forbidden,
    Invalid,
    Missing,
    Refused,
    Unauthenticated,
)
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.metrics import DB_RETRIES
from payments.models import IdempotencyKey

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(days=30)
LEASE = timedelta(seconds=60)
"""How long a remote operation may take before a retry may resume it."""

MAX_TRIES = 5
MAX_RETRY_SECONDS = 5.0
"""No try begins later than this after the first: the caller is waiting."""

PURGE_BATCH = 5_000

_RETRIED_SQLSTATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03"}
"""Serialization failure, deadlock, lock time-out, server going away; class 08 is the connection.

https://www.postgresql.org/docs/18/errcodes-appendix.html
"""


class InProgress(Conflict):
    """The first request with this key is still running. Repeat the same request shortly."""

    code = "idempotency_in_progress"
    title = "The first request with this idempotency key is still running."


class KeyReused(Refused):
    """The key was sent before with another method, path or body. A new request needs a new key."""

    code = "idempotency_key_reused"
    title = "This idempotency key belongs to another request."


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request as the table knows it: who, under which key, and a digest of what."""

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, to the byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and whether it was given before."""

    answer: Answer
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Lease:
    """The right to run a remote operation until ``until``."""

    pk: int
    object_id: UUID
    until: datetime
    is_first: bool


FIND = "SELECT is_ours, (kept).* FROM payments_find_key(%s, %s, %s)"

type Refuse = Callable[[DomainError], Answer]
"""Renders a business refusal, which is stored as any other answer."""


def run_local(
    request: KeyedRequest,
    *,
    now: datetime,
    execute: Callable[[], Answer],
    refuse: Refuse,
    refuses_first: bool = False,
) -> Outcome:
    """Run ``execute`` once: its effect and its answer are committed together, or neither.

    A business refusal (402, 409, 422) undoes the effect and stores its answer; any other error
    undoes everything and stores nothing. A transaction that the database gave up on (deadlock,
    lost connection) is repeated: the key makes that safe even when its commit did happen.

    Args:
        refuses_first: ``execute`` never writes before it refuses, so there is nothing to undo, and
            no savepoint is needed.

    Raises:
        InProgress: A twin is running.
        KeyReused: The key belongs to another request.
    """
    undo = nullcontext if refuses_first else atomic
    return _retried(lambda: _run_local(request, now, execute, refuse, undo))


def run_remote(
    request: KeyedRequest, *, now: datetime, execute: Callable[[UUID], Answer], refuse: Refuse
) -> Outcome:
    """Run ``execute`` outside any transaction, under a committed claim on the key.

    ``execute`` gets the id of the object it makes, the same on every try, and must be able to
    resume it. What refuses the request as such (400, 403, 404) frees the key again if this was
    the first try; after any other failure the key keeps its object id for the next try.

    Raises:
        InProgress: A twin holds the lease.
        KeyReused: The key belongs to another request.
    """
    claimed = _retried(lambda: _claim(request, now=now))
    if isinstance(claimed, Answer):
        return Outcome(claimed, replayed=True)
    try:
        failpoint("idempotency.claimed")
        answer = execute(claimed.object_id)
        failpoint("idempotency.remote_done")
    except BaseException as error:
        # Also when the worker is told to stop: the retry should not have to wait for the lease.
        if not (isinstance(error, DomainError) and _is_stored(error)):
            _give_up(claimed, nothing_done=claimed.is_first and _is_malformed(error))
            raise
        answer = refuse(error)
    return _retried(lambda: _finish(claimed, answer))


def purge(now: datetime) -> int:
    """Delete the keys whose 30 days are over; says how many. Safe to run twice."""
    expired = IdempotencyKey.objects.filter(expires_at__lte=now).values_list("pk", flat=True)
    deleted = 0
    # In batches, each committed by itself: a month's keys at once would run into the time limit.
    while batch := list(expired[:PURGE_BATCH]):
        deleted += IdempotencyKey.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _run_local(
    request: KeyedRequest,
    now: datetime,
    execute: Callable[[], Answer],
    refuse: Refuse,
    undo: Callable[[], AbstractContextManager[object]],
) -> Outcome:
    try:
        with atomic(durable=True):
            row = _find(request)
            if row is not None:
                return Outcome(_answer_of(row), replayed=True)
            try:
                with undo():
                    answer = execute()
            except DomainError as error:
                if not _is_stored(error):
                    raise
                answer = refuse(error)
            failpoint("idempotency.executed")
            _insert(request, now=now, answer=answer)
            failpoint("idempotency.stored")
    except _Overtaken:
        raise InProgress(retry_after=1) from None
    failpoint("idempotency.committed")
    return Outcome(answer)


def _claim(request: KeyedRequest, *, now: datetime) -> Answer | _Lease:
    try:
        with atomic(durable=True):
            row = _find(request)
            if row is None:
                row = _insert(request, now=now, object_id=uuid7())
                return _Lease(row.pk, _object_of(row), now + LEASE, is_first=True)
            if row.answer_status is not None:
                return _answer_of(row)
            if row.locked_until is not None and row.locked_until > now:
                raise InProgress(retry_after=1)
            IdempotencyKey.objects.filter(pk=row.pk).update(locked_until=now + LEASE)
            return _Lease(row.pk, _object_of(row), now + LEASE, is_first=False)
    except _Overtaken:
        raise InProgress(retry_after=1) from None


def _finish(lease: _Lease, answer: Answer) -> Outcome:
    """Store the answer, unless one who resumed after our lease was faster: then theirs counts."""
    with atomic(durable=True):
        stored = IdempotencyKey.objects.filter(pk=lease.pk, answer_status=None).update(
            answer_status=answer.status,
            answer_headers=dict(answer.headers),
            answer_body=answer.body,
            locked_until=None,
        )
        if stored:
            return Outcome(answer)
        row = IdempotencyKey.objects.filter(pk=lease.pk).first()
        return Outcome(answer) if row is None else Outcome(_answer_of(row), replayed=True)


def _give_up(lease: _Lease, *, nothing_done: bool) -> None:
    # Only while the lease is ours: later, the row belongs to whoever resumed.
    mine = IdempotencyKey.objects.filter(
        pk=lease.pk, locked_until=lease.until, answer_status__isnull=True
    )
    try:
        if nothing_done:
            mine.delete()
        else:
            mine.update(locked_until=None)
    except Error as error:
        # The lease ends by itself, and the failure that brought us here is the one to report.
        log.warning("idempotency_lease_kept", error=str(error))


def _find(request: KeyedRequest) -> IdempotencyKey | None:
    """The row of the key, which nobody else works on until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [request.scope, request.key, _lock_number(request)])
        names = [column.name for column in cursor.description or ()]
        is_ours, *values = cursor.fetchone() or (False,)
    if not is_ours:
        raise InProgress(retry_after=1)
    found = dict(zip(names[1:], values, strict=True))
    if found["id"] is None:
        return None
    found["answer_headers"] = json.loads(found["answer_headers"])
    row = IdempotencyKey(**found)
    if row.fingerprint != request.fingerprint:
        raise KeyReused
    return row


def _lock_number(request: KeyedRequest) -> int:
    digest = hashlib.sha256(f"idempotency:{request.scope}:{request.key}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


class _Overtaken(Exception):
    """The unique constraint says that somebody else has the key."""


def _insert(
    request: KeyedRequest,
    *,
    now: datetime,
    answer: Answer | None = None,
    object_id: UUID | None = None,
) -> IdempotencyKey:
    row = IdempotencyKey(
        scope=request.scope,
        key=request.key,
        fingerprint=request.fingerprint,
        object_id=object_id,
        locked_until=None if answer else now + LEASE,
        answer_status=answer.status if answer else None,
        answer_headers=dict(answer.headers) if answer else {},
        answer_body=answer.body if answer else None,
        created_at=now,
        expires_at=now + KEPT_FOR,
    )
    try:
        row.save(force_insert=True)
    except IntegrityError as error:
        raise _Overtaken from error
    return row


def _answer_of(row: IdempotencyKey) -> Answer:
    if row.answer_status is None:
        raise InProgress(retry_after=1)
    assert row.answer_body is not None
    return Answer(row.answer_status, row.answer_headers, bytes(row.answer_body))


def _object_of(row: IdempotencyKey) -> UUID:
    object_id: UUID | None = row.object_id
    assert object_id is not None, row.pk
    return object_id


def _is_stored(error: DomainError) -> bool:
    """Whether the refusal was decided on the business, not on the request as such."""
    is_business = isinstance(error, Declined | Conflict | Refused)
    return is_business and not isinstance(error, InProgress | KeyReused)


def _is_malformed(error: BaseException) -> bool:
    """Whether the request was refused as such: a 4xx that is not stored, so nothing was made."""
    if isinstance(error, Invalid | Unauthenticated | Forbidden | Missing):
        return True
    # Exceptions of the HTTP layer carry their status; those of the world do not.
    return 400 <= getattr(error, "status_code", 500) < 500


def _retried[Result](run: Callable[[], Result]) -> Result:
    """Repeat a whole keyed transaction that the database gave up on."""
    started = time.monotonic()
    for attempt in range(1, MAX_TRIES):
        try:
            return run()
        except (OperationalError, InterfaceError) as error:
            is_late = time.monotonic() - started > MAX_RETRY_SECONDS
            if connection.in_atomic_block or is_late or not _is_passing(error):
                raise
            sqlstate = getattr(error.__cause__, "sqlstate", None)
            log.warning("database_retry", attempt=attempt, sqlstate=sqlstate)
            DB_RETRIES.labels(sqlstate=sqlstate or "connection").inc()
            connection.close_if_unusable_or_obsolete()
            # Doubling, with jitter, so that two who met do not meet again.
            time.sleep(random.uniform(0.5, 1) * 0.02 * 2**attempt)  # noqa: S311 - not a secret
    return run()


def _is_passing(error: Error) -> bool:
    # Without a state the server did not say anything: the connection is gone.
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate is None or sqlstate in _RETRIED_SQLSTATES or sqlstate.startswith("08")
