"""Spend, tip, gift, refund: killed at every named point ten times, then asked for again"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from access.models import CoinGift, ContentRefund, Entitlement, Tip
from access.services import content
from legato_payments.lib import clock
from payments.models import CoinBalance, IdempotencyKey, Transaction
from payments.services import events
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, api
from tests.crash.deaths import ROUNDS, die_at
from tests.crash.points import GIFT, LOCAL, REFUND, SPEND, TIP
from tests.crash.recovery import assert_nothing_is_lost
from tests.factories import NOW, READER, WRITER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

FRIEND = "reader-2"
PAID = 525
"""Coins of the Reader Pack."""

type Asked = tuple[str, dict[str, Any]]
"""A path and a body."""


def spend(number: int) -> Asked:
    """A chapter of 10 coins of its own."""
    chapter = factories.put_content(f"chapter-{number}", price=10)
    return f"{PAYMENTS}/users/{READER}/spend-coins", {"content_id": chapter.pk}


def tip(number: int) -> Asked:
    """A tip of 10 coins."""
    factories.put_content("chapter-0")
    return f"{PAYMENTS}/users/{READER}/send-tip", {"recipient_id": WRITER, "coins": 10}


def gift(number: int) -> Asked:
    """A gift of 10 coins."""
    return f"/api/v1/access/users/{READER}/coin-gifts", {"recipient_id": FRIEND, "coins": 10}


def refund(number: int) -> Asked:
    """A chapter of 10 coins that was bought just now, one of several authors."""
    shares = {WRITER: 6_667, "writer-2": 3_333}
    chapter = factories.put_content(f"chapter-{number}", price=10, shares=shares)
    bought = content.buy(
        user_id=READER, content_id=chapter.pk, now=clock.now(), actor=f"user:{READER}"
    )
    path = f"{PAYMENTS}/transactions/{bought.entitlement.transaction_id}/refund"
    # The content service tells how much was read: readers give back five chapters a day.
    return path, {"reason": "misclick", "read_percent": 3}


CALLERS: dict[Callable[[int], Asked], dict[str, Any]] = {
    refund: {"service": "content", "scopes": ["refunds:write"]}
}
"""Who asks, where it is not the reader."""

FLOWS: dict[Callable[[int], Asked], list[str]] = {
    spend: [*SPEND, *LOCAL],
    tip: [*TIP, *LOCAL],
    gift: [*GIFT, *LOCAL],
    refund: [*REFUND, *LOCAL],
}


@pytest.mark.parametrize(
    ("flow", "point"),
    [
        pytest.param(flow, point, id=f"{flow.__name__}-{point}")
        for flow, points in FLOWS.items()
        for point in points
    ],
)
def test_a_request_cut_short_happens_once_with_one_answer(
    flow: Callable[[int], Asked], point: str
) -> None:
    factories.buy_coins(name="Reader Pack")
    caller = api(**CALLERS.get(flow, {"user": READER}))
    for number in range(ROUNDS):
        path, body = flow(number)
        request = partial(caller.keyed, path, body, key=f"{point}-{number}")

        die_at(point, request)
        # In between, as in life: what others did is told, what the dead one did not do is not.
        events.publish(now=NOW)
        answer = request()

        assert answer.status_code == 201, answer.content
        assert request().content == answer.content
    assert IdempotencyKey.objects.count() == ROUNDS
    AFTERWARDS[flow]()
    assert_nothing_is_lost()


def _spent() -> None:
    assert CoinBalance.objects.get().coins == PAID - 10 * ROUNDS
    assert Entitlement.objects.count() == ROUNDS
    assert Transaction.objects.filter(kind="CONTENT_PURCHASE").count() == ROUNDS
    assert Earning.objects.count() == ROUNDS


def _tipped() -> None:
    assert CoinBalance.objects.get().coins == PAID - 10 * ROUNDS
    assert Tip.objects.count() == Transaction.objects.filter(kind="TIP").count() == ROUNDS
    assert Earning.objects.count() == ROUNDS


def _given() -> None:
    held = dict(CoinBalance.objects.values_list("user_id", "coins"))
    assert held == {READER: PAID - 10 * ROUNDS, FRIEND: 10 * ROUNDS}
    posted = Transaction.objects.filter(kind="COIN_TRANSFER")
    assert CoinGift.objects.count() == posted.count() == ROUNDS


def _given_back() -> None:
    assert CoinBalance.objects.get().coins == PAID
    posted = Transaction.objects.filter(kind="REVERSAL")
    assert ContentRefund.objects.count() == posted.count() == ROUNDS
    assert not Entitlement.objects.filter(revoked_at=None).exists()
    # Both authors of each sale got it and gave it back.
    assert Earning.objects.count() == 4 * ROUNDS
    assert Earning.objects.aggregate(left=Sum("amount_micros")) == {"left": 0}


AFTERWARDS: dict[Callable[[int], Asked], Callable[[], None]] = {
    spend: _spent,
    tip: _tipped,
    gift: _given,
    refund: _given_back,
}
"""What is there once every request was answered."""
