"""GET /livez, /readyz and /healthz"""

import time
from typing import Any

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from legato_payments.lib import health

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
    assert ready(client) == (200, {"status": "ok", "checks": ALL_OK})
    assert client.get("/healthz").json() == {"status": "ok", "checks": ALL_OK}


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

    assert ready(client) == (200, {"status": "ok", "checks": ALL_OK})


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


def test_nothing_can_be_posted(client: Client) -> None:
    assert client.post("/livez").status_code == 405
    assert client.post("/readyz").status_code == 405
    assert client.head("/readyz").status_code == 200
