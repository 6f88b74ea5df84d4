"""sandbox_deliveries.deliver(): the sandbox's webhooks, sent until they are answered with 2xx"""

from datetime import timedelta
from typing import Any

import pytest
import requests
import responses

from payments import tasks
from payments.gateways.sandbox import books, signatures
from payments.models import SandboxDelivery
from payments.services import sandbox_deliveries
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1:8005/api/v1/payments/webhooks/sandbox"
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def delivery() -> SandboxDelivery:
    """The news of a payment that was just made."""
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    return SandboxDelivery.objects.get()


def deliver(delivery: SandboxDelivery, *, after: timedelta = timedelta()) -> SandboxDelivery:
    sandbox_deliveries.deliver(delivery_id=delivery.pk, now=NOW + after)
    delivery.refresh_from_db()
    return delivery


@responses.activate
def test_posts_the_event_signed_at_this_moment(delivery: SandboxDelivery, settings: Any) -> None:
    responses.post(URL, status=200)

    deliver(delivery, after=A_MINUTE)

    [call] = responses.calls
    assert call.request.body == bytes(delivery.body)
    assert call.request.headers["Content-Type"] == "application/json"
    header = str(call.request.headers[signatures.HEADER])
    secret = settings.SANDBOX_WEBHOOK_SECRET
    assert signatures.is_valid(header, bytes(delivery.body), secret=secret, now=NOW + A_MINUTE)
    assert f"t={int((NOW + A_MINUTE).timestamp())}," in header


@responses.activate
def test_is_over_once_it_is_answered(delivery: SandboxDelivery) -> None:
    responses.post(URL, status=200)

    deliver(delivery)

    assert (delivery.delivered_at, delivery.next_attempt_at) == (NOW, None)
    deliver(delivery, after=A_MINUTE)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
@responses.activate
def test_any_other_answer_is_none(delivery: SandboxDelivery, status: int) -> None:
    responses.post(URL, status=status, headers={"Location": "https://legato.example/"})

    deliver(delivery)

    assert delivery.delivered_at is None
    assert (delivery.next_attempt_at, delivery.locked_until) == (NOW + A_MINUTE, None)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("failure", [requests.ConnectionError, requests.ReadTimeout])
@responses.activate
def test_no_answer_is_tried_again_until_there_is_one(
    delivery: SandboxDelivery, failure: type[requests.RequestException]
) -> None:
    responses.post(URL, body=failure("nobody there"))
    responses.post(URL, status=200)

    deliver(delivery)
    assert delivery.next_attempt_at == NOW + A_MINUTE
    deliver(delivery, after=A_MINUTE)

    assert (delivery.delivered_at, delivery.attempts) == (NOW + A_MINUTE, 2)


@responses.activate
def test_is_not_sent_before_its_time(delivery: SandboxDelivery) -> None:
    deliver(delivery, after=-A_MINUTE)

    assert not responses.calls
    assert delivery.attempts == 0


@responses.activate
def test_the_job_sends_one(delivery: SandboxDelivery) -> None:
    responses.post(URL, status=200)

    tasks.deliver_sandbox_webhook(delivery_id=delivery.pk)

    delivery.refresh_from_db()
    assert delivery.delivered_at is not None
