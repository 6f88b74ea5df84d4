"""Valkey is killed with jobs in its queues: the sweep finds the work, and each is done once"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from legato_payments.lib import clock, jobs
from payments import approvals
from payments.gateways.sandbox import books as sandbox
from payments.models import (
    Adjustment,
    ApprovalRequest,
    CoinBalance,
    CoinLot,
    Purchase,
    SandboxDelivery,
    WebhookEvent,
)
from payments.services import adjustments
from tests import factories
from tests.chaos.folders import own_folder
from tests.chaos.own_workers import OwnValkey, OwnWorker
from tests.crash.recovery import assert_nothing_is_lost
from tests.second_person import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

HEARD = UNHEARD = APPROVED = 40
"""Each time: payments we heard of, payments whose webhook is still to be sent, and approvals."""

KILLS = 3
SWEEPS = 12
"""Before the test gives up; beat would send them every 30 seconds."""


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnValkey]:
    """A broker of this test's own, to which the application sends its jobs."""
    with own_folder() as folder:
        made = OwnValkey(folder)
        made.server.start()
        monkeypatch.setattr(jobs, "current_app", made.sender())
        yield made
        made.server.stop()


@pytest.fixture
def worker(valkey: OwnValkey, live_server: Any) -> Iterator[OwnWorker]:
    """A worker that is not started yet; it delivers webhooks to this process."""
    with own_folder() as folder:
        made = OwnWorker(folder, redis_url=valkey.url, public_url=live_server.url)
        yield made
        made.end()


def queue_work(turn: int) -> None:
    """Payments, webhooks and approvals, each with its job."""
    for number in range(HEARD + UNHEARD):
        now = clock.now()
        purchase = factories.start_purchase(f"payer-{turn}-{number}", "Starter Pack", now=now)
        sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=now)
        if number < HEARD:
            factories.hear_of(purchase, now=now)
    for number in range(APPROVED):
        now = clock.now()
        request = adjustments.propose(
            user_id=f"unlucky-{turn}-{number}",
            coins=7,
            value_micros=69_300,
            actor="staff:999",
            reason="lost in an outage",
            now=now,
        )
        assert isinstance(request, ApprovalRequest)
        approvals.approve(
            request_id=request.pk,
            approver=person(),
            payload_hash=request.payload_hash,
            now=now,
        )


def left() -> int:
    """Rows that still have work to do."""
    return (
        Purchase.objects.filter(status__in=Purchase.OPEN).count()
        + WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).count()
        + SandboxDelivery.objects.filter(delivered_at=None).count()
        + ApprovalRequest.objects.exclude(status=ApprovalRequest.Status.EXECUTED).count()
    )


def sweep_until_done(sender: Celery, worker: OwnWorker) -> None:
    """What beat does, a little faster, and twice at once, as two of them would."""
    for _ in range(SWEEPS):
        try:
            sender.send_task("payments.sweep")
            sender.send_task("payments.sweep")
        except OperationalError:
            continue  # the first to notice that the broker is another one
        for _ in range(100):
            assert worker.is_alive, worker.output
            if not left():
                return
            time.sleep(0.1)
    pytest.fail(f"{left()} rows are still not done:\n{worker.output}")


def wait_for_some(before: int, worker: OwnWorker) -> None:
    """Until the worker has begun."""
    for _ in range(6_000):
        if left() < before:
            return
        assert worker.is_alive, worker.output
        time.sleep(0.01)
    pytest.fail(f"the worker does nothing:\n{worker.output}")


def test_jobs_lost_with_their_broker_are_done_once(
    valkey: OwnValkey, worker: OwnWorker, summarise: Callable[[str], None]
) -> None:
    sender: Celery = jobs.current_app  # type: ignore[attr-defined]
    lost = []
    for turn in range(KILLS):
        if turn == 0:
            # Nobody has seen any of it.
            queue_work(turn)
        else:
            # The worker is in the middle of it.
            worker.pause()
            queue_work(turn)
            before = left()
            worker.go_on()
            wait_for_some(before, worker)
        lost.append(valkey.queued())
        valkey.kill()
        assert valkey.queued() == 0
        assert left() > 0
        if turn == 0:
            worker.start()

        sweep_until_done(sender, worker)

        assert_all_done_once(turns=turn + 1)
    assert lost[0] == HEARD * 2 + UNHEARD + APPROVED
    assert min(lost) >= 100
    summarise(f"{KILLS} brokers killed with {lost} messages queued, all done once")


def assert_all_done_once(*, turns: int) -> None:
    paid, given = turns * (HEARD + UNHEARD), turns * APPROVED
    assert Purchase.objects.filter(status=Purchase.Status.SUCCEEDED).count() == paid
    processed = WebhookEvent.objects.filter(status=WebhookEvent.Status.PROCESSED)
    assert processed.count() == SandboxDelivery.objects.count() == paid
    assert ApprovalRequest.objects.count() == Adjustment.objects.count() == given
    assert CoinLot.objects.count() == paid + given
    payers = CoinBalance.objects.filter(user_id__startswith="payer-")
    assert list(payers.values_list("coins", flat=True)) == [100] * paid
    unlucky = CoinBalance.objects.filter(user_id__startswith="unlucky-")
    assert list(unlucky.values_list("coins", flat=True)) == [7] * given
    # Not once more than needed, however often the sweep sent the same job.
    for rows in (WebhookEvent, SandboxDelivery, ApprovalRequest):
        assert set(rows.objects.values_list("attempts", flat=True)) == {1}, rows
    assert_nothing_is_lost()
