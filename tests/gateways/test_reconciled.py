"""A reconciliation with every gateway over HTTP: what agrees is no difference, what lacks comes"""

from datetime import datetime, timedelta

import pytest

from payments.models import Difference, Purchase, Refund
from payments.services import reconciliation
from tests.factories import NOW
from tests.gateways.test_flows import (
    agree,
    bought,
    coins,
    completed,
    refund,
    settled_disputes,
    start,
)
from tests.gateways.tills import PaystackTill, Till

pytestmark = pytest.mark.django_db

A_PART = {"USD": 100, "NGN": 10_000}


def compare(till: Till, *, now: datetime = NOW + timedelta(days=1)) -> list[str]:
    """Whatever a run over the day finds and cannot repair, in words."""
    window = reconciliation.window_of(now=now, first=NOW.date(), last=now.date())
    report = reconciliation.reconcile(provider=till.provider, window=window, now=now)
    assert all(day.totals.unexplained == 0 for day in report.days) or report.open
    return [
        f"{one.subject} {one.kind}: ours {one.ours}, theirs {one.theirs}" for one in report.open
    ]


def test_a_payment_that_both_sides_know_is_no_difference(till: Till) -> None:
    bought(till)

    assert compare(till) == []
    assert not Difference.objects.exists()


def test_a_payment_that_nobody_told_us_of_is_credited(till: Till) -> None:
    till.pay(start(till))

    assert compare(till) == []
    assert coins() == 525
    agree(till)


@pytest.mark.parametrize("till", ["paystack"], indirect=True)
def test_a_payment_made_long_after_its_page_was_opened_is_credited(till: PaystackTill) -> None:
    till.peer.set_clock(int((NOW - timedelta(days=9)).timestamp()))
    purchase = start(till)
    till.peer.set_clock(int(NOW.timestamp()))
    Purchase.objects.filter(pk=purchase.pk).update(status="EXPIRED")
    till.pay(purchase)

    # Its page was opened on another day: only a line of the ledger tells of it, by an id.
    assert compare(till) == []
    assert coins() == 525
    agree(till)


def test_money_that_we_gave_back_is_no_difference(till: Till) -> None:
    completed(till, refund(bought(till), A_PART[till.currency]))

    assert compare(till) == []
    agree(till)


def test_money_given_back_at_their_dashboard_is_written_down(till: Till) -> None:
    till.make_refund(bought(till), A_PART[till.currency])

    assert compare(till) == []
    completed(till, Refund.objects.get())
    assert compare(till) == []
    agree(till)


@pytest.mark.parametrize("is_won", [True, False])
def test_a_dispute_that_is_over_is_no_difference(till: Till, is_won: bool) -> None:
    till.decide(till.dispute(bought(till)), is_won=is_won)

    compare(till)
    settled_disputes()

    assert compare(till) == []
    agree(till)
