"""Grants, coins by hand, expiry, publishing: killed at every named point ten times, run again"""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from legato_payments.lib import clock
from payments import approvals, tasks
from payments.ledger import chart
from payments.models import (
    Adjustment,
    ApprovalRequest,
    Campaign,
    CoinBalance,
    LotUse,
    OutboxEvent,
    PromoGrant,
)
from payments.services import adjustments, campaigns, events, expiry
from tests import factories
from tests.crash.deaths import ROUNDS, die_at
from tests.crash.points import ADJUST, EXPIRE, GRANT, PUBLISH
from tests.crash.recovery import assert_nothing_is_lost, the_lease_passes
from tests.factories import NOW, READER
from tests.ledger import books, feed
from tests.second_person import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

F = 6_059
"""Micros of a funded coin; odd, so that nothing divides evenly."""


def campaign() -> Campaign:
    """A funded one, whose coins last five days."""
    return campaigns.create(
        name="Winter",
        terms=campaigns.Terms(
            budget_coins=10_000,
            per_user_coins=10_000,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=30),
            value_per_coin_micros=F,
            expires_after_days=5,
        ),
        actor="staff:1",
        reason="x",
        now=NOW,
    )


def grant(campaign_id: UUID, *, key: str, user_id: str = READER, coins: int = 7) -> PromoGrant:
    """Coins of the campaign."""
    return campaigns.grant(
        user_id=user_id, campaign_id=campaign_id, coins=coins, key=key, actor="staff:1", now=NOW
    )


@pytest.mark.parametrize("point", GRANT)
def test_a_grant_cut_short_is_given_and_counted_once(point: str) -> None:
    winter = campaign()
    for number in range(ROUNDS):
        give = partial(grant, winter.pk, key=f"{number}")

        die_at(point, give)

        assert give() == give()
    winter.refresh_from_db()
    assert winter.coins_granted == CoinBalance.objects.get().coins == 7 * ROUNDS
    assert PromoGrant.objects.count() == ROUNDS
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", ADJUST)
def test_an_approved_adjustment_cut_short_is_carried_out_once(point: str) -> None:
    for number in range(ROUNDS):
        request = adjustments.propose(
            user_id=READER,
            coins=11 + number,
            value_micros=99_999,
            actor="staff:999",
            reason="lost in an outage",
            now=clock.now(),
        )
        assert isinstance(request, ApprovalRequest)
        approvals.approve(
            request_id=request.pk,
            approver=person(),
            payload_hash=request.payload_hash,
            now=clock.now(),
        )
        job = partial(tasks.adjust_wallet.run, approval_id=str(request.pk))

        die_at(point, job)
        job()  # too early: the dead one may still be at it, for all we know
        request.refresh_from_db()
        assert request.status == ApprovalRequest.Status.APPROVED
        the_lease_passes()
        job()
        job()

        request.refresh_from_db()
        assert request.status == ApprovalRequest.Status.EXECUTED, request.error
    assert Adjustment.objects.count() == ROUNDS
    assert CoinBalance.objects.get().coins == sum(11 + number for number in range(ROUNDS))
    assert books.balance(chart.adjustment()) == 99_999 * ROUNDS
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", EXPIRE)
def test_an_expiry_cut_short_takes_every_lot_once(point: str) -> None:
    winter = campaign()
    sweep = partial(expiry.sweep, now=NOW + timedelta(days=6))
    for number in range(ROUNDS):
        reader = f"reader-{number}"
        factories.buy_coins(reader, "Starter Pack")
        for lot in range(2):
            grant(winter.pk, key=f"{reader}-{lot}", user_id=reader)

        die_at(point, sweep)
        events.publish(now=NOW)
        taken = sweep()

        assert (taken.wallets, taken.lots, taken.coins, taken.value_micros) == (1, 2, 14, 14 * F)
        assert sweep().lots == 0
        assert CoinBalance.objects.get(user_id=reader).coins == 100
    assert LotUse.objects.filter(kind=LotUse.Kind.EXPIRED).count() == 2 * ROUNDS
    assert -books.balance(chart.breakage()) == 14 * F * ROUNDS
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", PUBLISH)
def test_a_publisher_cut_short_gives_no_number_away(point: str) -> None:
    for number in range(ROUNDS):
        factories.buy_coins(f"reader-{number}", "Starter Pack")
        published = OutboxEvent.objects.filter(sequence__isnull=False).count()

        die_at(point, partial(events.publish, now=NOW))

        assert OutboxEvent.objects.filter(sequence__isnull=False).count() == published
        # Two of each purchase: one publisher may be a round behind the other.
        if number % 2:
            assert events.publish(now=NOW) == 4
            feed.assert_no_gaps()
    assert_nothing_is_lost()
