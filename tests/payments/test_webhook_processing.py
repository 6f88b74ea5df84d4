"""inbox.process(): what a stored event does, whatever the order, however often"""

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from payments import tasks
from payments.gateways.sandbox import books, refunds, signatures
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import RefundState, Window
from payments.models import Purchase, Refund, SandboxCharge, SandboxDelivery, WebhookEvent
from payments.services import attempts, purchases
from payments.webhooks import inbox
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Purchase.Status
A_MINUTE = timedelta(minutes=1)
ENDS = ["charge.succeeded", "charge.failed", "charge.cancelled"]


def receive(event: dict[str, Any], settings: Any, *, now: datetime = NOW) -> WebhookEvent:
    """An authentic delivery of ``event`` arrives."""
    body = json.dumps(event).encode()
    header = signatures.sign(body, secret=settings.SANDBOX_WEBHOOK_SECRET, now=now)
    inbox.receive(provider="SANDBOX", body=body, headers={signatures.HEADER: header}, now=now)
    return WebhookEvent.objects.get(dedupe_key=event["id"])


def event_about(reference: str, kind: str = "charge.succeeded", number: int = 1) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "type": kind,
        "created": int(NOW.timestamp()),
        "data": {"reference": reference},
    }


def announced() -> dict[str, Any]:
    """The event that the sandbox owes us."""
    event: dict[str, Any] = json.loads(bytes(SandboxDelivery.objects.get().body))
    return event


def process(event: WebhookEvent, *, now: datetime = NOW) -> WebhookEvent:
    inbox.process(event_id=event.pk, now=now)
    event.refresh_from_db()
    return event


@pytest.fixture
def purchase() -> Purchase:
    """An Ultimate Pack that the reader has not paid yet."""
    return factories.start_purchase()


class TestHandled:
    def test_a_paid_purchase_is_credited(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)

        event = process(receive(announced(), settings))

        assert (event.status, event.processed_at) == (WebhookEvent.Status.PROCESSED, NOW)
        assert (event.next_attempt_at, event.locked_until, event.error) == (None, None, "")
        purchase.refresh_from_db()
        assert purchase.status == Status.SUCCEEDED
        assert books_of.coins(READER) == 6_600

    @pytest.mark.parametrize(
        ("end", "status"), [(books.decline, Status.FAILED), (books.cancel, Status.EXPIRED)]
    )
    def test_an_unpaid_purchase_is_closed(
        self, purchase: Purchase, settings: Any, end: Any, status: str
    ) -> None:
        end(charge_id=purchase.gateway_id, now=NOW)

        with books_of.nothing_credited():
            event = process(receive(announced(), settings))

        purchase.refresh_from_db()
        assert purchase.status == status
        assert event.status == WebhookEvent.Status.PROCESSED

    def test_an_amount_that_differs_is_quarantined(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        SandboxCharge.objects.update(amount_minor=1)

        with books_of.nothing_credited():
            event = process(receive(announced(), settings))

        assert event.status == WebhookEvent.Status.PROCESSED
        assert list(Purchase.objects.awaiting_finance()) == [purchase]

    def test_a_second_time_does_nothing(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        event = process(receive(announced(), settings))

        with books_of.nothing_changed():
            process(event, now=NOW + A_MINUTE)

    def test_the_job_reads_the_clock_and_processes(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        event = receive(announced(), settings, now=NOW - timedelta(days=200))

        tasks.process_webhook(event_id=event.pk)

        assert books_of.coins(READER) == 6_600

    def test_a_kind_nobody_handles_is_put_aside(self, purchase: Purchase, settings: Any) -> None:
        event = receive(event_about(purchase.reference, "charge.blessed"), settings)

        with books_of.nothing_credited():
            process(event)

        assert (event.status, event.next_attempt_at) == (WebhookEvent.Status.IGNORED, None)


class TestHints:
    """An event says that something happened; what it was is asked of the gateway."""

    def test_an_event_cannot_pay_what_is_not_paid(self, purchase: Purchase, settings: Any) -> None:
        with books_of.nothing_credited():
            event = process(receive(event_about(purchase.reference), settings))

        assert event.status == WebhookEvent.Status.PROCESSED
        purchase.refresh_from_db()
        assert purchase.status == Status.PENDING

    @pytest.mark.parametrize("order", list(itertools.permutations(ENDS)), ids=" ".join)
    @pytest.mark.parametrize(
        ("end", "status", "coins"),
        [
            (books.pay, Status.SUCCEEDED, 6_600),
            (books.decline, Status.FAILED, 0),
            (books.cancel, Status.EXPIRED, 0),
        ],
    )
    def test_every_order_of_events_ends_alike(
        self,
        purchase: Purchase,
        settings: Any,
        order: tuple[str, ...],
        end: Any,
        status: str,
        coins: int,
    ) -> None:
        end(charge_id=purchase.gateway_id, now=NOW)

        for number, kind in enumerate(order):
            process(receive(event_about(purchase.reference, kind, number), settings))

        purchase.refresh_from_db()
        assert purchase.status == status
        assert books_of.coins(READER) == coins
        assert len(books_of.audit(f"payments.purchase.{status.lower()}")) <= 1


class TestTriedAgain:
    def test_an_unknown_reference_is_retried_and_given_up_in_the_end(self, settings: Any) -> None:
        event = receive(event_about("lp-unknown"), settings)

        waits = []
        with books_of.nothing_credited():
            while (due := event.next_attempt_at) is not None:
                waits.append(due)
                process(event, now=due)

        minutes = [round((b - a) / A_MINUTE) for a, b in itertools.pairwise(waits)]
        assert minutes == [1, 5, 30] + [60] * 16
        assert (event.status, event.attempts) == (WebhookEvent.Status.FAILED, 20)
        assert event.error == "LookupError: no purchase has the reference lp-unknown"
        assert event.processed_at is None

    def test_an_event_faster_than_our_own_row_finds_it_the_next_time(self, settings: Any) -> None:
        event = process(receive(event_about("lp-late"), settings))
        assert event.status == WebhookEvent.Status.RECEIVED
        purchase = factories.start_purchase()
        SandboxCharge.objects.update(reference="lp-late")
        Purchase.objects.update(reference="lp-late")
        books.pay(charge_id=purchase.gateway_id, now=NOW)

        process(event, now=NOW + A_MINUTE)

        assert (event.status, event.error) == (WebhookEvent.Status.PROCESSED, "")
        assert books_of.coins(READER) == 6_600

    def test_an_event_faster_than_the_gateways_own_list_is_not_dropped(self, settings: Any) -> None:
        with pytest.raises(attempts.GatewayUnavailable):
            factories.start_purchase(saved_method="pm_timeout_before")
        purchase = Purchase.objects.get()
        purchases.poll(purchase_id=purchase.pk, now=purchase.expires_at)

        with books_of.nothing_credited():
            event = process(receive(event_about(purchase.reference), settings))

        assert (event.status, event.next_attempt_at) == (
            WebhookEvent.Status.RECEIVED,
            NOW + A_MINUTE,
        )
        assert event.error == f"LookupError: the gateway does not know {purchase.reference} yet"

    def test_a_gateway_that_is_away_is_asked_again(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        event = receive(announced(), settings)
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_credited():
            process(event)
        assert event.status == WebhookEvent.Status.RECEIVED
        assert event.error.startswith("NotConfigured")
        settings.GATEWAY_SANDBOX = True
        process(event, now=NOW + A_MINUTE)

        assert event.status == WebhookEvent.Status.PROCESSED
        assert books_of.coins(READER) == 6_600

    def test_not_before_its_time(self, purchase: Purchase, settings: Any) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        event = receive(announced(), settings)

        with books_of.nothing_changed():
            process(event, now=NOW - A_MINUTE)

    def test_a_worker_that_died_leaves_it_to_the_next(
        self, purchase: Purchase, settings: Any
    ) -> None:
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        event = receive(announced(), settings)
        WebhookEvent.objects.claim(pk=event.pk, now=NOW, lease=inbox.LEASE)

        with books_of.nothing_credited():
            process(event, now=NOW + timedelta(seconds=59))
        process(event, now=NOW + inbox.LEASE)

        assert event.status == WebhookEvent.Status.PROCESSED
        assert books_of.coins(READER) == 6_600


def test_a_refund_that_its_event_does_not_name_is_found_in_the_gateways_list(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = NOW - timedelta(days=300)
    bought = factories.buy_coins(now=long_ago)
    refunds.make(charge_id=factories.charge_of(bought).pk, amount_minor=1_000, now=NOW)
    windows = []
    listed = SandboxGateway.list_refunds

    def listing(gateway: SandboxGateway, window: Window) -> Iterator[RefundState]:
        windows.append(window)
        return listed(gateway, window)

    monkeypatch.setattr(SandboxGateway, "list_refunds", listing)
    event = receive(event_about(bought.reference, "refund.updated"), settings)

    process(event)

    assert event.status == WebhookEvent.Status.PROCESSED, event.error
    assert Refund.objects.get().amount_micros == 10_000_000
    # Not all refunds since the purchase: there may be thousands of pages of them.
    assert [window.start for window in windows] == [NOW - timedelta(days=30)]
