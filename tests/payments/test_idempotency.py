"""Idempotency-Key: one key, one effect, one answer (api.md, section 3)."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, connections
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from legato_payments.lib.api.errors import PreconditionFailed
from legato_payments.lib.errors import (
    Conflict,
    Declined,
    Forbidden,
    Invalid,
    Missing,
    Refused,
    Unavailable,
)
from payments import idempotency as table
from payments.models import IdempotencyKey
from tests.payments.keyed import LOCAL, REMOTE, assert_replay, effects, send, world

pytestmark = [pytest.mark.urls("tests.payments.keyed"), pytest.mark.django_db(transaction=True)]

THREADS = 64
START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh_world() -> Iterator[None]:
    world.forget()
    yield
    connections.close_all()


def send_elsewhere(*args: Any, **kwargs: Any) -> Any:
    """``send`` in another thread, which leaves no connection behind."""
    try:
        return send(*args, **kwargs)
    finally:
        connections.close_all()


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
def test_a_repeat_gets_the_first_answer_and_does_nothing(address: str) -> None:
    first = send(address)

    second = send(address)

    assert first.status_code == 201
    assert first["Content-Type"] == "application/json"
    assert first["Location"] == "/somewhere/1"
    assert_replay(first, second)
    assert effects() == 1


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
def test_64_threads_with_one_key_have_one_effect(address: str) -> None:
    barrier = threading.Barrier(THREADS)

    def request(_: int) -> Any:
        barrier.wait()
        return send_elsewhere(address)

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(request, range(THREADS)))

    fresh = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a]
    replays = [a for a in answers if "Idempotent-Replayed" in a]
    refused = [a for a in answers if a.status_code == 409]
    assert len(fresh) == 1
    assert len(replays) + len(refused) == THREADS - 1
    assert {a.json()["code"] for a in refused} <= {"idempotency_in_progress"}
    assert {a["Retry-After"] for a in refused} <= {"1"}
    assert {a.content for a in replays} <= {fresh[0].content}
    assert effects() == 1
    assert_replay(fresh[0], send(address))


def test_64_threads_with_their_own_keys_all_run() -> None:
    def request(number: int) -> int:
        return int(send_elsewhere(key=f"key-{number}").status_code)

    with ThreadPoolExecutor(THREADS) as threads:
        statuses = Counter(threads.map(request, range(THREADS)))

    assert statuses == {201: THREADS}
    assert effects() == THREADS


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
def test_a_twin_of_a_running_request_is_told_to_come_back(address: str) -> None:
    twins: list[Any] = []

    def call_again(run: int) -> None:
        with ThreadPoolExecutor(1) as thread:
            twins.append(thread.submit(send_elsewhere, address).result())

    world.do = call_again
    first = send(address)

    assert first.status_code == 201
    assert twins[0].status_code == 409
    assert twins[0].json()["code"] == "idempotency_in_progress"
    assert twins[0]["Retry-After"] == "1"
    assert effects() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"body": {"coins": 6}},
        {"body": {"coins": 5, "note": ""}},
        {"body": {"coins": "5"}},
        {"body": {}},
        {"address": "/api/v1/keyed/other"},
        {"method": "put"},
    ],
)
def test_a_key_belongs_to_one_request(other: dict[str, Any]) -> None:
    send()

    response = send(**other)

    assert response.status_code == 422
    assert response.json()["code"] == "idempotency_key_reused"
    assert effects() == 1


def test_the_order_of_names_and_spaces_make_no_other_request() -> None:
    first = send(body='{"a":1,"b":{"c":[1,2],"d":null}}')

    assert_replay(first, send(body=' { "b" : {"d":null, "c":[1, 2]}, "a" : 1 } '))
    assert send(body='{"a":1,"b":{"c":[2,1],"d":null}}').status_code == 422


@pytest.mark.parametrize(
    "caller",
    [
        {"subject": "reader-2"},
        {"client_id": "another-app"},
        {"subject": "service:shop", "scopes": ["coins:spend:delegated"]},
        {"subject": "service:shop", "scopes": ["coins:spend:delegated"], "act": "reader-1"},
    ],
)
def test_each_caller_has_keys_of_its_own(caller: dict[str, Any]) -> None:
    send()

    assert send(**caller).status_code == 201
    assert effects() == 2


def test_a_service_has_keys_of_its_own_for_each_user() -> None:
    service: dict[str, Any] = {"subject": "service:shop", "scopes": ["coins:spend:delegated"]}
    send(**service, act="reader-1")

    send(**service, act="reader-2")

    assert effects() == 2


REFUSALS = [
    Declined("The bank said no."),
    Conflict("Too few coins.", required_coins=100),
    Refused("Below the minimum."),
]


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_business_refusal_is_the_answer_from_then_on(address: str, refusal: Exception) -> None:
    def refuse(run: int) -> None:
        raise refusal

    world.do = refuse
    first = send(address)
    world.do = lambda run: None
    second = send(address)

    assert first.status_code in {402, 409, 422}
    assert_replay(first, second)
    assert len(world.runs) == 1


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_refused_local_effect_is_undone(refusal: Exception) -> None:
    def refuse(run: int) -> None:
        raise refusal

    world.do = refuse
    send()

    assert effects() == 0


UNSTORED = [
    (Invalid(), 400),
    (ValidationError({"coins": ["Too many."]}), 400),
    (Forbidden(), 403),
    (Missing(), 404),
    (PreconditionFailed(), 412),
    (Unavailable(), 503),
    (OperationalError("the database is away"), 503),
    (ZeroDivisionError(), 500),
]


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
@pytest.mark.parametrize(
    ("error", "status"), UNSTORED, ids=lambda value: type(value).__name__ if value else ""
)
def test_other_failures_are_not_stored(
    address: str, error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: int) -> None:
        raise error

    monkeypatch.setattr(table, "MAX_TRIES", 1)
    world.do = fail
    first = send(address)
    world.do = lambda run: None
    second = send(address)

    assert first.status_code == status
    assert second.status_code == 201
    assert "Idempotent-Replayed" not in second
    assert_replay(second, send(address))


def test_a_failed_local_effect_is_undone() -> None:
    def fail(run: int) -> None:
        raise ZeroDivisionError

    world.do = fail
    send()

    assert effects() == 0
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("address", [LOCAL, REMOTE])
@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_key_is_required(address: str, key: str | None) -> None:
    response = send(address, key=key)

    assert response.status_code == 400
    assert response.json()["code"] == "idempotency_key_missing"
    assert effects() == 0


@pytest.mark.parametrize("key", ["x" * 256, "a b", "ü", '"', '""', '"a', "a\tb", '"a b"'])
def test_a_key_is_visible_ascii(key: str) -> None:
    response = send(key=key.encode().decode("latin-1"))

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert effects() == 0


def test_a_key_in_quotes_is_the_same_key() -> None:
    assert_replay(send(key="key-1"), send(key='"key-1"'))


def test_a_key_of_255_characters_is_kept_whole() -> None:
    assert_replay(send(key="!" * 255), send(key="!" * 255))
    assert send(key="!" * 254).status_code == 201


def test_where_no_key_is_required_a_request_may_come_without() -> None:
    assert send("/api/v1/keyed/optional", key=None).status_code == 201
    assert send("/api/v1/keyed/optional", key=None).status_code == 201
    assert effects() == 2
    assert_replay(send("/api/v1/keyed/optional"), send("/api/v1/keyed/optional"))


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_refused_where_none_is_required(key: str) -> None:
    response = send("/api/v1/keyed/optional", key=key)

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert effects() == 0


def test_permission_is_asked_before_an_answer_is_repeated() -> None:
    send()

    response = send(scopes=["coins:read"])

    assert response.status_code == 403
    assert "Idempotent-Replayed" not in response


def test_a_returned_refusal_is_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "act", lambda: Response({}, status=409))

    assert send().status_code == 500
    assert not IdempotencyKey.objects.exists()


def test_the_unique_constraint_is_the_guard_when_the_lock_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send()
    monkeypatch.setattr(table, "_find", lambda request: None)

    response = send()

    assert response.status_code == 409
    assert response.json()["code"] == "idempotency_in_progress"
    assert effects() == 1


def test_a_lost_connection_is_survived() -> None:
    def lose_the_connection(run: int) -> None:
        if run == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    world.do = lose_the_connection

    assert send().status_code == 201
    assert len(world.runs) == 2
    assert effects() == 1


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03", "57P01", "08006"])
def test_a_transaction_that_the_database_gave_up_is_repeated(sqlstate: str) -> None:
    class Cause(Exception):
        pass

    def give_up(run: int) -> None:
        if run < 3:
            cause = Cause()
            cause.sqlstate = sqlstate  # type: ignore[attr-defined]
            raise OperationalError("given up") from cause

    world.do = give_up

    assert send().status_code == 201
    assert effects() == 1


def test_a_statement_that_takes_too_long_is_not_repeated() -> None:
    def take_long(run: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '20ms'")
            cursor.execute("SELECT pg_sleep(1)")

    world.do = take_long

    response = send()

    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"
    assert len(world.runs) == 1


def test_keys_are_kept_for_thirty_days() -> None:
    with time_machine.travel(START, tick=False):
        send()
        send(key="key-2")
    with time_machine.travel(START + timedelta(days=1), tick=False):
        send(key="key-3")

    assert table.purge(START + timedelta(days=30) - timedelta(seconds=1)) == 0
    assert table.purge(START + timedelta(days=30)) == 2
    assert IdempotencyKey.objects.get().key == "key-3"
    assert table.purge(START + timedelta(days=31)) == 1


def test_nothing_of_the_body_or_the_caller_is_stored_in_clear() -> None:
    send(body={"note": "a secret note"})

    row = IdempotencyKey.objects.values().get()
    assert "secret" not in str({k: v for k, v in row.items() if k != "answer_body"})
    assert "reader-1" not in str(row)
