"""settlements.record(): the books follow what the gateway says of a transfer to our bank"""

from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.values import SettlementStatus
from payments.ledger import chart, invariants, sealing
from payments.models import Settlement
from payments.services import settlements
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.settlements.flows import DAY, PAID_OUT, balances, record, sell, state

pytestmark = pytest.mark.django_db

Said = SettlementStatus
Status = Settlement.Status


def assert_sound() -> None:
    sealing.seal_all(now=NOW + 30 * DAY)
    assert list(invariants.discrepancies()) == []


def test_a_paid_settlement_moves_the_money_to_the_bank_in_the_books() -> None:
    settlement = record()

    assert settlement.status == Status.PAID
    assert settlement.transaction_id is not None
    assert books.lines_of(settlement.transaction_id) == [
        ("bank", "", "USD", 100_000_000),
        ("gateway:sandbox", "", "USD", -100_000_000),
    ]
    posted = books_of.transaction(f"settlement:{settlement.pk}:paid")
    assert (posted.pk, posted.kind) == (settlement.transaction_id, "SETTLEMENT")
    assert (posted.source_type, posted.source_id) == ("settlement", str(settlement.pk))
    [entry] = books_of.audit("payments.settlement.paid")
    assert (entry.object_id, entry.before) == (str(settlement.pk), {"status": "PENDING"})
    assert_sound()


def test_one_on_its_way_moves_nothing_until_it_is_paid() -> None:
    pending = record(status=Said.PENDING, bank_reference="")
    assert balances() == (0, 0)

    later = (PAID_OUT + DAY).date()
    paid = record(now=PAID_OUT + DAY, arrives_on=later, bank_reference="TRACE-9")

    assert (paid.pk, paid.status) == (pending.pk, Status.PAID)
    assert (paid.arrives_on, paid.bank_reference) == (later, "TRACE-9")
    assert balances() == (-100_000_000, 100_000_000)
    assert_sound()


def test_one_that_fails_before_it_was_paid_moves_nothing() -> None:
    record(status=Said.PENDING)

    failed = record(status=Said.FAILED)

    assert (failed.status, failed.transaction_id) == (Status.FAILED, None)
    assert balances() == (0, 0)
    assert_sound()


def test_one_that_fails_after_it_was_paid_is_posted_back() -> None:
    paid = record()

    returned = record(now=PAID_OUT + 4 * DAY, status=Said.FAILED)

    assert returned.status == Status.RETURNED
    assert returned.transaction_id == paid.transaction_id
    back = books_of.transaction(f"settlement:{paid.pk}:returned")
    assert returned.return_transaction_id == back.pk
    assert (back.kind, back.relates_to) == ("SETTLEMENT_RETURNED", paid.transaction_id)
    assert books.lines_of(back.pk) == [
        ("gateway:sandbox", "", "USD", 100_000_000),
        ("bank", "", "USD", -100_000_000),
    ]
    assert balances() == (0, 0)
    assert_sound()


def test_one_that_failed_can_be_paid_after_all() -> None:
    record(status=Said.FAILED)

    assert record().status == Status.PAID
    assert balances() == (-100_000_000, 100_000_000)
    assert_sound()


def test_money_that_the_gateway_takes_from_our_bank_goes_the_other_way() -> None:
    record(amount=Money.parse("-25.50", "USD"))

    assert balances() == (25_500_000, -25_500_000)
    assert_sound()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ([Said.PENDING], Said.PENDING),
        ([Said.PAID], Said.PAID),
        ([Said.PAID], Said.PENDING),
        ([Said.FAILED], Said.FAILED),
        ([Said.FAILED], Said.PENDING),
        ([Said.PAID, Said.FAILED], Said.FAILED),
        ([Said.PAID, Said.FAILED], Said.PENDING),
    ],
)
def test_what_is_known_already_changes_nothing(first: list[Said], again: Said) -> None:
    for status in first:
        record(status=status)
    before = books.fingerprint()

    record(now=PAID_OUT + DAY, status=again)

    assert books.fingerprint() == before


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (Said.PAID, {"amount": Money.parse("100.01", "USD")}),
        (Said.PAID, {"amount": Money.parse("-100", "USD")}),
        *((status, {"amount": Money.parse("100", "CAD")}) for status in Said),
    ],
)
def test_another_amount_than_posted_is_not_written(status: Said, change: dict[str, Any]) -> None:
    record(status=status)
    before = books.fingerprint()

    with pytest.raises(settlements.SettlementMismatch):
        record(status=Said.PAID, **change)

    assert books.fingerprint() == before


@pytest.mark.parametrize("status", [Said.PENDING, Said.FAILED])
def test_until_it_is_posted_the_gateways_last_amount_counts(status: Said) -> None:
    record(status=status)

    settlement = record(status=Said.PAID, amount=Money.parse("99.50", "USD"))

    assert settlement.amount_micros == 99_500_000
    assert books.balance(chart.bank("USD")) == 99_500_000


def test_one_that_came_back_is_not_paid_again_in_the_books() -> None:
    record()
    record(status=Said.FAILED)
    before = books.fingerprint()

    with pytest.raises(settlements.SettlementContradicted):
        record()

    assert books.fingerprint() == before


def test_the_same_id_at_two_gateways_is_two_settlements() -> None:
    record()

    settlements.record(provider="STRIPE", state=state(), now=PAID_OUT)

    assert Settlement.objects.count() == 2
    assert balances() == (-100_000_000, 200_000_000)
    assert_sound()


class TestChecks:
    """What verify_ledger says when a settlement and the books part."""

    @pytest.mark.parametrize(
        ("fault", "check"),
        [
            ({"status": "PENDING", "transaction": None}, "settlements"),
            ({"status": "FAILED", "transaction": None}, "bank"),
        ],
    )
    def test_a_posting_without_its_settlement_is_found(
        self, fault: dict[str, Any], check: str
    ) -> None:
        sell()
        record()
        sealing.seal_all(now=NOW)
        Settlement.objects.update(**fault)

        found = {one.check for one in invariants.discrepancies()}

        assert found == {"settlements", "bank"}
        assert check in found

    def test_a_settlement_that_names_another_transaction_is_found(self) -> None:
        record()
        other = record(gateway_id="po_2", status=Said.PENDING)
        sealing.seal_all(now=NOW)
        posted = Settlement.objects.get(gateway_id="po_1").transaction_id
        Settlement.objects.filter(gateway_id="po_1").update(status="FAILED", transaction=None)
        Settlement.objects.filter(pk=other.pk).update(status="PAID", transaction=posted)

        found = [one for one in invariants.discrepancies() if one.check == "settlements"]

        assert len(found) == 2
        assert f"settlement {other.pk}" in {one.place for one in found}
