"""From a token to coins, over HTTP alone: shop, payment page, webhook, balance"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
import requests
from celery import current_app
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django.live_server_helper import LiveServer

from legato_payments.lib.api import tokens
from payments import tasks
from payments.models import Purchase, SandboxDelivery, WebhookEvent
from tests.clients import PAYMENTS, idempotency_key
from tests.factories import READER

pytestmark = pytest.mark.django_db(transaction=True)

SHOP = "https://legato.example/shop"

Worker = Callable[[], list[str]]


class Reader:
    """A reader with a token and a browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.browser = requests.Session()
        self.headers = {"Authorization": f"Bearer {tokens.issue(READER)}"}

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.address}{PAYMENTS}{path}", headers=self.headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def buy(self, order: dict[str, str]) -> Any:
        """Start a purchase of coins."""
        answer = requests.post(
            f"{self.address}{PAYMENTS}/users/{READER}/purchase-coins",
            json=order,
            headers=self.headers | idempotency_key(),
            timeout=10,
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def press(self, url: str, decision: str) -> str:
        """Open the payment page and press a button; where the browser is sent to."""
        page = self.browser.get(url, timeout=10).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None, page
        fields = {"csrfmiddlewaretoken": token[1], "decision": decision}
        answer = self.browser.post(url, fields, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def coins(self) -> Any:
        return self.get(f"/users/{READER}/balance")["coins"]


def queues() -> tuple[str, str]:
    """Where jobs wait in the broker."""
    prefix = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    return f"{prefix}default", f"{prefix}webhooks"


@pytest.fixture
def reader(live_server: LiveServer, settings: Any) -> Reader:
    """A reader of a service that runs, and that the sandbox can reach."""
    settings.PUBLIC_URL = live_server.url
    return Reader(live_server.url)


@pytest.fixture
def work(redis_of_this_process: redis.Redis) -> Worker:
    """Does what a worker would: each job that waits in the broker, until none is left."""
    current_app.loader.import_default_modules()

    def take() -> Any:
        found: Any = redis_of_this_process.lmpop(2, *queues(), direction="RIGHT")
        return json.loads(found[1][0]) if found else None

    def run() -> list[str]:
        done = []
        while envelope := take():
            _args, kwargs, _rest = json.loads(base64.b64decode(envelope["body"]))
            name = envelope["headers"]["task"]
            current_app.tasks[name](**kwargs)
            done.append(name)
        return done

    return run


def test_a_reader_buys_coins(reader: Reader, work: Worker) -> None:
    packages = reader.get("/coin-packages")["results"]
    [ultimate] = [package for package in packages if package["total_coins"] == 6_600]

    order = {"package_id": ultimate["id"], "currency": "USD", "return_url": SHOP}
    bought = reader.buy(order)
    assert bought["total"] == ultimate["price"]
    assert reader.coins() == 0

    location = reader.press(bought["action"]["url"], "pay")
    reference = Purchase.objects.get().reference
    assert location == f"{SHOP}?reference={reference}&status=succeeded"
    assert reader.coins() == 0

    assert work() == ["payments.deliver_sandbox_webhook", "payments.process_webhook"]
    assert reader.coins() == 6_600
    assert SandboxDelivery.objects.get().delivered_at is not None
    assert WebhookEvent.objects.get().status == WebhookEvent.Status.PROCESSED
    [row] = reader.get(f"/users/{READER}/transactions")["results"]
    assert (row["id"], row["status"]) == (bought["transaction_id"], "succeeded")


def test_a_reader_refuses_at_the_bank(reader: Reader, work: Worker) -> None:
    bought = reader.buy({"package_id": _package(reader), "currency": "USD"})
    url = bought["action"]["url"]

    assert reader.press(url, "authenticate") in url
    assert "status=failed" in reader.press(url, "decline")
    work()

    assert reader.coins() == 0
    [row] = reader.get(f"/users/{READER}/transactions")["results"]
    assert row["status"] == "failed"


def test_naira_are_paid_from_the_command_line(reader: Reader, work: Worker) -> None:
    call_command("refresh_rates", "--provider", "fixed")
    bought = reader.buy({"package_id": _package(reader), "currency": "NGN"})
    assert bought["total"] == {"amount": "54900.00", "currency": "NGN"}

    call_command("sandbox_pay", bought["transaction_id"])
    work()

    assert reader.coins() == 6_600


def test_the_sweep_makes_up_for_wake_ups_that_were_lost(
    reader: Reader, work: Worker, redis_of_this_process: redis.Redis
) -> None:
    bought = reader.buy({"package_id": _package(reader), "currency": "USD"})
    reader.press(bought["action"]["url"], "pay")
    redis_of_this_process.delete(*queues())

    tasks.sweep()

    assert work() == ["payments.deliver_sandbox_webhook", "payments.process_webhook"]
    assert reader.coins() == 6_600


def _package(reader: Reader) -> str:
    return str(reader.get("/coin-packages")["results"][-1]["id"])
