"""Money in, killed at every named point ten times: nothing lost, nothing doubled"""

from datetime import timedelta
from functools import partial

import pytest

from legato_payments.lib import clock
from payments.gateways.sandbox import books as sandbox
from payments.ledger import sealing
from payments.models import CoinBalance, CoinLot, Purchase, SandboxCharge, Transaction, WebhookEvent
from payments.services import purchases
from payments.webhooks import inbox
from tests import factories
from tests.clients import api
from tests.crash.deaths import ROUNDS, die_at, every_failpoint
from tests.crash.points import ALL, REMOTE, SEAL, SETTLE
from tests.crash.recovery import assert_nothing_is_lost, the_lease_passes
from tests.factories import NOW, READER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("point", REMOTE)
def test_a_purchase_cut_short_is_resumed_as_one_charge(point: str) -> None:
    package_id = str(factories.package("Starter Pack").pk)
    body = {"package_id": package_id, "currency": "USD"}
    path = f"/api/v1/payments/users/{READER}/purchase-coins"
    for number in range(ROUNDS):
        start = partial(api(user=READER).keyed, path, body, key=f"{point}-{number}")

        die_at(point, start)
        the_lease_passes()
        answer = start()

        assert answer.status_code == 201, answer.content
        assert start().content == answer.content
        purchase = Purchase.objects.get(pk=answer.json()["transaction_id"])
        assert SandboxCharge.objects.filter(reference=purchase.reference).count() == 1
    assert Purchase.objects.count() == SandboxCharge.objects.count() == ROUNDS
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("point", SETTLE)
def test_a_credit_cut_short_is_made_once(point: str) -> None:
    for number in range(ROUNDS):
        purchase = factories.start_purchase(f"reader-{number}", "Starter Pack", now=NOW)
        sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
        event = factories.hear_of(purchase, now=NOW)

        die_at(point, partial(inbox.process, event_id=event.pk, now=NOW))
        the_lease_passes()
        later = clock.now() + timedelta(minutes=1)
        inbox.process(event_id=event.pk, now=later)

        assert CoinBalance.objects.get(user_id=f"reader-{number}").coins == 100
        event.refresh_from_db()
        assert event.status == WebhookEvent.Status.PROCESSED
    assert CoinLot.objects.count() == ROUNDS
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", ["settle.locked", "settle.posted"])
def test_without_any_webhook_the_poller_makes_the_credit(point: str) -> None:
    for number in range(ROUNDS):
        purchase = factories.start_purchase(f"reader-{number}", "Starter Pack", now=NOW)
        sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
        poll = partial(purchases.poll, purchase_id=purchase.pk)

        die_at(point, partial(poll, now=NOW + timedelta(minutes=2)))
        poll(now=NOW + timedelta(minutes=4))

        assert CoinBalance.objects.get(user_id=f"reader-{number}").coins == 100
    assert CoinLot.objects.count() == ROUNDS
    assert_nothing_is_lost()


@pytest.mark.parametrize("point", SEAL)
def test_a_sealer_cut_short_leaves_the_chain_whole(point: str) -> None:
    for number in range(ROUNDS):
        factories.buy_coins(f"reader-{number}", "Starter Pack")

        die_at(point, lambda: sealing.seal(now=NOW))

        assert_nothing_is_lost()
    assert sealing.head() is not None


def test_every_named_point_is_killed_at() -> None:
    assert len(ALL) == len(set(ALL))
    assert every_failpoint() == set(ALL)
