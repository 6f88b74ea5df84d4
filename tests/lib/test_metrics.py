"""GET /metrics: what all processes counted, and figures read from the database"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.test import Client
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from legato_payments.lib import gauges, metrics_files
from legato_payments.lib.api import tokens
from legato_payments.lib.gauges import Gauge, Reading, Readings
from legato_payments.lib.metrics import JOBS
from payments.ledger import sealing
from payments.models import Attempt, CoinBalance, CoinLot, OutboxEvent, Unsealed
from payments.queries.gauges import READINGS
from payments.tasks import sweep
from tests import databases, factories, money_back
from tests.clients import PAYMENTS, api
from tests.conventions.sources import ROOT
from tests.factories import NOW, READER
from tests.ledger import books

pytestmark = pytest.mark.django_db

STRANGER: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}

COUNTING = """
import sys
from legato_payments.lib.metrics import RATE_LIMITED
for line in sys.stdin:
    RATE_LIMITED.labels(policy=line.strip()).inc()
    print("counted", flush=True)
"""

FORKING = """
import os
from legato_payments.lib.metrics import RATE_LIMITED
RATE_LIMITED.labels(policy="read").inc()
children = [os.fork() for _ in range(1)]
RATE_LIMITED.labels(policy="read").inc()
if 0 in children:
    os._exit(0)
os.waitpid(children[0], 0)
"""


def scrape(**extra: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the answer, by name and labels."""
    response = Client().get("/metrics", **extra)
    assert response.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float | None:
    """One sample, or nothing."""
    return scrape().get((name, tuple(sorted(labels.items()))))


def counted(name: str, **labels: str) -> float:
    """What this process has counted, without asking for /metrics."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Counter:
    """A process that counts when told to."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, metrics_files.VARIABLE: str(folder)},
        )

    def count(self, policy: str = "read") -> None:
        """Count one, and return when it is counted."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{policy}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "counted\n"

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class TestSeveralProcesses:
    @pytest.fixture
    def shared(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The folder where processes count together; this one reads it."""
        folder = tmp_path / "metrics"
        folder.mkdir()
        monkeypatch.setenv(metrics_files.VARIABLE, str(folder))
        return folder

    @pytest.fixture
    def processes(self, shared: Path) -> Iterator[list[Counter]]:
        """Two at once, as web and worker are."""
        started = [Counter(shared), Counter(shared)]
        yield started
        for counter in started:
            counter.kill()

    def test_one_answer_has_the_counts_of_all(self, processes: list[Counter]) -> None:
        web, worker = processes
        web.count()
        worker.count()
        worker.count()
        worker.count("money")

        assert value("legato_rate_limited_total", policy="read") == 3
        assert value("legato_rate_limited_total", policy="money") == 1

    def test_whoever_follows_a_killed_process_goes_on_counting(
        self, shared: Path, processes: list[Counter]
    ) -> None:
        web, worker = processes
        web.count()
        worker.count()

        for _ in range(3):
            worker.kill()
            assert value("legato_rate_limited_total", policy="read") is not None
            processes.append(worker := Counter(shared))
            worker.count()

        assert value("legato_rate_limited_total", policy="read") == 5
        # As many files as there were processes at once.
        assert len(list(shared.glob("counter_*.db"))) == 2

    def test_a_forked_child_counts_for_itself(self, shared: Path) -> None:
        env = {**os.environ, metrics_files.VARIABLE: str(shared)}

        subprocess.run([sys.executable, "-c", FORKING], env=env, check=True)

        assert value("legato_rate_limited_total", policy="read") == 3

    def test_the_folder_is_made_when_it_is_not_there(self, tmp_path: Path) -> None:
        folder = tmp_path / "not" / "yet"
        counter = Counter(folder)

        counter.count()
        counter.kill()

        assert list(folder.glob("counter_*.db"))


class TestRequests:
    NAME = "legato_http_request_duration_seconds_count"

    def routes(self) -> set[str]:
        found = scrape()
        return {dict(labels)["route"] for name, labels in found if name == self.NAME}

    def test_an_id_in_the_path_makes_no_series(self) -> None:
        api(user="reader-0").get(f"{PAYMENTS}/users/reader-0/balance")
        Client().get("/nothing/0")
        Client().get("/api/v1/nothing/0")
        Client().get("/metrics")
        before = self.routes()

        for number in range(1, 10):
            api(user=f"reader-{number}").get(f"{PAYMENTS}/users/reader-{number}/balance")
            Client().get(f"/nothing/{number}")
            Client().get(f"/api/v1/nothing/{number}")

        assert self.routes() == before
        assert "/api/v1/payments/users/{user_id}/balance" in before
        assert "unmatched" in before

    def test_every_answer_is_measured(self) -> None:
        labels = {"method": "GET", "route": "/livez", "status": "200"}
        before = counted(self.NAME, **labels)

        Client().get("/livez")

        assert counted(self.NAME, **labels) == before + 1

    def test_an_invented_method_is_other(self) -> None:
        for number in range(5):
            Client().generic(f"M{number}", "/livez")

        found = scrape()
        methods = {dict(labels)["method"] for name, labels in found if name == self.NAME}
        assert methods <= {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"}


class TestCounts:
    def test_a_keyed_request_by_its_result(self) -> None:
        factories.buy_coins()
        factories.put_content("chapter-4", price=10)
        factories.put_content("chapter-5", price=10)
        name, reader = "legato_idempotency_total", api(user=READER)
        results = ("executed", "replayed", "reused")
        before = [counted(name, result=result) for result in results]
        url = f"{PAYMENTS}/users/{READER}/spend-coins"

        reader.keyed(url, {"content_id": "chapter-4"}, key="a")
        reader.keyed(url, {"content_id": "chapter-4"}, key="a")
        reader.keyed(url, {"content_id": "chapter-5"}, key="a")

        after = [counted(name, result=result) for result in results]
        assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]

    def test_a_job_by_its_result(self) -> None:
        before = counted("legato_jobs_total", job="payments.sweep", result="success")

        sweep.apply()

        after = counted("legato_jobs_total", job="payments.sweep", result="success")
        assert after == before + 1
        assert JOBS._labelnames == ("job", "result")

    def test_a_call_to_a_gateway_takes_time(self) -> None:
        labels = {"gateway": "sandbox", "operation": "create_charge"}
        name = "legato_gateway_request_duration_seconds_count"
        before = counted(name, **labels)

        factories.start_purchase()

        assert counted(name, **labels) == before + 1


class TestFigures:
    def test_books_in_order_show_zeros(self) -> None:
        factories.buy_coins()
        sealing.seal_all(now=NOW)

        for unit in ("USD", "CAD", "NGN", "COIN"):
            assert value("legato_ledger_imbalance_micros", unit=unit) == 0
        for name in (
            "legato_coins_deferred_drift_micros",
            "legato_coins_issued_drift_coins",
            "legato_ledger_unsealed_rows",
            "legato_ledger_unsealed_oldest_seconds",
            "legato_webhook_lag_seconds",
        ):
            assert value(name) == 0, name

    def test_what_waits_for_its_seal_is_counted(self) -> None:
        factories.buy_coins()
        waiting = Unsealed.objects.count()
        assert waiting

        assert value("legato_ledger_unsealed_rows") == waiting
        oldest = value("legato_ledger_unsealed_oldest_seconds")
        assert oldest is not None
        assert oldest > 0

    @pytest.mark.parametrize("is_sealed", [False, True])
    def test_a_lot_that_is_worth_something_else_shows(self, is_sealed: bool) -> None:
        factories.buy_coins()
        if is_sealed:
            sealing.seal_all(now=NOW)
        assert value("legato_coins_deferred_drift_micros") == 0

        CoinLot.objects.update(value_micros=F("value_micros") + 7)

        assert value("legato_coins_deferred_drift_micros") == -7

    @pytest.mark.parametrize("is_sealed", [False, True])
    def test_a_wallet_that_holds_more_than_the_books_say_shows(self, is_sealed: bool) -> None:
        factories.buy_coins()
        frozen = books.give(30, user_id="reader-2")
        books.freeze(frozen)
        if is_sealed:
            sealing.seal_all(now=NOW)
        assert value("legato_coins_issued_drift_coins") == 0

        CoinBalance.objects.filter(user_id="reader-2").update(held=F("held") + 7)

        assert value("legato_coins_issued_drift_coins") == -7
        assert value("legato_coins_deferred_drift_micros") == 0

    def test_coins_that_were_used_are_taken_into_account(self) -> None:
        factories.buy_coins()
        factories.put_content("chapter-4", price=10)
        url = f"{PAYMENTS}/users/{READER}/spend-coins"
        assert api(user=READER).keyed(url, {"content_id": "chapter-4"}).status_code == 201

        assert value("legato_coins_deferred_drift_micros") == 0
        assert value("legato_coins_issued_drift_coins") == 0

    @pytest.mark.django_db(transaction=True)
    def test_an_entry_that_was_changed_shows(self) -> None:
        factories.buy_coins()
        alter = "ALTER TABLE payments_entry {} TRIGGER payments_entry_balanced"

        with databases.connect(connection.settings_dict["NAME"]) as superuser:
            superuser.execute("ALTER TABLE payments_entry DISABLE TRIGGER USER")
            superuser.execute(
                "UPDATE payments_entry SET amount = amount + 3 WHERE unit = 'USD' AND amount > 0"
                " AND id = (SELECT max(id) FROM payments_entry WHERE unit = 'USD' AND amount > 0)"
            )
            superuser.execute("ALTER TABLE payments_entry ENABLE TRIGGER USER")
            superuser.execute(alter.format("ENABLE ALWAYS"))

        assert value("legato_ledger_imbalance_micros", unit="USD") == 3
        assert value("legato_ledger_imbalance_micros", unit="COIN") == 0

    def test_events_without_a_number_are_counted(self) -> None:
        before = value("legato_outbox_pending") or 0

        OutboxEvent.objects.create(
            type="payments.purchase.settled", subject=READER, payload={}, occurred_at=NOW
        )

        assert value("legato_outbox_pending") == before + 1
        assert value("legato_outbox_oldest_seconds") is not None

    def test_a_figure_that_cannot_be_read_is_missing_and_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_now: object) -> list[Gauge]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing")
            return []

        monkeypatch.setitem(gauges._readings, "outbox", Reading(fail))

        assert value("legato_outbox_pending") is None
        assert value("legato_gauge_up", reading="outbox") == 0
        assert value("legato_gauge_up", reading="unsealed") == 1
        assert value("legato_ledger_unsealed_rows") == 0

    def test_without_the_database_the_counts_are_still_answered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise OperationalError("the server is away")

        monkeypatch.setattr(gauges, "atomic", away)

        found = scrape()

        assert {found[name] for name in found if name[0] == "legato_gauge_up"} == {0.0}
        assert any(name == "legato_http_request_duration_seconds_count" for name, _ in found)

    def test_the_database_is_read_once_in_a_while(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.METRICS_CACHE_SECONDS = 5
        now = [0.0]
        asked: list[tuple[float, str]] = []

        def reading(name: str, patience: int) -> Reading:
            def read(_now: object) -> list[Gauge]:
                asked.append((now[0], name))
                return []

            return Reading(read, patience)

        several = {"often": reading("often", 1), "seldom": reading("seldom", 12)}
        monkeypatch.setattr(gauges, "_readings", several)
        readings = Readings(clock=lambda: now[0])

        for seconds in (0, 4, 5, 9, 11, 59, 60):
            now[0] = seconds
            readings.read(NOW)

        assert asked[:2] == [(0, "often"), (0, "seldom")]
        assert asked[2:] == [(5, "often"), (11, "often"), (59, "often"), (60, "seldom")]

    def test_a_scrape_takes_few_queries(self, django_assert_max_num_queries: Any) -> None:
        # One each, with its time limit and its savepoint.
        with django_assert_max_num_queries(4 * len(READINGS)):
            scrape()


class TestWork:
    """What waits for finance."""

    def test_counts_what_a_person_has_to_look_at(self) -> None:
        stuck = money_back.paid_with(factories.buy_coins(), "pm_refund_attention")
        refund = money_back.pay_back(stuck, "1.00")
        Attempt.objects.exclude(operation="refund").delete()
        Attempt.objects.update(state=Attempt.State.UNKNOWN)
        case = money_back.dispute(factories.buy_coins("reader-2"))

        found = work_at(case.opened_at + timedelta(days=12))

        assert found == {
            "legato_disputes_open": 1,
            "legato_disputes_due_soon": 1,
            "legato_refunds_awaiting_finance": 1,
            "legato_gateway_attempts_unresolved": 1,
            "legato_gateway_attempts_awaiting_finance": 1,
            "legato_clearing_account_age_seconds refund_in_flight": 12 * 86_400,
            "legato_clearing_account_age_seconds dispute_hold": 12 * 86_400,
        }
        assert refund.status == "NEEDS_ATTENTION"

    def test_nothing_waits_once_all_is_over(self) -> None:
        money_back.pay_back(factories.buy_coins(), "1.00")
        money_back.lose(money_back.dispute(factories.buy_coins("reader-2")))

        assert set(work_at(NOW + timedelta(days=30)).values()) == {0}


def work_at(now: datetime) -> dict[str, float]:
    """The figures of what waits for finance, by name and account."""
    return {
        " ".join([gauge.name, *(value for _, value in labels)]): figure
        for name in ("disputes", "refunds", "attempts", "clearing")
        for gauge in READINGS[name].read(now)
        for labels, figure in gauge.values.items()
    }


class TestAccess:
    def test_the_answer_is_plain_text_that_nobody_keeps(self) -> None:
        response = Client().get("/metrics")

        assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "no-store" in response["Cache-Control"]

    def test_strangers_are_refused(self) -> None:
        response = Client().get("/metrics", **STRANGER)

        assert response.status_code == 403
        assert response.json()["code"] == "forbidden"
        assert b"legato_" not in response.content

    def test_so_is_whoever_comes_through_a_proxy(self) -> None:
        assert Client().get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 403

    def test_a_service_with_the_scope_may_read_from_anywhere(self) -> None:
        token = tokens.issue("service:prometheus", scopes=["metrics:read"])

        assert scrape(headers={"authorization": f"Bearer {token}"}, **STRANGER)

    @pytest.mark.parametrize(
        ("subject", "scopes"),
        [("service:prometheus", ["events:read"]), ("reader-1", ["metrics:read"])],
    )
    def test_without_it_nobody_may(self, subject: str, scopes: list[str]) -> None:
        token = tokens.issue(subject, scopes=scopes)
        headers = {"authorization": f"Bearer {token}"}

        assert Client().get("/metrics", headers=headers, **STRANGER).status_code == 403

    @pytest.mark.parametrize("header", ["Bearer a.b.c", "Bearer", "Basic eDp5"])
    def test_nor_with_a_bad_token(self, header: str) -> None:
        headers = {"authorization": header}

        assert Client().get("/metrics", headers=headers, **STRANGER).status_code == 403

    def test_nothing_can_be_posted(self) -> None:
        assert Client().post("/metrics").status_code == 405


class TestDocuments:
    def published(self) -> set[str]:
        """The names of everything we publish."""
        text = Client().get("/metrics").content.decode()
        names = set(re.findall(r"^# TYPE (legato_\w+)", text, re.MULTILINE))
        return {name for name in names if not name.endswith("_created")}

    def test_the_table_has_every_metric_and_no_other(self) -> None:
        table = (ROOT / "docs/operations.md").read_text()

        assert set(re.findall(r"^\| `(legato_\w+)", table, re.MULTILINE)) == self.published()

    def test_alerts_watch_what_there_is(self) -> None:
        rules = (ROOT / "deploy/prometheus-rules.yml").read_text()

        watched = {
            re.sub("_(bucket|count)$", "", name)
            for expr in re.findall(r"expr: (?:>\n(?: {10,}.*\n)+|.*)", rules)
            for name in re.findall(r"legato_\w+", expr)
        }

        assert len(watched) > 10
        assert watched <= self.published()
