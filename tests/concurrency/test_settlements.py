"""Settlements and statements told by many at once: posted once, kept once, matched once"""

from collections import Counter

import pytest

from payments.gateways.values import SettlementStatus
from payments.ledger import invariants, sealing
from payments.models import BankReceipt, BankStatement, Settlement, Transaction
from payments.services import bank_receipts, bank_statements
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.payments.settlements.flows import (
    DAY,
    PAID_OUT,
    STAFF,
    balances,
    bring,
    csv_of,
    line,
    receipt,
    record,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CALLERS = 8
ROUNDS = 5


def test_what_many_are_told_of_a_settlement_is_posted_once() -> None:
    crowd = Crowd(CALLERS)
    for number in range(ROUNDS):
        name = f"po_{number}"

        crowd.run(lambda _caller, name=name: record(gateway_id=name))  # type: ignore[misc]
        crowd.run(
            lambda _caller, name=name: record(  # type: ignore[misc]
                gateway_id=name, status=SettlementStatus.FAILED
            )
        )

        assert Settlement.objects.get(gateway_id=name).status == Settlement.Status.RETURNED
    assert Transaction.objects.count() == 2 * ROUNDS
    assert balances() == (0, 0)
    sealing.seal_all(now=PAID_OUT + DAY)
    assert list(invariants.discrepancies()) == []


def test_one_file_is_kept_once() -> None:
    record()
    content = csv_of(line(amount="100.00"), line(reference="B-2", amount="1.00"))

    def take(_caller: int) -> str:
        try:
            bank_statements.import_file(
                content=content, name="a.csv", form="", actor=STAFF, now=PAID_OUT
            )
        except bank_statements.StatementKnown:
            return "known"
        return "imported"

    assert Counter(Crowd(CALLERS).run(take)) == {"imported": 1, "known": CALLERS - 1}
    assert BankStatement.objects.count() == 1
    assert BankReceipt.objects.count() == 2
    assert BankReceipt.objects.exclude(settlement=None).count() == 1


def test_lines_that_many_files_have_are_kept_once() -> None:
    lines = [line(reference=f"B-{number}") for number in range(40)]

    def take(caller: int) -> tuple[int, int]:
        own = line(reference=f"own-{caller}")
        ordered = lines if caller % 2 else lines[::-1]
        done = bring(own, *ordered, name=f"{caller}.csv")
        return len(done.receipts), len(done.duplicates)

    with no_deadlocks():
        found = Counter(Crowd(CALLERS).run(take))

    assert found == {(41, 0): 1, (1, 40): CALLERS - 1}
    assert BankReceipt.objects.count() == 40 + CALLERS
    assert {row.line_count for row in BankStatement.objects.all()} == {41}


def test_one_line_is_decided_once() -> None:
    settlements = [record(gateway_id=f"po_{number}") for number in range(CALLERS)]
    one = receipt(amount="98.00")

    def decide(caller: int) -> str:
        try:
            if caller % 2:
                bank_receipts.match(
                    receipt_id=one.pk,
                    settlement_id=settlements[caller].pk,
                    allow_difference=True,
                    reason="x",
                    actor=STAFF,
                    now=PAID_OUT,
                )
            else:
                bank_receipts.explain(
                    receipt_id=one.pk, explained_as="OTHER", reason="x", actor=STAFF, now=PAID_OUT
                )
        except bank_receipts.ReceiptDecided:
            return "decided"
        return "done"

    assert Counter(Crowd(CALLERS).run(decide)) == {"done": 1, "decided": CALLERS - 1}


def test_matching_by_itself_and_by_hand_never_meet_on_a_settlement() -> None:
    settlement = record(status=SettlementStatus.PENDING)
    first = receipt(amount="100.00")
    second = receipt(amount="98.00", reference="B-2")
    record()

    def match(caller: int) -> str:
        if caller % 2:
            bank_receipts.match_open(now=PAID_OUT)
            return "looked"
        try:
            bank_receipts.match(
                receipt_id=second.pk,
                settlement_id=settlement.pk,
                allow_difference=True,
                reason="x",
                actor=STAFF,
                now=PAID_OUT,
            )
        except (bank_receipts.SettlementReceived, bank_receipts.ReceiptDecided):
            return "refused"
        return "matched"

    with no_deadlocks():
        Crowd(CALLERS).run(match)

    held = list(BankReceipt.objects.filter(settlement=settlement))
    assert len(held) == 1
    assert held[0].pk in {first.pk, second.pk}
