"""Events: told with the change, numbered once and in order, read by services"""

import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.transaction import atomic, set_rollback
from django.test.utils import CaptureQueriesContext
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from access.services import content, reversals, tips
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import outbox, tasks
from payments.api import events as api_events
from payments.models import OutboxEvent
from payments.outbox import EventType
from payments.services import events, purchase_outcomes, wallets
from tests import databases, factories
from tests.clients import ApiClient, api
from tests.concurrency.threads import Crowd
from tests.factories import NOW, READER

EVENTS = "/api/v1/events"


def tell(number: int = 0, *, who: str = READER) -> None:
    """One event with a number in it, committed by itself unless a transaction is open."""
    outbox.emit(
        type=EventType.BALANCE_CHANGED, subject=who, payload={"number": number}, occurred_at=NOW
    )


def told() -> list[tuple[str, str]]:
    """Type and subject of every event, in the order of telling."""
    return list(OutboxEvent.objects.order_by("id").values_list("type", "subject"))


def payload(kind: EventType) -> dict[str, Any]:
    """The payload of the one event of a type."""
    found: dict[str, Any] = OutboxEvent.objects.get(type=kind).payload
    return found


def stream() -> list[tuple[int | None, str, int]]:
    """Sequence, subject and number of every published event, in order."""
    published = OutboxEvent.objects.filter(sequence__isnull=False).order_by("sequence")
    return list(published.values_list("sequence", "subject", "payload__number"))


def reader() -> ApiClient:
    """A service that may read events."""
    return api(service="analytics", scopes=["events:read"])


def forget() -> None:
    """As if nothing had been told so far."""
    OutboxEvent.objects.all().delete()


def publish_and_die() -> None:
    """A publisher that has numbered events and loses its connection before the commit."""
    number = events._publish_batch.__wrapped__  # type: ignore[attr-defined]
    with suppress(OperationalError), atomic():
        number(NOW)
        backend = connection.connection.info.backend_pid
        with databases.connect("postgres") as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
        tell()
    connection.close()


@pytest.mark.django_db
class TestTelling:
    def test_an_event_is_undone_with_the_change_it_tells_of(self) -> None:
        factories.put_content("chapter-4")
        factories.buy_coins()
        before = told()

        with atomic():
            content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
            assert len(told()) == len(before) + 3
            set_rollback(True)

        assert told() == before

    def test_a_refusal_tells_nothing(self) -> None:
        factories.put_content("chapter-4")

        with pytest.raises(wallets.InsufficientCoins):
            content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

        assert told() == []

    def test_a_purchase_that_is_settled_twice_is_told_once(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        purchase_outcomes.settle(purchase_id=purchase.pk, state=factories.state(purchase), now=NOW)

        assert told() == [
            ("payments.purchase.settled", READER),
            ("payments.balance.changed", READER),
        ]
        settled = payload(EventType.PURCHASE_SETTLED)
        assert settled["transaction_id"] == str(purchase.pk)
        assert settled["coins"] == 100
        assert settled["total"] == Money(purchase.total_micros, "USD").to_json()
        assert payload(EventType.BALANCE_CHANGED) == {
            "user_id": READER,
            "coins": 100,
            "purchased_coins": 100,
            "promo_coins": 0,
            "held_coins": 0,
            "transaction_id": str(purchase.pk),
        }

    def test_a_refused_purchase_is_told_without_the_gateways_reason(self) -> None:
        purchase = factories.start_purchase()
        purchase_outcomes.fail(purchase.pk, "insufficient_funds", now=NOW)
        purchase_outcomes.fail(purchase.pk, "insufficient_funds", now=NOW)

        assert told() == [("payments.purchase.failed", READER)]
        assert payload(EventType.PURCHASE_FAILED)["reason"] == "failed"
        assert "insufficient_funds" not in str(payload(EventType.PURCHASE_FAILED))

    def test_a_purchase_that_nobody_paid_is_told_as_failed(self) -> None:
        purchase_outcomes.expire(factories.start_purchase().pk, now=NOW)

        assert payload(EventType.PURCHASE_FAILED)["reason"] == "expired"

    def test_a_quarantined_purchase_is_told_to_nobody(self) -> None:
        purchase = factories.start_purchase()
        other = factories.state(purchase, amount=Money(1_000_000, "USD"))

        settled = purchase_outcomes.settle(purchase_id=purchase.pk, state=other, now=NOW)

        assert settled.status == "QUARANTINED"
        assert told() == []

    def test_a_sale_is_told_to_reader_and_writers_in_one_statement(self) -> None:
        factories.put_content("chapter-4", price=33, shares={"ann": 6_000, "bob": 4_000})
        factories.buy_coins(name="Starter Pack")
        forget()

        with CaptureQueriesContext(connection) as queries:
            sale = content.buy(
                user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1"
            )

        assert len(queries) == 1
        assert told() == [
            ("payments.balance.changed", READER),
            ("access.entitlement.granted", READER),
            ("revenue.earning.accrued", "ann"),
            ("revenue.earning.accrued", "bob"),
        ]
        assert payload(EventType.BALANCE_CHANGED)["coins"] == 67
        causes = {event.payload["transaction_id"] for event in OutboxEvent.objects.all()}
        assert causes == {str(sale.entitlement.transaction_id)}

    def test_a_chapter_owned_already_tells_nothing(self) -> None:
        factories.put_content("chapter-4")
        factories.buy_coins()
        content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
        forget()

        content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

        assert told() == []

    def test_a_tip_is_told_to_sender_and_recipient(self) -> None:
        factories.put_content("chapter-4", shares={"ann": 10_000})
        factories.buy_coins(name="Starter Pack")
        forget()

        tips.send(sender_id=READER, recipient_id="ann", coins=20, now=NOW, actor="user:reader-1")

        assert told() == [("payments.balance.changed", READER), ("revenue.earning.accrued", "ann")]
        assert payload(EventType.EARNING_ACCRUED)["stream"] == "tip"
        assert payload(EventType.EARNING_ACCRUED)["content_id"] is None

    def test_a_sale_taken_back_is_told_as_the_mirror_of_the_sale(self) -> None:
        factories.put_content("chapter-4", price=33, shares={"ann": 10_000})
        factories.buy_coins(name="Starter Pack")
        sale = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
        earned = payload(EventType.EARNING_ACCRUED)["amount"]["amount"]
        sold = sale.entitlement.transaction_id
        assert sold is not None
        forget()

        reversal_id = reversals.reverse(
            transaction_id=sold, actor="staff:1", reason="mistake", now=NOW
        )

        assert told() == [
            ("payments.balance.changed", READER),
            ("access.entitlement.revoked", READER),
            ("revenue.earning.reversed", "ann"),
        ]
        assert payload(EventType.BALANCE_CHANGED)["coins"] == 100
        assert payload(EventType.ENTITLEMENT_REVOKED)["entitlement_id"] == str(sale.entitlement.pk)
        taken_back = payload(EventType.EARNING_REVERSED)
        assert taken_back["amount"]["amount"] == f"-{earned}"
        assert taken_back["transaction_id"] == str(reversal_id)
        assert taken_back["reversed_transaction_id"] == str(sold)

    def test_an_event_keeps_the_trace_of_the_request(self) -> None:
        with bound_contextvars(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
            tell()

        assert OutboxEvent.objects.get().trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.django_db(transaction=True)
class TestNumbers:
    def test_go_on_from_one_run_to_the_next(self) -> None:
        tell(1)
        tell(2)
        assert events.publish(now=NOW) == 2
        assert events.publish(now=NOW) == 0
        tell(3)

        tasks.publish_events()

        assert stream() == [(1, READER, 1), (2, READER, 2), (3, READER, 3)]
        assert OutboxEvent.objects.filter(published_at=NOW).count() == 2

    def test_are_given_in_batches_and_the_rest_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events, "BATCH", 3)
        monkeypatch.setattr(events, "MAX_BATCHES", 2)
        for number in range(8):
            tell(number)

        with capture_logs() as logs:
            assert (events.publish(now=NOW), events.publish(now=NOW)) == (6, 2)

        assert [log["event"] for log in logs] == ["events_backlog"]
        assert stream() == [(number + 1, READER, number) for number in range(8)]

    def test_follow_the_transactions_and_not_the_clocks_of_hosts(self) -> None:
        ahead, behind = sorted([uuid7(), uuid7()], reverse=True)
        for number, key in enumerate([ahead, behind]):
            OutboxEvent.objects.create(
                id=key, type="x", subject=READER, payload={"number": number}, occurred_at=NOW
            )

        events.publish(now=NOW)

        assert stream() == [(1, READER, 0), (2, READER, 1)]

    def test_of_what_commits_late_come_late(self) -> None:
        crowd = Crowd(2)

        def work(number: int) -> None:
            if number == 0:
                with atomic():
                    tell(who="late")
                    crowd.gather()
                    crowd.gather()
            else:
                crowd.gather()
                tell(who="early")
                assert events.publish(now=NOW) == 1
                crowd.gather()

        crowd.run(work)
        assert events.publish(now=NOW) == 1

        assert [(sequence, who) for sequence, who, _ in stream()] == [(1, "early"), (2, "late")]

    def test_of_a_publisher_that_died_are_given_again(self) -> None:
        tell(1)
        tell(2)

        publish_and_die()

        assert stream() == []
        assert events.publish(now=NOW) == 2
        assert stream() == [(1, READER, 1), (2, READER, 2)]

    def test_are_given_by_one_publisher_at_a_time(self) -> None:
        tell()
        crowd = Crowd(2)

        def work(number: int) -> int:
            if number == 0:
                with atomic():
                    count: int = events._publish_batch.__wrapped__(NOW)  # type: ignore[attr-defined]
                    crowd.gather()
                    crowd.gather()
                return count
            crowd.gather()
            count = events.publish(now=NOW)
            crowd.gather()
            return count

        assert crowd.run(work) == [1, 0]

    def test_have_no_gap_and_no_twin_with_four_publishers_at_once(self) -> None:
        crowd = Crowd(8)

        def work(number: int) -> int:
            if number < 4:
                for turn in range(20):
                    tell(turn, who=f"w{number}")
                return 0
            return sum(events.publish(now=NOW) for _ in range(20))

        counts = crowd.run(work)
        last = events.publish(now=NOW)

        assert sum(counts) + last == 80
        self._assert_gapless_and_ordered(writers=4, turns=20)

    def test_have_no_gap_with_eight_writers_and_a_publisher_that_keeps_dying(self) -> None:
        writers, turns = 8, 15
        crowd = Crowd(writers + 1)
        done = threading.Semaphore(0)

        def write(number: int) -> None:
            for turn in range(turns):
                with atomic():
                    tell(turn, who=f"w{number}")
                    # Some commit at once, some later than others that began after them.
                    time.sleep(0.003 * (number % 3))
                with suppress(ZeroDivisionError), atomic():
                    tell(-1, who="undone")
                    _ = 1 / 0
            done.release()

        def publish(_number: int) -> None:
            finished = 0
            while finished < writers:
                events.publish(now=NOW)
                publish_and_die()
                finished += done.acquire(timeout=0.01)

        crowd.run(lambda number: write(number) if number < writers else publish(number))
        events.publish(now=NOW)

        self._assert_gapless_and_ordered(writers=writers, turns=turns)

    def _assert_gapless_and_ordered(self, *, writers: int, turns: int) -> None:
        published = stream()
        assert [sequence for sequence, _, _ in published] == list(range(1, writers * turns + 1))
        for writer in range(writers):
            mine = [number for _, who, number in published if who == f"w{writer}"]
            assert mine == list(range(turns))


@pytest.mark.django_db
class TestReading:
    def test_gives_cloud_events(self) -> None:
        with bound_contextvars(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
            tell(7)
        events.publish(now=NOW)

        response = reader().get(EVENTS)

        assert response.status_code == 200
        assert response.json() == {
            "events": [
                {
                    "specversion": "1.0",
                    "id": str(OutboxEvent.objects.get().pk),
                    "source": settings.PUBLIC_URL,
                    "type": "com.legato.payments.balance.changed.v1",
                    "subject": READER,
                    "time": "2026-11-02T12:00:00Z",
                    "datacontenttype": "application/json",
                    "sequence": "0000000000000000001",
                    "traceid": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "data": {"number": 7},
                }
            ],
            "next_after": 1,
        }

    def test_shows_each_event_once_page_by_page(self) -> None:
        for number in range(25):
            tell(number)
        events.publish(now=NOW)

        sizes, seen, after = [], [], 0
        for _ in range(4):
            answer = reader().get(EVENTS, {"after": after, "limit": 10}).json()
            sizes.append(len(answer["events"]))
            seen += [event["data"]["number"] for event in answer["events"]]
            after = answer["next_after"]

        assert sizes == [10, 10, 5, 0]
        assert seen == list(range(25))
        assert after == 25

    def test_takes_a_sequence_as_events_write_it(self) -> None:
        tell(1)
        tell(2)
        events.publish(now=NOW)
        first = reader().get(EVENTS, {"limit": 1}).json()["events"][0]["sequence"]

        answer = reader().get(EVENTS, {"after": first}).json()

        assert [event["data"]["number"] for event in answer["events"]] == [2]

    def test_gives_a_hundred_unless_told_otherwise(self) -> None:
        for number in range(101):
            tell(number)
        events.publish(now=NOW)

        assert len(reader().get(EVENTS).json()["events"]) == 100
        assert len(reader().get(EVENTS, {"limit": 1_000}).json()["events"]) == 101

    def test_shows_nothing_that_has_no_number_yet(self) -> None:
        tell()

        assert reader().get(EVENTS).json() == {"events": [], "next_after": 0}

    @pytest.mark.parametrize(
        "query",
        [{"after": "-1"}, {"after": "9" * 19}, {"limit": "0"}, {"limit": "1001"}, {"wait": "21"}],
    )
    def test_refuses_what_is_out_of_range(self, query: dict[str, str]) -> None:
        response = reader().get(EVENTS, query)

        assert response.status_code == 400
        assert response.json()["errors"][0]["pointer"] == f"?{next(iter(query))}"

    @pytest.mark.parametrize(
        "caller",
        [
            {"user": READER},
            {"user": READER, "scopes": ["events:read"]},
            {"service": "content", "scopes": ["catalog:write", "access:read"]},
        ],
    )
    def test_needs_the_scope_of_a_service(self, caller: dict[str, Any]) -> None:
        assert api(**caller).get(EVENTS).status_code == 403
        assert api().get(EVENTS).status_code == 401


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    def test_ends_as_soon_as_something_is_published(self) -> None:
        crowd = Crowd(2)

        def work(number: int) -> Any:
            if number == 1:
                time.sleep(0.3)
                tell(7)
                return events.publish(now=NOW)
            started = time.monotonic()
            answer = reader().get(EVENTS, {"wait": 20}).json()
            return answer, time.monotonic() - started

        (answer, seconds), _ = crowd.run(work)

        assert [event["data"]["number"] for event in answer["events"]] == [7]
        assert seconds < 10

    def test_keeps_no_database_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        held: list[Any] = []

        def pause(_seconds: float) -> None:
            held.append(connection.connection)
            if len(held) == 3:
                tell()
                events.publish(now=NOW)

        monkeypatch.setattr(time, "sleep", pause)

        answer = reader().get(EVENTS, {"wait": 20}).json()

        assert len(answer["events"]) == 1
        assert held == [None, None, None]

    def test_ends_with_nothing_when_nothing_happens(self) -> None:
        started = time.monotonic()

        answer = reader().get(EVENTS, {"after": 5, "wait": 1}).json()

        assert answer == {"events": [], "next_after": 5}
        assert time.monotonic() - started >= 1

    def test_does_not_begin_when_something_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "sleep", pytest.fail)
        tell()
        events.publish(now=NOW)

        assert len(reader().get(EVENTS, {"wait": 20}).json()["events"]) == 1

    def test_is_for_a_few_at_a_time_and_gives_its_place_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_events, "_places", threading.BoundedSemaphore(1))
        monkeypatch.setattr(api_events, "POLL_SECONDS", 0.1)
        crowd = Crowd(3)

        def work(number: int) -> str:
            started = time.monotonic()
            reader().get(EVENTS, {"wait": 2})
            return "waited" if time.monotonic() - started >= 2 else "at once"

        assert sorted(crowd.run(work)) == ["at once", "at once", "waited"]
        assert api_events._places.acquire(blocking=False)
