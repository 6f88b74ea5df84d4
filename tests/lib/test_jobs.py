"""Background jobs: sent after commit only, and claimed by one worker at a time."""

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection
from django.db.transaction import atomic, set_rollback
from structlog.testing import capture_logs

from legato_payments.lib import jobs
from payments.enums import Provider
from payments.models import WebhookEvent

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=1)

Sent = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def sent(redis_of_this_process: redis.Redis) -> Sent:
    """The keyword arguments of the jobs that wait in the default queue."""
    queue = f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}default"

    def read() -> list[dict[str, Any]]:
        found = []
        for message in redis_of_this_process.lrange(queue, 0, -1):
            envelope = json.loads(message)
            _args, kwargs, _rest = json.loads(base64.b64decode(envelope["body"]))
            found.append({"job": envelope["headers"]["task"], **kwargs})
        return found

    return read


@pytest.fixture
def event(transactional_db: None) -> WebhookEvent:
    """A delivery that is due now."""
    return WebhookEvent.objects.create(
        provider=Provider.STRIPE,
        dedupe_key="evt_1",
        kind="x",
        body=b"{}",
        received_at=NOW,
        next_attempt_at=NOW,
    )


class TestEnqueue:
    @pytest.mark.django_db(transaction=True)
    def test_waits_for_the_commit(self, sent: Sent) -> None:
        with atomic():
            jobs.enqueue("payments.sweep", purchase_id="p-1")
            before = sent()

        assert before == []
        assert sent() == [{"job": "payments.sweep", "purchase_id": "p-1"}]

    @pytest.mark.django_db(transaction=True)
    def test_sends_nothing_after_a_rollback(self, sent: Sent) -> None:
        with atomic():
            jobs.enqueue("payments.sweep")
            set_rollback(True)

        assert sent() == []

    @pytest.mark.django_db(transaction=True)
    def test_sends_nothing_from_a_savepoint_that_was_rolled_back(self, sent: Sent) -> None:
        with atomic():
            with atomic():
                jobs.enqueue("payments.sweep")
                set_rollback(True)
            jobs.enqueue("payments.sweep", purchase_id="kept")

        assert sent() == [{"job": "payments.sweep", "purchase_id": "kept"}]

    @pytest.mark.django_db(transaction=True)
    def test_outlives_a_broker_that_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        away = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
        away.conf.task_publish_retry = False
        monkeypatch.setattr(jobs, "current_app", away)

        with capture_logs() as lines, atomic():
            jobs.enqueue("payments.sweep", purchase_id="p-1")

        (line,) = (line for line in lines if line["event"] == "job_not_sent")
        assert (line["job"], line["purchase_id"]) == ("payments.sweep", "p-1")


class TestDueRow:
    def test_sixteen_workers_have_one_winner(self, event: WebhookEvent) -> None:
        barrier = threading.Barrier(16)

        def claim(_: int) -> WebhookEvent | None:
            try:
                barrier.wait(timeout=20)
                return WebhookEvent.objects.claim(pk=event.pk, now=NOW, lease=LEASE)
            finally:
                connection.close()

        with ThreadPoolExecutor(16) as workers:
            claimed = [row for row in workers.map(claim, range(16)) if row]

        assert [(row.pk, row.attempts, row.locked_until) for row in claimed] == [
            (event.pk, 1, NOW + LEASE)
        ]

    def test_is_due_again_when_the_lease_has_passed(self, event: WebhookEvent) -> None:
        WebhookEvent.objects.claim(pk=event.pk, now=NOW, lease=LEASE)

        early = WebhookEvent.objects.claim(
            pk=event.pk, now=NOW + LEASE - timedelta(seconds=1), lease=LEASE
        )
        late = WebhookEvent.objects.claim(pk=event.pk, now=NOW + LEASE, lease=LEASE)

        assert early is None
        assert late is not None
        assert late.attempts == 2

    def test_finished_is_never_due(self, event: WebhookEvent) -> None:
        event.finish()
        event.save()

        assert not WebhookEvent.objects.due(NOW + timedelta(days=365)).exists()
        assert WebhookEvent.objects.claim(pk=event.pk, now=NOW, lease=LEASE) is None

    def test_postponed_is_due_at_its_time_and_free(self, event: WebhookEvent) -> None:
        claimed = WebhookEvent.objects.claim(pk=event.pk, now=NOW, lease=LEASE)
        assert claimed is not None
        claimed.postpone(until=NOW + jobs.backoff(claimed.attempts))
        claimed.save()

        assert not WebhookEvent.objects.due(NOW + timedelta(seconds=59)).exists()
        assert WebhookEvent.objects.due(NOW + timedelta(seconds=60)).get() == event


def test_backs_off_to_an_hour() -> None:
    minutes = [jobs.backoff(attempts) // timedelta(minutes=1) for attempts in (0, 1, 2, 3, 4, 99)]

    assert minutes == [1, 1, 5, 30, 60, 60]
