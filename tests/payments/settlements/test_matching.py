"""bank_receipts.match_open(): a line is matched by itself when nothing else fits"""

from datetime import date, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.sandbox import settlements as sandbox
from payments.gateways.values import SettlementStatus
from payments.ledger import invariants, sealing
from payments.models import AuditEntry, BankReceipt, Settlement
from payments.queries import settlements as queries
from payments.services import bank_receipts, settlements
from tests.ledger import books
from tests.payments.settlements.flows import (
    DAY,
    PAID_OUT,
    SANDBOX,
    balances,
    bring,
    day,
    line,
    record,
    sell,
    settled,
)

pytestmark = pytest.mark.django_db

Matched = BankReceipt.Matched
Said = SettlementStatus


def hundred(**changes: str) -> dict[str, str]:
    """A line that pays 100 USD in, on the promised day."""
    return line(**{"amount": "100.00", "description": "a transfer", **changes})


def matches() -> dict[str, tuple[str, str]]:
    """``{"B-1": ("po_1", "REFERENCE")}`` of every matched line."""
    rows = BankReceipt.objects.exclude(settlement=None).select_related("settlement")
    return {
        row.reference: (row.settlement.gateway_id, row.matched) for row in rows if row.settlement
    }


def test_money_that_was_sold_settled_and_booked_by_the_bank_is_one_story() -> None:
    settlement = settled()
    ends = settlement.bank_reference

    done = bring(line(description=f"SANDBOX {ends.lower()} PAYOUT"), line(reference="B-2"))

    assert [receipt.reference for receipt in done.matched] == ["B-1"]
    receipt = BankReceipt.objects.get(reference="B-1")
    assert (receipt.settlement, receipt.matched) == (settlement, Matched.REFERENCE)
    assert (receipt.decided_by, receipt.decided_at) == (bank_receipts.ACTOR, PAID_OUT)
    assert bank_receipts.difference(receipt) == 0
    assert not receipt.is_return
    entry = AuditEntry.objects.get(action="payments.bank_receipt.matched")
    assert entry.object_id == str(receipt.pk)
    assert balances() == (0, 38_530_000)
    sealing.seal_all(now=PAID_OUT)
    assert list(invariants.discrepancies()) == []


def test_matching_moves_no_money_in_the_books() -> None:
    settled()
    before = balances()

    assert len(bring(line()).matched) == 1

    assert balances() == before


class TestReference:
    @pytest.mark.parametrize(
        "where",
        [
            {"reference": "TRACE-77"},
            {"description": "TRACE-77"},
            {"description": "Stripe/trace-77/payout"},
            {"reference": "X1", "description": "id:TRACE-77."},
        ],
    )
    def test_is_found_in_the_line(self, where: dict[str, str]) -> None:
        record(bank_reference="TRACE-77")

        bring(hundred(**where))

        assert list(matches().values()) == [("po_1", Matched.REFERENCE)]

    def test_counts_however_late_the_bank_booked(self) -> None:
        record(bank_reference="TRACE-77")

        bring(hundred(date="2026-12-24", description="TRACE-77"), now=PAID_OUT + 60 * DAY)

        assert matches() == {"B-1": ("po_1", Matched.REFERENCE)}

    def test_tells_two_equal_amounts_apart(self) -> None:
        record(gateway_id="po_1", bank_reference="TRACE-77")
        record(gateway_id="po_2", bank_reference="TRACE-78")

        bring(
            hundred(reference="B-1", description="TRACE-78"),
            hundred(reference="B-2", description="TRACE-77"),
        )

        assert matches() == {
            "B-1": ("po_2", Matched.REFERENCE),
            "B-2": ("po_1", Matched.REFERENCE),
        }

    @pytest.mark.parametrize(
        "description", ["TRACE-770", "XTRACE-77", "1TRACE-77", "TRACE 77", "RACE-77"]
    )
    def test_must_stand_there_as_a_whole(self, description: str) -> None:
        record(bank_reference="TRACE-77")

        bring(hundred(date=day(20), description=description), now=PAID_OUT + 30 * DAY)

        assert matches() == {}

    def test_that_every_transfer_has_names_none(self) -> None:
        record(gateway_id="po_1", bank_reference="STRIPE PAYOUT")
        record(gateway_id="po_2", bank_reference="STRIPE PAYOUT", amount=Money.parse("5", "USD"))

        bring(
            hundred(date=day(20), description="STRIPE PAYOUT"),
            now=PAID_OUT + 30 * DAY,
        )

        assert matches() == {}

    def test_of_a_few_characters_is_none(self) -> None:
        record(bank_reference="A1")

        bring(hundred(date=day(20), description="A1"), now=PAID_OUT + 30 * DAY)

        assert matches() == {}

    def test_with_another_amount_is_left_to_a_person(self) -> None:
        record(bank_reference="TRACE-77")

        bring(hundred(amount="99.00", description="TRACE-77"))

        assert matches() == {}

    def test_on_two_lines_is_left_to_a_person(self) -> None:
        record(bank_reference="TRACE-77")

        bring(
            hundred(reference="B-1", description="TRACE-77"),
            hundred(reference="B-2", description="TRACE-77"),
        )

        assert matches() == {}


class TestAmountAndDay:
    @pytest.mark.parametrize("days", [-5, 0, 5])
    def test_within_five_days_it_is_matched(self, days: int) -> None:
        record()

        bring(hundred(date=(PAID_OUT.date() + days * DAY).isoformat()), now=PAID_OUT + 9 * DAY)

        assert matches() == {"B-1": ("po_1", Matched.AMOUNT)}

    @pytest.mark.parametrize(
        "change",
        [
            {"date": (PAID_OUT - 6 * DAY).date().isoformat()},
            {"date": (PAID_OUT + 6 * DAY).date().isoformat()},
            {"amount": "100.01"},
            {"amount": "-100.00"},
            {"currency": "CAD"},
        ],
    )
    def test_what_does_not_fit_is_left(self, change: dict[str, str]) -> None:
        record()
        before = balances()

        bring(hundred(**change), now=PAID_OUT + 9 * DAY)

        assert matches() == {}
        assert queries.open_lines().count() == 1
        assert balances() == before

    def test_two_lines_for_one_settlement_are_left(self) -> None:
        record()

        bring(hundred(reference="B-1"), hundred(reference="B-2", date=day(6)))

        assert matches() == {}
        assert queries.open_lines().count() == 2

    def test_two_settlements_for_one_line_are_left(self) -> None:
        record(gateway_id="po_1")
        record(gateway_id="po_2", arrives_on=date(2026, 11, 7))

        bring(hundred())

        assert matches() == {}

    def test_equal_amounts_far_apart_are_told_apart_by_the_day(self) -> None:
        record(gateway_id="po_1")
        record(gateway_id="po_2", arrives_on=date(2026, 11, 12))

        bring(
            hundred(reference="B-1"),
            hundred(reference="B-2", date=day(12)),
            now=PAID_OUT + 9 * DAY,
        )

        assert matches() == {"B-1": ("po_1", Matched.AMOUNT), "B-2": ("po_2", Matched.AMOUNT)}

    @pytest.mark.parametrize("status", [Said.PENDING, Said.FAILED])
    def test_one_that_was_not_paid_is_not_received(self, status: Said) -> None:
        record(status=status)

        bring(hundred())

        assert matches() == {}

    def test_what_is_matched_is_not_matched_again(self) -> None:
        record()
        bring(hundred())
        before = books.fingerprint()

        assert bank_receipts.match_open(now=PAID_OUT + DAY) == []

        assert books.fingerprint() == before
        bring(hundred(reference="B-2"))
        assert list(matches()) == ["B-1"]


class TestOrder:
    def test_a_statement_may_come_before_the_gateways_word(self) -> None:
        bring(line())
        assert matches() == {}

        settled()

        assert list(matches()) == ["B-1"]

    def test_money_that_came_and_went_back_is_matched_both_ways(self) -> None:
        settlement = settled()
        bring(line())
        sandbox.fail(settlement_id=settlement.gateway_id, now=PAID_OUT + 2 * DAY)
        settlements.collect(provider=SANDBOX, now=PAID_OUT + 2 * DAY)

        bring(line(reference="B-2", amount="-38.53", date=day(7)), now=PAID_OUT + 2 * DAY)

        back = BankReceipt.objects.get(reference="B-2")
        assert (back.settlement, back.is_return) == (settlement, True)
        assert bank_receipts.difference(back) == 0
        assert balances() == (38_530_000, 0)

    def test_both_ways_in_one_statement_are_matched_in_one_go(self) -> None:
        record()
        record(status=Said.FAILED)

        bring(hundred(reference="B-1"), hundred(reference="B-2", amount="-100.00"))

        assert set(matches()) == {"B-1", "B-2"}
        assert BankReceipt.objects.get(reference="B-2").is_return

    def test_money_does_not_go_back_of_one_that_is_paid(self) -> None:
        record()

        bring(hundred(reference="B-1"), hundred(reference="B-2", amount="-100.00"))

        assert set(matches()) == {"B-1"}

    def test_money_that_the_gateway_takes_is_a_line_below_zero(self) -> None:
        record(amount=Money.parse("-100", "USD"))

        bring(hundred(amount="-100.00"))

        assert matches() == {"B-1": ("po_1", Matched.AMOUNT)}
        assert not BankReceipt.objects.get().is_return


class TestOverdue:
    """What the gateway says moved, and no statement shows."""

    def late(self, days: int) -> list[Settlement]:
        return list(queries.overdue(on=(PAID_OUT + timedelta(days=days)).date()))

    def test_one_that_the_bank_does_not_have_after_five_days_is_listed(self) -> None:
        settlement = record()

        assert self.late(5) == []
        assert self.late(6) == [settlement]
        assert queries.to_look_at(on=(PAID_OUT + 6 * DAY).date()) == queries.ToLookAt(1, 0)

    def test_one_that_the_bank_has_is_not(self) -> None:
        record()
        bring(hundred())

        assert self.late(60) == []

    @pytest.mark.parametrize("states", [[Said.PENDING], [Said.FAILED], [Said.PAID, Said.FAILED]])
    def test_one_that_never_reached_the_bank_is_not(self, states: list[Said]) -> None:
        for status in states:
            record(status=status)

        assert self.late(60) == []

    def test_one_that_the_bank_has_although_it_came_back_is_listed(self) -> None:
        settlement = record()
        bring(hundred())
        record(status=Said.FAILED)

        assert self.late(6) == [settlement]

    @pytest.mark.parametrize("lines", [[], ["in"], ["in", "out"]])
    @pytest.mark.parametrize("states", [[Said.PENDING], [Said.PAID], [Said.PAID, Said.FAILED]])
    def test_a_row_and_the_list_agree(self, states: list[Said], lines: list[str]) -> None:
        for status in states:
            record(status=status)
        amounts = {"in": "100.00", "out": "-100.00"}
        if lines:
            bring(*(hundred(reference=name, amount=amounts[name]) for name in lines))
        on = (PAID_OUT + 6 * DAY).date()

        listed = [row for row in Settlement.objects.at_the_bank() if queries.is_overdue(row, on=on)]

        assert listed == list(queries.overdue(on=on))


def test_a_long_list_of_lines_is_matched_to_the_right_ones() -> None:
    wanted = {}
    lines: list[dict[str, Any]] = []
    for number in range(20):
        amount = f"{100 + number}.00"
        record(gateway_id=f"po_{number}", amount=Money.parse(amount, "USD"))
        lines.append(hundred(reference=f"B-{number}", amount=amount))
        wanted[f"B-{number}"] = (f"po_{number}", Matched.AMOUNT)

    bring(*reversed(lines))

    assert matches() == wanted


def test_two_sales_in_one_transfer_are_one_line() -> None:
    sell("reader-1")
    settled()

    bring(line(amount="77.06"))

    assert list(matches()) == ["B-1"]
