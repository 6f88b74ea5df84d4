"""Runs: the same again changes nothing, a healthy month is silent, one at a time per gateway"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.base import Unavailable
from payments.gateways.sandbox import books as sandbox_books
from payments.gateways.sandbox import disputes as sandbox_disputes
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.sandbox import settlements
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import ChargeState, Window
from payments.models import (
    Difference,
    Purchase,
    ReconciliationDay,
    ReconciliationRun,
    SandboxCharge,
    SandboxLine,
    SandboxRefund,
)
from payments.services import differences, disputes, reconciliation, reconciliation_again
from tests import factories
from tests.factories import NOW
from tests.ledger import books
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

SILENT = {"payments_reconciliationrun", "payments_reconciliationday", "payments_difference"}
"""All that a second run over the same may write, and of differences only the day seen last."""


def monthly_fee(minor: int = 990) -> SandboxLine:
    """A line of the gateway's book that nothing of ours explains."""
    return SandboxLine.objects.create(
        kind="FEE", source_id="monthly", gross_minor=-minor, currency="USD", occurred_at=NOW
    )


def totals_of(day: date, currency: str = "USD") -> ReconciliationDay:
    """Both books of a day."""
    return ReconciliationDay.objects.get(day=day, currency=currency)


def test_a_second_run_makes_no_second_row() -> None:
    monthly_fee()
    first = scenes.run()
    [row] = Difference.objects.all()
    before = books.fingerprint()

    again = scenes.run(now=scenes.LATER + timedelta(hours=1))

    [same] = Difference.objects.all()
    assert (same.pk, same.first_seen_at) == (row.pk, row.first_seen_at)
    assert same.last_seen_at == scenes.LATER + timedelta(hours=1)
    assert [one.identity for one in again.open] == [one.identity for one in first.open]
    after = books.fingerprint()
    assert {table for table in after if after[table] != before[table]} <= SILENT


def test_what_is_gone_closes_by_itself() -> None:
    line = monthly_fee()
    scenes.run()
    line.delete()

    report = scenes.run()

    [row] = Difference.objects.all()
    assert (row.status, row.closing, row.closed_by) == ("CLOSED", "RESOLVED", "system:reconcile")
    assert (report.open, report.resolved) == ([], 1)


def test_what_comes_back_is_a_new_row() -> None:
    line = monthly_fee()
    scenes.run()
    SandboxLine.objects.filter(pk=line.pk).update(occurred_at=NOW - timedelta(days=200))
    scenes.run()
    SandboxLine.objects.filter(pk=line.pk).update(occurred_at=NOW)

    scenes.run()

    closings = Difference.objects.order_by("pk").values_list("closing", flat=True)
    assert list(closings) == ["RESOLVED", ""]


def test_an_explained_difference_that_shows_unchanged_stays_closed() -> None:
    monthly_fee()
    scenes.run()
    explain(scenes.only())

    report = scenes.run(now=scenes.LATER + timedelta(hours=1))

    row = scenes.only()
    assert (row.status, row.closing) == ("CLOSED", "EXPLAINED")
    assert row.last_seen_at == scenes.LATER + timedelta(hours=1)
    assert (report.open, report.explained) == ([], 1)
    day = totals_of(scenes.DAY)
    assert (day.difference_micros, day.elsewhere_micros) == (0, -9_900_000)


def test_an_explained_difference_that_changed_is_a_new_row() -> None:
    line = monthly_fee()
    scenes.run()
    explain(scenes.only())
    SandboxLine.objects.filter(pk=line.pk).update(gross_minor=-1_990)

    report = scenes.run()

    old, new = Difference.objects.order_by("pk")
    assert (old.closing, new.status) == ("EXPLAINED", "OPEN")
    assert (old.gap_micros, new.gap_micros) == (-9_900_000, -19_900_000)
    assert len(report.open) == 1


def test_an_open_difference_that_changed_says_so() -> None:
    line = monthly_fee()
    scenes.run()
    SandboxLine.objects.filter(pk=line.pk).update(gross_minor=-1_990)

    scenes.run()

    row = scenes.only()
    assert row.theirs is not None
    assert (row.gap_micros, row.theirs["gross"]) == (-19_900_000, "-19.90")
    [note] = row.notes.all()
    assert note.text == "One side changed since it was first found."


def test_a_difference_of_another_day_is_looked_at_again() -> None:
    purchase = scenes.sale()
    SandboxCharge.objects.filter(reference=purchase.reference).update(amount_minor=4_099)
    scenes.run()
    SandboxCharge.objects.filter(reference=purchase.reference).update(amount_minor=3_999)
    much_later = NOW + timedelta(days=60)

    report = scenes.run(now=much_later)

    assert report.window.start > NOW
    assert (report.resolved, scenes.only().closing) == (1, "RESOLVED")


def test_settlements_are_left_to_their_own_comparison() -> None:
    Difference.objects.create(
        provider="SANDBOX",
        day=scenes.DAY,
        subject="SETTLEMENT",
        kind="AMOUNT",
        key="sbs_1",
        fingerprint="x",
        ours={"amount": "1"},
        theirs={"amount": "2"},
        first_seen_at=NOW,
        last_seen_at=NOW,
    )

    scenes.run()

    assert scenes.only().status == "OPEN"


def test_a_healthy_month_prints_zero() -> None:
    for day in range(30):
        _a_day_of_traffic(NOW + timedelta(days=day), day)
    now = NOW + timedelta(days=31)
    window = reconciliation.window_of(now=now, first=scenes.DAY, last=now.date())

    report = scenes.run(now=now, window=window)

    assert report.open == []
    assert report.repaired == 0
    assert report.matched > 100
    assert {day.totals.unexplained for day in report.days} == {0}
    assert len({day.day for day in report.days}) >= 30
    # And day by day, as the jobs do it.
    for day in range(32):
        each = (NOW + timedelta(days=day)).date()
        alone = reconciliation.window_of(now=now, first=each, last=each)
        assert scenes.run(now=now, window=alone).open == []
    assert not Difference.objects.exists()


def _a_day_of_traffic(now: Any, day: int) -> None:
    """Sales, and now and then a refund, a slow refund, a dispute, its end, a transfer."""
    factories.rates(now)
    for number, currency in enumerate(("USD", "CAD", "NGN")):
        scenes.sale(f"reader-{number}", currency=currency, now=now + timedelta(minutes=number))
    if day % 3 == 0:
        scenes.refund(scenes.sale("refunded", now=now), now=now + timedelta(hours=1))
    if day % 5 == 0:
        slow = scenes.sale("slow", saved_method="pm_refund_pending", now=now)
        refund = scenes.refund(slow, now=now + timedelta(hours=2))
        if day % 10 == 0:
            sandbox_refunds.settle(refund_id=refund.gateway_id, now=now + timedelta(days=2))
            scenes.hear_of_refund(refund, now=now + timedelta(days=2, hours=13))
    if day % 7 == 0:
        row = scenes.dispute(scenes.sale("disputed", now=now), now=now + timedelta(days=1))
        if day % 14 == 0:
            sandbox_disputes.win(dispute_id=row.gateway_id, now=now + timedelta(days=3))
            state = SandboxGateway().get_dispute(gateway_id=row.gateway_id)
            assert state is not None
            disputes.apply(
                purchase_id=row.purchase_id, state=state, now=now + timedelta(days=3, hours=2)
            )
    if day % 6 == 0:
        settlements.make(now=now)


def test_a_day_adds_up_on_both_sides() -> None:
    # USD: two sales at 39.99 less 1.46, and one of them disputed for 39.99 and 15.00.
    scenes.run()

    usd, cad = totals_of(scenes.DAY), totals_of(scenes.DAY, "CAD")
    assert (usd.their_gross_micros, usd.their_fee_micros) == (39_990_000, 17_920_000)
    assert (usd.our_gross_micros, usd.our_fee_micros) == (39_990_000, 17_920_000)
    assert (usd.elsewhere_micros, usd.difference_micros) == (0, 0)
    assert usd.matched == 3
    assert (cad.their_gross_micros, cad.our_gross_micros) == (0, 0)


def test_what_is_on_its_way_stands_elsewhere() -> None:
    scenes.refund(scenes.sale("ann", saved_method="pm_refund_pending"))

    scenes.run()

    day = totals_of(scenes.DAY)
    assert (day.difference_micros, day.elsewhere_micros) == (0, -39_990_000)
    assert not Difference.objects.exists()


def test_an_open_difference_is_what_the_totals_differ_by() -> None:
    monthly_fee()
    purchase = scenes.sale()
    SandboxLine.objects.filter(source_id=factories.charge_of(purchase).pk).update(gross_minor=3_900)

    scenes.run()

    day = totals_of(scenes.DAY)
    assert day.difference_micros == -9_900_000 - 990_000
    assert day.elsewhere_micros == 0


def test_a_payment_opened_before_the_window_and_paid_in_it_is_found() -> None:
    purchase = factories.start_purchase("ann", now=NOW - timedelta(days=1))
    sandbox_books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)
    window = reconciliation.window_of(now=scenes.LATER, first=scenes.DAY, last=scenes.DAY)

    report = scenes.run(window=window)

    assert report.repaired == 1
    assert Purchase.objects.get(pk=purchase.pk).status == "SUCCEEDED"
    assert totals_of(scenes.DAY).difference_micros == 0


def test_a_list_older_than_our_row_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    purchase = factories.start_purchase("ann")
    old = factories.state_of(purchase)
    factories.pay(purchase)
    monkeypatch.setattr(SandboxGateway, "list_charges", lambda *_: iter([old]))

    report = scenes.run()

    assert report.open == []


def test_two_payments_listed_under_one_reference_are_one_credit_and_one_duplicate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purchase = scenes.paid_unheard("ann")
    real = SandboxGateway.list_charges

    def listed(self: SandboxGateway, window: Window) -> Iterator[ChargeState]:
        for state in real(self, window):
            if state.reference == purchase.reference:
                yield factories.state(purchase, gateway_id="sbx_twin", payment_id="sbx_twin")
            yield state

    monkeypatch.setattr(SandboxGateway, "list_charges", listed)

    report = scenes.run()

    assert [(one.subject, one.kind, one.key) for one in report.open] == [
        ("CHARGE", "DUPLICATE", "sbx_twin")
    ]
    assert Purchase.objects.get(pk=purchase.pk).status == "SUCCEEDED"


def test_a_gateway_that_does_not_answer_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    line = monthly_fee()
    scenes.run()
    line.delete()

    def silent(*_: object) -> Iterator[object]:
        raise Unavailable("connection refused", gateway="SANDBOX")

    monkeypatch.setattr(SandboxGateway, "list_refunds", silent)
    with pytest.raises(Unavailable):
        scenes.run()

    assert scenes.only().status == "OPEN"
    failed = ReconciliationRun.objects.get(status="FAILED")
    assert "connection refused" in failed.error
    monkeypatch.undo()
    assert scenes.run().resolved == 1


def test_a_gateway_is_compared_by_one_at_a_time() -> None:
    other = _running(until=scenes.LATER + timedelta(minutes=1))
    monthly_fee()

    with pytest.raises(reconciliation.AlreadyRunning):
        scenes.run()

    assert not Difference.objects.exists()
    assert list(ReconciliationRun.objects.all()) == [other]


def test_a_run_whose_worker_died_is_given_up_after_an_hour() -> None:
    other = _running(until=scenes.LATER)

    scenes.run()

    other.refresh_from_db()
    assert (other.status, other.error) == ("FAILED", "Its worker did not come back.")


def test_a_dry_run_waits_for_nobody() -> None:
    _running(until=scenes.LATER + timedelta(minutes=1))
    monthly_fee()

    report = scenes.run(is_dry_run=True)

    assert len(report.open) == 1
    assert not Difference.objects.exists()
    assert not ReconciliationDay.objects.exists()


def _running(*, until: Any) -> ReconciliationRun:
    return ReconciliationRun.objects.create(
        provider="SANDBOX",
        starts_at=NOW,
        ends_at=NOW + timedelta(days=1),
        actor="system:x",
        started_at=NOW,
        locked_until=until,
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ("10-31", "11-03T00:00")),
        ({"first": date(2026, 11, 1)}, ("11-01", "11-03T00:00")),
        ({"first": date(2026, 11, 3)}, ("11-03", "11-03T12:00")),
        ({"last": date(2026, 10, 20)}, ("10-20", "10-21T00:00")),
        ({"first": date(2026, 10, 1), "last": date(2026, 10, 2)}, ("10-01", "10-03T00:00")),
    ],
)
def test_days_are_whole_and_end_now_at_the_latest(
    asked: dict[str, date], expected: tuple[str, str]
) -> None:
    window = reconciliation.window_of(now=scenes.LATER, **asked)

    assert (f"{window.start:%m-%d}", f"{window.end:%m-%dT%H:%M}") == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"first": date(2026, 11, 2), "last": date(2026, 11, 1)},
        {"first": date(2026, 11, 4)},
        {"first": date(2025, 1, 1), "last": date(2026, 11, 1)},
    ],
)
def test_days_that_make_no_sense_are_refused(asked: dict[str, date]) -> None:
    with pytest.raises(reconciliation.WindowUnsound):
        reconciliation.window_of(now=scenes.LATER, **asked)

    assert not ReconciliationRun.objects.exists()


def test_fetching_again_closes_what_is_gone() -> None:
    purchase = scenes.sale()
    charge = SandboxCharge.objects.filter(reference=purchase.reference)
    charge.update(amount_minor=4_099)
    scenes.run()
    row = scenes.only()

    still = reconciliation_again.fetch_again(difference_id=row.pk, actor="staff:7", now=NOW)
    charge.update(amount_minor=3_999)
    gone = reconciliation_again.fetch_again(difference_id=row.pk, actor="staff:7", now=NOW)

    assert (still.status, gone.status, gone.closing) == ("OPEN", "CLOSED", "RESOLVED")
    with pytest.raises(differences.DifferenceClosed):
        reconciliation_again.fetch_again(difference_id=row.pk, actor="staff:7", now=NOW)


def test_fetching_again_repairs() -> None:
    purchase = scenes.paid_unheard("ann")
    charge = SandboxCharge.objects.filter(reference=purchase.reference)
    charge.update(amount_minor=3_998)
    scenes.run()
    charge.update(amount_minor=3_999)

    found = reconciliation_again.fetch_again(
        difference_id=scenes.only().pk, actor="staff:7", now=NOW
    )

    assert found.closing == "RESOLVED"
    assert Purchase.objects.get(pk=purchase.pk).status == "SUCCEEDED"


def test_fetching_a_refund_again_that_is_known_there_only() -> None:
    purchase = scenes.sale()
    scenes.refund(purchase)
    SandboxRefund.objects.create(
        id="sbr_more",
        key="sbr_more",
        charge=factories.charge_of(purchase),
        amount_minor=500,
        status="SUCCEEDED",
        created_at=NOW,
    )
    scenes.run()
    SandboxRefund.objects.filter(pk="sbr_more").update(status="FAILED")

    found = reconciliation_again.fetch_again(
        difference_id=scenes.only().pk, actor="staff:7", now=NOW
    )

    assert found.closing == "RESOLVED"


def explain(row: Difference) -> Difference:
    """Somebody knows what it is."""
    return differences.explain(
        difference_id=row.pk,
        code=Difference.Reason.OTHER,
        words="their monthly fee",
        actor="staff:7",
        now=NOW,
    )


def test_money_is_shown_in_its_currency() -> None:
    monthly_fee()

    [finding] = scenes.run(is_dry_run=True).open

    assert finding.gap == Money(-9_900_000, "USD")
