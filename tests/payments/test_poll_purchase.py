"""purchases.poll(): what becomes of a purchase nobody reports on"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments import tasks
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import books
from payments.gateways.values import ChargeRequest, CustomerRef
from payments.models import Purchase, SandboxCharge, WebhookEvent
from payments.services import attempts, purchases
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Purchase.Status
A_MINUTE = timedelta(minutes=1)
EXPIRY = NOW + timedelta(minutes=60)


def poll(purchase: Purchase, now: datetime) -> Purchase:
    purchases.poll(purchase_id=purchase.pk, now=now)
    purchase.refresh_from_db()
    return purchase


def unreachable() -> Purchase:
    """A purchase whose payment was never opened."""
    with pytest.raises(attempts.GatewayUnavailable):
        factories.start_purchase(saved_method="pm_timeout_before")
    return Purchase.objects.get()


def test_settles_a_payment_all_of_whose_webhooks_were_lost() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    poll(purchase, NOW + A_MINUTE)

    assert purchase.status == Status.SUCCEEDED
    assert books_of.coins(READER) == 6_600
    assert not WebhookEvent.objects.exists()


def test_fails_a_payment_whose_refusal_was_lost() -> None:
    purchase = factories.start_purchase()
    books.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)

    with books_of.nothing_credited():
        poll(purchase, NOW + A_MINUTE)

    assert (purchase.status, purchase.failure_code) == (Status.FAILED, "card_declined")


def test_comes_back_ever_more_rarely_but_in_time_for_the_end() -> None:
    purchase = factories.start_purchase()

    waits = []
    while purchase.status == Status.PENDING and purchase.next_attempt_at:
        now = purchase.next_attempt_at
        waits.append(round((now - NOW) / A_MINUTE))
        poll(purchase, now)

    assert waits == [1, 2, 7, 37, 60]
    assert purchase.status == Status.EXPIRED


def test_leaves_alone_what_is_not_due() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    with books_of.nothing_changed():
        poll(purchase, NOW + timedelta(seconds=59))


def test_leaves_alone_what_another_worker_has() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    Purchase.objects.claim(pk=purchase.pk, now=NOW + A_MINUTE, lease=A_MINUTE)

    with books_of.nothing_changed():
        poll(purchase, NOW + A_MINUTE)

    # The other one died with it: after its lease anybody may.
    poll(purchase, NOW + 2 * A_MINUTE)
    assert purchase.status == Status.SUCCEEDED


def test_does_nothing_when_all_is_said() -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        poll(purchase, EXPIRY)


def test_a_gateway_that_is_away_is_asked_again_later(settings: Any) -> None:
    purchase = factories.start_purchase()
    settings.GATEWAY_SANDBOX = False

    with books_of.nothing_credited():
        poll(purchase, NOW + A_MINUTE)

    assert (purchase.status, purchase.locked_until) == (Status.PENDING, None)
    assert purchase.next_attempt_at == NOW + 2 * A_MINUTE


class TestExpiry:
    def test_closes_the_payment_at_the_gateway_first(self) -> None:
        purchase = factories.start_purchase()

        with books_of.nothing_credited():
            poll(purchase, EXPIRY)

        charge = factories.charge_of(purchase)
        assert (charge.status, charge.completed_at) == (SandboxCharge.Status.CANCELLED, EXPIRY)
        assert (purchase.status, purchase.next_attempt_at) == (Status.EXPIRED, None)
        # Whoever still has the page open cannot pay for what we gave up.
        late = books.pay(charge_id=charge.pk, now=EXPIRY)
        assert late.status == SandboxCharge.Status.CANCELLED

    def test_a_reader_at_the_banks_page_is_too_late_as_well(self) -> None:
        purchase = factories.start_purchase(saved_method="pm_authenticate")

        with books_of.nothing_credited():
            poll(purchase, EXPIRY)

        assert factories.charge_of(purchase).status == SandboxCharge.Status.CANCELLED
        assert purchase.status == Status.EXPIRED

    def test_a_payment_made_in_the_last_moment_counts(self) -> None:
        purchase = factories.start_purchase()
        books.pay(charge_id=factories.charge_of(purchase).pk, now=EXPIRY - A_MINUTE)

        poll(purchase, EXPIRY)

        assert purchase.status == Status.SUCCEEDED
        assert books_of.coins(READER) == 6_600

    def test_does_not_come_while_the_gateway_is_away(self, settings: Any) -> None:
        purchase = factories.start_purchase()
        settings.GATEWAY_SANDBOX = False

        poll(purchase, EXPIRY)

        assert purchase.status == Status.PENDING
        assert purchase.next_attempt_at == EXPIRY + A_MINUTE

        settings.GATEWAY_SANDBOX = True
        poll(purchase, EXPIRY + A_MINUTE)
        assert purchase.status == Status.EXPIRED

    def test_ends_a_purchase_the_gateway_never_heard_of(self) -> None:
        purchase = unreachable()
        assert poll(purchase, NOW + A_MINUTE).status == Status.CREATED

        with books_of.nothing_credited():
            poll(purchase, EXPIRY)

        assert purchase.status == Status.EXPIRED
        assert len(books_of.audit("payments.purchase.expired")) == 1

    def test_a_request_that_arrives_after_all_and_is_paid_is_credited(self) -> None:
        purchase = unreachable()
        poll(purchase, EXPIRY)
        late = EXPIRY + A_MINUTE
        request = ChargeRequest(
            reference=purchase.reference,
            amount=Money(purchase.total_micros, purchase.currency),
            customer=CustomerRef(READER),
            description="6,600 Legato coins",
            saved_method="pm_card",
        )
        charge_gateway(purchase.provider).create_charge(request, key="late", now=late)

        purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=late)

        purchase.refresh_from_db()
        assert purchase.status == Status.SUCCEEDED
        assert books_of.coins(READER) == 6_600


def test_the_job_reads_the_clock_and_polls() -> None:
    purchase = factories.start_purchase(now=NOW - timedelta(days=300))
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    tasks.poll_purchase(purchase_id=str(purchase.pk))

    purchase.refresh_from_db()
    assert purchase.status == Status.SUCCEEDED
