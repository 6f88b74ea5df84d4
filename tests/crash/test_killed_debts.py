"""Closings of contradictions and write-offs that people agreed to: killed ten times, run again"""

from functools import partial

import pytest

from legato_payments.lib import clock
from payments import approvals, tasks
from payments.ledger import chart
from payments.models import ApprovalRequest, CoinBalance, DebtReduction, RefundClosing
from payments.services import debt_write_offs, refund_contradictions
from tests import factories, money_back
from tests.crash.deaths import ROUNDS, die_at
from tests.crash.points import CLOSE, WRITE_OFF
from tests.crash.recovery import assert_nothing_is_lost, the_lease_passes
from tests.ledger import books
from tests.second_person import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def agreed(request: object) -> ApprovalRequest:
    assert isinstance(request, ApprovalRequest)
    approvals.approve(
        request_id=request.pk,
        approver=person(),
        payload_hash=request.payload_hash,
        now=clock.now(),
    )
    return request


def assert_done(request: ApprovalRequest) -> None:
    request.refresh_from_db()
    assert request.status == ApprovalRequest.Status.EXECUTED, request.error


@pytest.mark.parametrize("point", CLOSE)
def test_an_approved_closing_cut_short_is_booked_once(point: str) -> None:
    for number in range(ROUNDS):
        purchase = factories.pay(factories.start_purchase(f"reader-{number}", coins=11_000))
        refund = money_back.contradicted(purchase)
        request = agreed(
            refund_contradictions.propose(
                refund_id=refund.pk,
                decision=RefundClosing.Decision.COINS,
                reason="they paid it",
                actor="staff:999",
                now=clock.now(),
            )
        )
        job = partial(tasks.close_refund.run, approval_id=str(request.pk))

        die_at(point, job)
        the_lease_passes()
        job()
        job()

        assert_done(request)
    assert RefundClosing.objects.count() == ROUNDS
    assert set(CoinBalance.objects.values_list("coins", flat=True)) == {0}
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", WRITE_OFF)
def test_an_approved_write_off_cut_short_is_posted_once(point: str) -> None:
    for number in range(ROUNDS):
        debt = money_back.owing(f"reader-{number}")
        request = agreed(
            debt_write_offs.propose(
                user_id=debt.wallet.user_id,
                amount=None,
                reason="too small",
                actor="staff:999",
                now=clock.now(),
            )
        )
        job = partial(tasks.write_off_debt.run, approval_id=str(request.pk))

        die_at(point, job)
        the_lease_passes()
        job()
        job()

        assert_done(request)
    assert DebtReduction.objects.count() == ROUNDS
    assert books.balance(chart.dispute_loss()) == 100_000 * ROUNDS
    assert_nothing_is_lost()
