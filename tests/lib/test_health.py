"""GET /livez, /readyz and /healthz"""

import time
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from structlog.testing import capture_logs

from legato_payments.lib import gauges, health
from legato_payments.lib.gauges import Gauge, Reading, Readings
from payments.models import CoinBalance, Difference, OutboxEvent, Unsealed
from payments.queries.gauges import READINGS
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

ALL_OK = {"database": "ok", "migrations": "ok", "keys": "ok", "redis": "ok"}


@pytest.fixture(autouse=True)
def _migrations_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", set())


def ready(client: Client, **extra: Any) -> tuple[int, dict[str, Any]]:
    """Ask /readyz; the status and the body."""
    response = client.get("/readyz", **extra)
    assert response["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    return response.status_code, response.json()


def test_a_live_process_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_a_whole_service_is_ready(client: Client) -> None:
    status, body = ready(client)

    assert (status, body["status"], body["checks"]) == (200, "ok", ALL_OK)
    assert client.get("/healthz").json()["checks"] == ALL_OK


def test_without_redis_it_is_degraded_but_ready(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    status, body = ready(client)

    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"] == {**ALL_OK, "redis": "ConnectionError"}


def test_without_the_database_it_is_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("postgresql://legato_app:hunter2@db/legato")

    monkeypatch.setattr(health, "_select_one", fail)

    status, body = ready(client)

    assert (status, body["status"]) == (503, "unready")
    assert body["checks"] == {**ALL_OK, "database": "OperationalError"}


def test_a_hanging_database_costs_half_a_second(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_select_one", lambda: time.sleep(1.5))
    started = time.monotonic()

    first, second = ready(client), ready(client)

    assert time.monotonic() - started < 1.4
    assert first[0] == second[0] == 503
    assert first[1]["checks"]["database"] == "no answer within 0.5 s"


def test_an_old_schema_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [1, 2])

    status, body = ready(client)

    assert status == 503
    assert body["checks"] == {**ALL_OK, "migrations": "2 not applied"}


def test_applied_migrations_are_looked_up_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(client)
    monkeypatch.delattr(health, "MigrationExecutor")

    status, body = ready(client)
    assert (status, body["checks"]) == (200, ALL_OK)


@pytest.mark.parametrize("keys", ["", "1:short"])
def test_without_keys_it_is_not(client: Client, settings: Any, keys: str) -> None:
    settings.FIELD_KEYS = keys

    status, body = ready(client)

    assert status == 503
    assert body["checks"] == {**ALL_OK, "keys": "BadKeyRing"}


@pytest.mark.parametrize(
    "caller",
    [
        {"REMOTE_ADDR": "203.0.113.9"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"},
    ],
)
def test_strangers_see_the_status_only(client: Client, caller: dict[str, str]) -> None:
    assert ready(client, **caller) == (200, {"status": "ok"})


def test_internal_callers_may_be_a_network(client: Client, settings: Any) -> None:
    settings.INTERNAL_ADDRESSES = ["10.1.0.0/16"]

    assert "checks" in ready(client, REMOTE_ADDR="10.1.2.3")[1]
    assert "checks" not in ready(client, REMOTE_ADDR="10.2.0.1")[1]


class TestBooks:
    """What stands in the books, read as for /metrics, in a thread of its own."""

    @pytest.fixture(autouse=True)
    def readings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that has read nothing yet."""
        monkeypatch.setattr(gauges, "readings", Readings())

    def test_in_order_are_all_zeros(self, client: Client) -> None:
        _, body = ready(client)

        assert body["books"] == {
            "legato_ledger_imbalance_micros": {"COIN": 0, "USD": 0, "CAD": 0, "NGN": 0},
            "legato_coins_deferred_drift_micros": 0,
            "legato_coins_issued_drift_coins": 0,
            "legato_ledger_unsealed_rows": 0,
            "legato_ledger_unsealed_oldest_seconds": 0,
            "legato_outbox_pending": 0,
            "legato_outbox_oldest_seconds": 0,
            "legato_webhook_lag_seconds": 0,
            "legato_disputes_open": 0,
            "legato_disputes_due_soon": 0,
            "legato_refunds_awaiting_finance": 0,
            "legato_gateway_attempts_unresolved": 0,
            "legato_gateway_attempts_awaiting_finance": 0,
            "legato_clearing_account_age_seconds": {"refund_in_flight": 0, "dispute_hold": 0},
            "legato_reconciliation_breaks": dict.fromkeys(
                (kind.lower() for kind in Difference.Kind.values), 0
            ),
            "legato_reconciliation_age_seconds": 0,
            "legato_gauge_up": dict.fromkeys(READINGS, 1),
        }

    @pytest.mark.django_db(transaction=True)
    def test_tell_what_waits(self, client: Client) -> None:
        factories.buy_coins()

        _, body = ready(client)

        books = body["books"]
        assert books["legato_ledger_unsealed_rows"] == Unsealed.objects.count() > 0
        assert books["legato_ledger_unsealed_oldest_seconds"] > 0
        assert books["legato_outbox_pending"] == OutboxEvent.objects.count() > 0
        assert body["status"] == "ok"

    @pytest.mark.django_db(transaction=True)
    def test_that_do_not_add_up_degrade_the_service_and_are_logged(self, client: Client) -> None:
        factories.buy_coins()
        CoinBalance.objects.update(held=3)

        with capture_logs() as lines:
            status, body = ready(client)

        assert (status, body["status"]) == (200, "degraded")
        assert body["checks"] == ALL_OK
        assert body["books"]["legato_coins_issued_drift_coins"] == -3
        [line] = [entry for entry in lines if entry["event"] == "figure_not_zero"]
        assert line == {
            "event": "figure_not_zero",
            "figure": "legato_coins_issued_drift_coins",
            "value": -3,
            "log_level": "error",
        }
        assert ready(client, REMOTE_ADDR="203.0.113.9") == (200, {"status": "degraded"})

    def test_that_cannot_be_read_say_so_and_change_nothing_else(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_now: object) -> list[Gauge]:
            raise OperationalError

        monkeypatch.setitem(gauges._readings, "outbox", Reading(fail))

        status, body = ready(client)

        assert (status, body["status"]) == (200, "ok")
        assert body["books"]["legato_gauge_up"]["outbox"] == 0
        assert "legato_outbox_pending" not in body["books"]
        assert body["books"]["legato_ledger_unsealed_rows"] == 0

    def test_are_read_once_for_many_probes(
        self, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.METRICS_CACHE_SECONDS = 3_600
        ready(client)

        def asked(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(gauges, "_read_one", asked)

        assert ready(client)[1]["books"]["legato_ledger_unsealed_rows"] == 0

    def test_that_take_long_are_not_waited_for(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gauges.readings.read(NOW)
        is_over = Event()

        def wait(_now: object) -> list[Gauge]:
            is_over.wait(30)
            return []

        monkeypatch.setattr(gauges, "_readings", {"slow": Reading(wait), **gauges._readings})

        status, body = ready(client)
        is_over.set()

        # Nothing was read by now but what the probe before had read.
        assert (status, body["status"]) == (200, "ok")
        assert "slow" not in body["books"]["legato_gauge_up"]
        assert body["books"]["legato_ledger_unsealed_rows"] == 0

    def test_are_not_asked_for_while_the_database_does_not_answer(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away() -> None:
            raise OperationalError

        monkeypatch.setattr(health, "_select_one", away)

        assert ready(client)[1]["books"] == {}


def test_nothing_can_be_posted(client: Client) -> None:
    assert client.post("/livez").status_code == 405
    assert client.post("/readyz").status_code == 405
    assert client.head("/readyz").status_code == 200
