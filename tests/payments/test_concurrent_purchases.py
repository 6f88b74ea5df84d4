"""One payment, many reporters at the same moment: it is credited once"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic

from payments.gateways.sandbox import books, signatures
from payments.models import (
    CoinLot,
    Purchase,
    SandboxCharge,
    SandboxDelivery,
    Transaction,
    WebhookEvent,
)
from payments.services import purchase_outcomes, purchases
from payments.webhooks import inbox
from tests import factories
from tests.concurrency.threads import until_blocked
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db(transaction=True)

Status = Purchase.Status
EXPIRY = NOW + timedelta(minutes=60)

Work = Callable[[], Any]


def at_once(works: Sequence[Work]) -> list[Any]:
    """Run each in a thread with its own connection, all let go at the same moment."""
    start = Barrier(len(works))

    def run(work: Work) -> Any:
        try:
            connection.ensure_connection()
            start.wait(timeout=30)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def deliver(number: int, reference: str, settings: Any) -> int:
    """One of several events that say the same; how many of them were new."""
    event = {
        "id": f"evt_{number}",
        "type": "charge.succeeded",
        "created": int(NOW.timestamp()),
        "data": {"reference": reference},
    }
    body = json.dumps(event).encode()
    header = signatures.sign(body, secret=settings.SANDBOX_WEBHOOK_SECRET, now=NOW)
    headers = {signatures.HEADER: header}
    return inbox.receive(provider="SANDBOX", body=body, headers=headers, now=NOW)


def test_32_webhooks_and_confirmations_are_one_credit(settings: Any) -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=purchase.gateway_id, now=NOW)
    for number in range(16):
        deliver(number, purchase.reference, settings)
    events = WebhookEvent.objects.values_list("pk", flat=True)
    webhooks = [partial(inbox.process, event_id=event_id, now=NOW) for event_id in events]
    confirmation = partial(purchases.confirm, purchase_id=purchase.pk, user_id=READER, now=NOW)

    at_once([work for webhook in webhooks for work in (webhook, confirmation)])

    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"PROCESSED"}
    purchase.refresh_from_db()
    assert purchase.status == Status.SUCCEEDED
    assert CoinLot.objects.count() == 1
    assert sorted(Transaction.objects.values_list("kind", flat=True)) == [
        "COIN_PURCHASE", "GATEWAY_FEE",
    ]  # fmt: skip
    assert books_of.coins(READER) == 6_600
    assert len(books_of.audit("payments.purchase.settled")) == 1


def test_a_first_wallet_is_opened_once_for_purchases_paid_together() -> None:
    made = [factories.start_purchase(name="Starter Pack") for _ in range(8)]
    for purchase in made:
        books.pay(charge_id=purchase.gateway_id, now=NOW)

    at_once(
        [
            partial(purchases.confirm, purchase_id=purchase.pk, user_id=READER, now=NOW)
            for purchase in made
        ]
    )

    assert books_of.coins(READER) == 800
    assert CoinLot.objects.count() == 8


def test_the_same_delivery_8_times_at_once_is_one_event(settings: Any) -> None:
    purchase = factories.start_purchase()

    fresh = at_once([partial(deliver, 1, purchase.reference, settings)] * 8)

    assert sorted(fresh) == [0] * 7 + [1]
    assert WebhookEvent.objects.count() == 1


def test_two_buttons_at_once_are_one_decision() -> None:
    purchase = factories.start_purchase()

    ends = at_once(
        [partial(end, charge_id=purchase.gateway_id, now=NOW) for end in _ENDS for _ in range(3)]
    )

    assert len({charge.status for charge in ends}) == 1
    assert SandboxDelivery.objects.count() == 1


_ENDS = (books.pay, books.decline, books.cancel)


def test_a_payment_in_the_moment_of_expiry_is_paid_or_closed_and_never_both() -> None:
    made = [factories.start_purchase(user_id=f"reader-{number}") for number in range(6)]

    at_once(
        [
            work
            for purchase in made
            for work in (
                partial(books.pay, charge_id=purchase.gateway_id, now=EXPIRY),
                partial(purchases.poll, purchase_id=purchase.pk, now=EXPIRY),
            )
        ]
    )

    for purchase in made:
        purchase.refresh_from_db()
        charge = factories.charge_of(purchase)
        assert (charge.status, purchase.status) in {
            (SandboxCharge.Status.SUCCEEDED, Status.SUCCEEDED),
            (SandboxCharge.Status.CANCELLED, Status.EXPIRED),
        }
        paid = charge.status == SandboxCharge.Status.SUCCEEDED
        assert books_of.coins(purchase.user_id) == (6_600 if paid else 0)


GIVEN_UP: dict[str, Callable[[Purchase], Purchase]] = {
    "refused": lambda purchase: purchase_outcomes.fail(purchase.pk, "card_declined", now=NOW),
    "expired": lambda purchase: purchase_outcomes.expire(purchase.pk, now=NOW),
}


@pytest.mark.parametrize("end", GIVEN_UP)
def test_giving_up_waits_for_a_credit_and_does_not_undo_it(end: str) -> None:
    purchase = factories.start_purchase()

    def give_up() -> None:
        try:
            GIVEN_UP[end](purchase)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with atomic():
            state = factories.state(purchase)
            purchase_outcomes.settle(purchase_id=purchase.pk, state=state, now=NOW)
            given_up = pool.submit(give_up)
            until_blocked(given_up)
        given_up.result()

    purchase.refresh_from_db()
    assert (purchase.status, purchase.transaction_id) == (Status.SUCCEEDED, purchase.pk)
    assert books_of.coins(READER) == 6_600
    assert len(books_of.audit("payments.purchase.settled")) == 1
    assert not books_of.audit("payments.purchase.failed")
    assert not books_of.audit("payments.purchase.expired")
