"""bank_receipts.match(), explain() and reopen(): a person says what a line of the bank is"""

from typing import Any
from uuid import UUID

import pytest

from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import audit
from payments.gateways.values import SettlementStatus
from payments.models import BankReceipt, Settlement
from payments.services import bank_receipts
from tests.ledger import books
from tests.payments import books_of
from tests.payments.settlements.flows import DAY, PAID_OUT, STAFF, balances, bring, line, receipt
from tests.payments.settlements.flows import record as hear_of

pytestmark = pytest.mark.django_db

Said = SettlementStatus
LATER = PAID_OUT + DAY


@pytest.fixture
def settlement() -> Settlement:
    """100 USD that the gateway paid."""
    return hear_of()


@pytest.fixture
def wire(settlement: Settlement) -> BankReceipt:
    """98 USD at the bank, which matches nothing by itself."""
    return receipt(amount="98.00")


def _id(row: BankReceipt | Settlement | UUID) -> UUID:
    return row if isinstance(row, UUID) else row.pk


def match(
    line_of_bank: BankReceipt | UUID, settlement: Settlement | UUID, **facts: Any
) -> BankReceipt:
    facts = {"reason": "the bank kept 2 USD", "actor": STAFF, "now": LATER, **facts}
    return bank_receipts.match(
        receipt_id=_id(line_of_bank),
        settlement_id=_id(settlement),
        **facts,
    )


def explain(line_of_bank: BankReceipt | UUID, **facts: Any) -> BankReceipt:
    facts = {"explained_as": "INTEREST", "reason": "October", "actor": STAFF, "now": LATER, **facts}
    return bank_receipts.explain(receipt_id=_id(line_of_bank), **facts)


def reopen(line_of_bank: BankReceipt | UUID, **facts: Any) -> BankReceipt:
    facts = {"reason": "wrong one", "actor": "staff:8", "now": LATER, **facts}
    return bank_receipts.reopen(receipt_id=_id(line_of_bank), **facts)


def assert_refused(refusal: type[DomainError], call: Any, *args: Any, **facts: Any) -> DomainError:
    before = books.fingerprint()
    with pytest.raises(refusal) as error:
        call(*args, **facts)
    assert books.fingerprint() == before
    return error.value


def test_a_person_matches_a_line_whose_amount_differs(
    wire: BankReceipt, settlement: Settlement
) -> None:
    money = balances()

    made = match(wire, settlement, allow_difference=True)

    wire.refresh_from_db()
    assert (wire.settlement, wire.matched) == (settlement, BankReceipt.Matched.MANUAL)
    assert (wire.note, wire.decided_by, wire.decided_at) == ("the bank kept 2 USD", STAFF, LATER)
    assert bank_receipts.difference(made) == -2_000_000
    assert balances() == money
    [entry] = books_of.audit("payments.bank_receipt.matched")
    assert (entry.actor, entry.reason) == (STAFF, "the bank kept 2 USD")


def test_a_difference_must_be_said(wire: BankReceipt, settlement: Settlement) -> None:
    error = assert_refused(bank_receipts.ReceiptAmountDiffers, match, wire, settlement)

    assert error.members["difference"] == {"amount": "-2.00", "currency": "USD"}


def test_money_that_went_back_is_matched_by_hand(settlement: Settlement) -> None:
    hear_of(status=Said.FAILED)
    back = receipt(amount="-100.00", date="2026-10-20")
    assert back.settlement is None

    made = match(back, settlement)

    assert (made.is_return, bank_receipts.difference(made)) == (True, 0)


class TestMatchRefused:
    def test_without_a_reason(self, wire: BankReceipt, settlement: Settlement) -> None:
        assert_refused(audit.ReasonMissing, match, wire, settlement, reason=" ")

    def test_what_does_not_exist(self, wire: BankReceipt, settlement: Settlement) -> None:
        assert_refused(bank_receipts.ReceiptUnknown, match, uuid7(), settlement)
        assert_refused(bank_receipts.SettlementUnknown, match, wire, uuid7())

    @pytest.mark.parametrize("status", [Said.PENDING, Said.FAILED])
    def test_a_settlement_that_was_not_paid(self, wire: BankReceipt, status: Said) -> None:
        other = hear_of(gateway_id="po_2", status=status)

        assert_refused(bank_receipts.SettlementNotPaid, match, wire, other, allow_difference=True)

    def test_money_back_of_one_that_did_not_come_back(self, settlement: Settlement) -> None:
        back = receipt(amount="-100.00")

        assert_refused(bank_receipts.SettlementNotPaid, match, back, settlement)

    def test_another_currency(self, settlement: Settlement) -> None:
        foreign = receipt(amount="100.00", currency="CAD")

        assert_refused(
            bank_receipts.ReceiptCurrencyDiffers, match, foreign, settlement, allow_difference=True
        )

    def test_a_second_line_for_a_settlement(
        self, wire: BankReceipt, settlement: Settlement
    ) -> None:
        match(wire, settlement, allow_difference=True)
        second = receipt(amount="100.00", reference="B-2")

        assert_refused(bank_receipts.SettlementReceived, match, second, settlement)

    def test_a_line_that_is_decided(self, wire: BankReceipt, settlement: Settlement) -> None:
        explain(wire)

        assert_refused(bank_receipts.ReceiptDecided, match, wire, settlement, allow_difference=True)
        assert_refused(bank_receipts.ReceiptDecided, explain, wire)


class TestExplain:
    def test_says_what_a_line_is_and_moves_no_money(self, wire: BankReceipt) -> None:
        money = balances()

        explain(wire)

        wire.refresh_from_db()
        assert (wire.explained_as, wire.note, wire.settlement) == ("INTEREST", "October", None)
        assert not BankReceipt.objects.open().exists()
        assert balances() == money
        [entry] = books_of.audit("payments.bank_receipt.explained")
        assert (entry.actor, entry.reason) == (STAFF, "October")

    def test_an_explained_line_is_matched_no_more_by_itself(self, wire: BankReceipt) -> None:
        explained = receipt(amount="55.00", reference="B-2")
        explain(explained)

        hear_of(gateway_id="po_55", amount=Money.parse("55", "USD"))
        bank_receipts.match_open(now=LATER)

        explained.refresh_from_db()
        assert explained.settlement is None

    def test_is_refused_without_a_reason_or_a_line(self, wire: BankReceipt) -> None:
        assert_refused(audit.ReasonMissing, explain, wire, reason="")
        assert_refused(bank_receipts.ReceiptUnknown, explain, uuid7())


class TestReopen:
    def test_takes_a_match_back(self, wire: BankReceipt, settlement: Settlement) -> None:
        match(wire, settlement, allow_difference=True)

        reopen(wire)

        wire.refresh_from_db()
        assert list(BankReceipt.objects.open()) == [wire]
        assert (wire.matched, wire.note, wire.decided_by) == ("", "", "")
        assert settlement.receipts.count() == 0
        [entry] = books_of.audit("payments.bank_receipt.reopened")
        assert (entry.actor, entry.reason) == ("staff:8", "wrong one")
        assert entry.before is not None
        assert entry.before["settlement"] == "po_1"

    def test_takes_an_explanation_back(self, wire: BankReceipt, settlement: Settlement) -> None:
        explain(wire)

        reopen(wire)

        assert match(wire, settlement, allow_difference=True).settlement == settlement

    def test_is_refused_of_an_open_line(self, wire: BankReceipt) -> None:
        assert_refused(bank_receipts.ReceiptOpen, reopen, wire)

    def test_is_refused_without_a_reason_or_a_line(
        self, wire: BankReceipt, settlement: Settlement
    ) -> None:
        match(wire, settlement, allow_difference=True)

        assert_refused(audit.ReasonMissing, reopen, wire, reason="\t")
        assert_refused(bank_receipts.ReceiptUnknown, reopen, uuid7())


def test_a_settlement_that_was_wrongly_matched_waits_again(settlement: Settlement) -> None:
    (wrong,) = bring(line(amount="100.00")).matched
    reopen(wrong)
    explain(wrong, explained_as="INCOME")

    right = receipt(amount="100.00", reference="B-2")

    assert right.settlement == settlement
