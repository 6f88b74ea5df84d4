"""Idempotency-Key on operations that call others: the object id survives whatever happens."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, connections

from legato_payments.lib.errors import Invalid, Missing, Unavailable
from payments import idempotency as table
from payments.models import IdempotencyKey
from tests.payments.keyed import REMOTE, send, world

pytestmark = [pytest.mark.urls("tests.payments.keyed"), pytest.mark.django_db(transaction=True)]

START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh_world() -> Iterator[None]:
    world.forget()
    yield
    connections.close_all()


def test_a_remote_operation_runs_outside_any_transaction_on_a_committed_key() -> None:
    seen: list[Any] = []

    def look(run: int) -> None:
        row = IdempotencyKey.objects.get()
        seen.append((connection.in_atomic_block, row.answer_status, row.object_id))

    world.do = look
    response = send(REMOTE)

    assert seen == [(False, None, world.runs[0])]
    assert response.json()["id"] == str(world.runs[0])
    assert world.runs[0] is not None
    assert world.runs[0].version == 7


@pytest.mark.parametrize("error", [Unavailable(), ZeroDivisionError(), SystemExit()])
def test_a_failed_remote_operation_is_resumed_at_once(error: BaseException) -> None:
    def fail(run: int) -> None:
        raise error

    world.do = fail
    if isinstance(error, SystemExit):
        with pytest.raises(SystemExit):
            send(REMOTE)
    else:
        send(REMOTE)
    world.do = lambda run: None

    assert send(REMOTE).status_code == 201
    assert len(world.runs) == 2
    assert world.runs[0] == world.runs[1]


def test_a_crashed_remote_operation_is_resumed_after_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(run: int) -> None:
        raise SystemExit

    world.do = crash
    with time_machine.travel(START, tick=False) as clock:
        with monkeypatch.context() as dead:
            dead.setattr(table, "_give_up", lambda lease, nothing_done: None)
            with pytest.raises(SystemExit):
                send(REMOTE)
        world.do = lambda run: None
        clock.move_to(START + timedelta(seconds=59))
        early = send(REMOTE)
        clock.move_to(START + timedelta(seconds=60))
        late = send(REMOTE)

    assert early.status_code == 409
    assert early.json()["code"] == "idempotency_in_progress"
    assert late.status_code == 201
    assert world.runs[0] == world.runs[1]


def test_a_refused_remote_request_frees_its_key() -> None:
    def refuse(run: int) -> None:
        raise Invalid

    world.do = refuse
    send(REMOTE)

    assert not IdempotencyKey.objects.exists()
    world.do = lambda run: None
    assert send(REMOTE, body={"coins": 7}).status_code == 201
    assert world.runs[0] != world.runs[1]


def test_a_resumed_remote_operation_never_forgets_its_object() -> None:
    errors: list[Exception] = [Unavailable(), Missing()]

    def fail(run: int) -> None:
        if run <= len(errors):
            raise errors[run - 1]

    world.do = fail
    statuses = [send(REMOTE).status_code for _ in range(3)]

    assert statuses == [503, 404, 201]
    assert len(set(world.runs)) == 1


def test_the_first_answer_counts_when_a_lease_was_overrun() -> None:
    with time_machine.travel(START, tick=False) as clock:
        faster: list[Any] = []

        def dawdle(run: int) -> None:
            if run == 1:
                clock.move_to(START + timedelta(seconds=61))
                faster.append(send(REMOTE))

        world.do = dawdle
        slower = send(REMOTE)

    assert faster[0].status_code == 201
    assert slower.content == faster[0].content
    assert world.runs[0] == world.runs[1]


def test_a_slow_failure_does_not_take_the_lease_of_who_resumed() -> None:
    with time_machine.travel(START, tick=False) as clock:
        middle: list[Any] = []

        def dawdle(run: int) -> None:
            if run == 1:
                clock.move_to(START + timedelta(seconds=61))
                send(REMOTE)
                raise Unavailable
            # The second run is under way: a third caller has to wait.
            middle.append(send(REMOTE).status_code)

        world.do = dawdle
        assert send(REMOTE).status_code == 503
        assert middle == [409]
        assert send(REMOTE)["Idempotent-Replayed"] == "true"
