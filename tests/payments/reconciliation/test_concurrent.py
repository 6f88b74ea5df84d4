"""Two runs at once, and two people at once: one row for one thing, one credit for one payment"""

from datetime import timedelta

import pytest

from payments.gateways import registry
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import Window
from payments.models import (
    Difference,
    DifferenceNote,
    ReconciliationRun,
    SandboxLine,
    Transaction,
)
from payments.services import differences, reconciliation
from payments.services.reconciliation_findings import Finding, Kind, Subject
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 6


def plant() -> None:
    """Payments nobody heard of, and a line nobody explains."""
    for number in range(3):
        scenes.paid_unheard(f"ann-{number}")
    SandboxLine.objects.create(
        kind="FEE", source_id="monthly", gross_minor=-990, currency="USD", occurred_at=NOW
    )


def test_of_many_runs_one_does_it_and_the_others_are_told() -> None:
    plant()

    def work(_number: int) -> str:
        try:
            scenes.run()
        except reconciliation.AlreadyRunning:
            return "told"
        return "did it"

    with no_deadlocks():
        answers = Crowd(CROWD).run(work)

    # Who comes when another has finished runs once more, and finds it all done.
    assert answers.count("did it") >= 1
    assert Difference.objects.count() == 1
    assert [books_of.coins(f"ann-{number}") for number in range(3)] == [6_600] * 3
    assert ReconciliationRun.objects.filter(status="DONE").count() == answers.count("did it")
    assert not ReconciliationRun.objects.exclude(status="DONE").exists()
    books.assert_sound()


def test_runs_that_slipped_past_each_other_repair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plant()

    # As if the lease of each had passed when the next one began.
    def work(number: int) -> int:
        now = scenes.LATER + number * (reconciliation.LEASE + timedelta(minutes=1))
        window = reconciliation.window_of(now=scenes.LATER)
        try:
            report = scenes.run(now=now, window=window)
        except reconciliation.AlreadyRunning:
            return 0
        return report.repaired

    repaired = Crowd(CROWD).run(work)

    # Two who read the same payment may both believe that they credited it.
    assert sum(repaired) >= 3
    assert Difference.objects.count() == 1
    assert [books_of.coins(f"ann-{number}") for number in range(3)] == [6_600] * 3
    assert Transaction.objects.filter(kind="COIN_PURCHASE").count() == 3
    books.assert_sound()


def test_the_same_finding_at_once_is_one_row() -> None:
    finding = Finding(
        subject=Subject.LEDGER_LINE,
        kind=Kind.MISSING_HERE,
        key="line-1",
        day=scenes.DAY,
        ours=None,
        theirs={"gross": "1.00"},
    )

    answers = Crowd(CROWD).run(
        lambda _number: differences.record(finding, provider="SANDBOX", now=NOW)
    )

    assert answers == [True] * CROWD
    assert Difference.objects.count() == 1


def test_of_many_who_close_one_difference_one_does() -> None:
    plant()
    scenes.run()
    row = Difference.objects.get()

    def work(number: int) -> bool:
        try:
            differences.explain(
                difference_id=row.pk,
                code=Difference.Reason.OTHER,
                words="known",
                actor=f"staff:{number}",
                now=NOW,
            )
        except differences.DifferenceClosed:
            return False
        return True

    assert Crowd(CROWD).run(work).count(True) == 1
    assert DifferenceNote.objects.count() == 1


def test_no_transaction_is_open_while_the_gateway_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant()
    asked: list[str] = []
    for name in ("list_charges", "list_refunds", "list_disputes", "ledger"):
        real = getattr(SandboxGateway, name)

        def page(
            self: SandboxGateway, window: Window, real: object = real, name: str = name
        ) -> object:
            for row in real(self, window):  # type: ignore[operator]
                # The registry looks at every call, and here at every page of a list.
                registry.assert_outside_transaction()
                asked.append(name)
                yield row

        monkeypatch.setattr(SandboxGateway, name, page)

    scenes.run()

    assert {"list_charges", "ledger"} <= set(asked)
