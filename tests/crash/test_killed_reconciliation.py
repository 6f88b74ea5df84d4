"""A reconciliation, and a correction that people agreed to: killed ten times, run again"""

from datetime import timedelta
from functools import partial

import pytest

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments import approvals, tasks
from payments.ledger import chart
from payments.models import ApprovalRequest, Difference, ReconciliationRun, SandboxLine
from payments.services import gateway_corrections, reconciliation
from tests.crash.deaths import ROUNDS, die_at
from tests.crash.points import CORRECT, RECONCILE
from tests.crash.recovery import assert_nothing_is_lost, the_lease_passes
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes
from tests.second_person import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("point", RECONCILE)
def test_a_run_cut_short_is_made_good_by_the_next(point: str) -> None:
    now = scenes.LATER
    window = reconciliation.window_of(now=now)
    for number in range(ROUNDS):
        reader = f"reader-{number}"
        scenes.paid_unheard(reader)

        die_at(point, partial(scenes.run, now=now, window=window))

        with pytest.raises(reconciliation.AlreadyRunning):
            scenes.run(now=now, window=window)
        assert books_of.coins(reader) == 0
        now += reconciliation.LEASE + timedelta(minutes=1)
        assert scenes.run(now=now, window=window).repaired == 1
        assert books_of.coins(reader) == 6_600
        now += timedelta(minutes=1)
    assert ReconciliationRun.objects.filter(status="FAILED").count() == ROUNDS
    assert not Difference.objects.exists()
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", CORRECT)
def test_an_approved_correction_cut_short_is_posted_once(point: str) -> None:
    for number in range(ROUNDS):
        line = SandboxLine.objects.create(
            kind="FEE", source_id="x", gross_minor=-990, currency="USD", occurred_at=NOW
        )
        now = scenes.LATER + number * timedelta(hours=2)
        scenes.run(now=now, window=reconciliation.window_of(now=scenes.LATER))
        request = gateway_corrections.propose(
            difference_id=Difference.objects.get(key=f"sbl_{line.pk}").pk,
            amount=Money(-9_900_000, "USD"),
            actor="staff:999",
            reason="their fee",
            now=clock.now(),
        )
        assert isinstance(request, ApprovalRequest)
        approvals.approve(
            request_id=request.pk,
            approver=person(),
            payload_hash=request.payload_hash,
            now=clock.now(),
        )
        job = partial(tasks.correct_gateway.run, approval_id=str(request.pk))

        die_at(point, job)
        the_lease_passes()
        job()
        job()

        request.refresh_from_db()
        assert request.status == ApprovalRequest.Status.EXECUTED, request.error
    assert Difference.objects.filter(closing="ADJUSTED").count() == ROUNDS
    assert books.balance(chart.gateway("SANDBOX", "USD")) == -9_900_000 * ROUNDS
    assert_nothing_is_lost()
