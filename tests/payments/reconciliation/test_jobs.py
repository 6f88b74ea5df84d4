"""The jobs of the reconciliation, and what Prometheus is told of it"""

from datetime import date, timedelta
from typing import Any

import pytest

from legato_payments.lib import clock, jobs
from payments import tasks
from payments.gateways import base
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.models import AuditEntry, Difference, ReconciliationRun, SandboxLine
from payments.queries import gauges
from payments.services import reconciliation, reconciliation_again
from tests.factories import NOW
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

type Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The jobs that were sent, which no worker runs; and it is a day later."""
    monkeypatch.setattr(clock, "now", lambda: scenes.LATER)
    found: Sent = []
    for module in (jobs, reconciliation, reconciliation_again):
        monkeypatch.setattr(module, "enqueue", lambda job, **facts: found.append((job, facts)))
    return found


@pytest.fixture
def monthly_fee() -> SandboxLine:
    """9.90 USD that only the gateway knows."""
    return SandboxLine.objects.create(
        kind="FEE", source_id="monthly", gross_minor=-990, currency="USD", occurred_at=NOW
    )


def test_every_gateway_is_compared_over_three_days(sent: Sent) -> None:
    tasks.reconcile()

    days = {"provider": "SANDBOX", "first": "2026-10-31", "last": "2026-11-02"}
    assert sent == [("payments.reconcile_days", days)]


def test_a_job_compares_one_day_and_sends_the_next(sent: Sent, monthly_fee: SandboxLine) -> None:
    tasks.reconcile_days(provider="SANDBOX", first="2026-11-01", last="2026-11-02")

    run = ReconciliationRun.objects.get()
    assert (run.starts_at.date(), run.ends_at.date()) == (date(2026, 11, 1), date(2026, 11, 2))
    assert not Difference.objects.exists()
    [(job, rest)] = sent
    assert (job, rest["first"], rest["last"]) == (
        "payments.reconcile_days",
        "2026-11-02",
        "2026-11-02",
    )

    sent.clear()
    tasks.reconcile_days(**rest)

    assert sent == []
    assert scenes.only().kind == "MISSING_HERE"


def test_a_day_that_cannot_be_compared_does_not_keep_the_next_from_it(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise base.Ambiguous("cut short", gateway="SANDBOX")

    monkeypatch.setattr(SandboxGateway, "list_charges", fail)

    with pytest.raises(base.Ambiguous):
        tasks.reconcile_days(provider="SANDBOX", first="2026-11-01", last="2026-11-02")

    assert [rest["first"] for _, rest in sent] == ["2026-11-02"]


def test_a_job_steps_back_when_another_run_is_under_way(sent: Sent) -> None:
    ReconciliationRun.objects.create(
        provider="SANDBOX",
        starts_at=NOW,
        ends_at=scenes.LATER,
        actor="system:x",
        started_at=scenes.LATER,
        locked_until=scenes.LATER + timedelta(hours=1),
    )

    tasks.reconcile_days(provider="SANDBOX", first="2026-11-01", last="2026-11-02")

    assert sent == []
    assert ReconciliationRun.objects.count() == 1


def test_fetching_a_line_again_has_its_day_compared(sent: Sent, monthly_fee: SandboxLine) -> None:
    scenes.run()

    row = reconciliation_again.fetch_again(
        difference_id=scenes.only().pk, actor="staff:7", now=scenes.LATER
    )

    assert row.status == "OPEN"
    day = {"provider": "SANDBOX", "first": "2026-11-02", "last": "2026-11-02"}
    assert sent == [("payments.reconcile_days", day)]
    assert AuditEntry.objects.get(action="payments.difference.fetched").actor == "staff:7"


def test_prometheus_is_told_how_many_are_open(monthly_fee: SandboxLine) -> None:
    [breaks] = gauges.differences(scenes.LATER)
    [age] = gauges.reconciliation(scenes.LATER)
    assert set(breaks.values.values()) == {0}
    assert age.values == {(): 0}

    scenes.run()
    [breaks] = gauges.differences(scenes.LATER)
    [age] = gauges.reconciliation(scenes.LATER + timedelta(hours=2))

    assert breaks.name == "legato_reconciliation_breaks"
    assert breaks.values[(("kind", "missing_here"),)] == 1
    assert sum(breaks.values.values()) == 1
    assert age.values == {(): 7_200}
