"""PaystackGateway: money given back once, though Paystack has no key for it"""

from datetime import UTC, datetime
from typing import Any

import pytest

from payments.gateways.base import Ambiguous, Declined, InsufficientFunds, InvalidRequest
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import Outcome, RefundState
from tests.factories import NOW
from tests.payments.gateways.paystack.rows import (
    OUTSIDE,
    REFERENCE,
    REFUND,
    WINDOW,
    naira,
    refund,
    refund_row,
    transaction,
)
from tests.payments.gateways.paystack.wire import Wire

VERIFY = f"/transaction/verify/{REFERENCE}"
PAYMENT = "4099260516"


def find(gateway: PaystackGateway, **changes: Any) -> RefundState | None:
    facts: dict[str, Any] = {
        "reference": REFUND,
        "payment_id": PAYMENT,
        "charge_reference": REFERENCE,
        **changes,
    }
    return gateway.get_refund(**facts)


class TestRefunding:
    def test_looks_for_it_and_then_asks(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", VERIFY, transaction())
        wire.answer("GET", "/refund", [], meta={"pageCount": 0})
        queued = refund_row(transaction=transaction(), transaction_reference=None)
        wire.answer("POST", "/refund", queued)

        state = gateway.refund(refund(), key="key-1", now=NOW)

        assert wire.asked == [f"GET {VERIFY}", "GET /refund", "POST /refund"]
        assert wire.query(1)["from"] == "2026-11-01T08:14:24.000Z"
        assert wire.body() == {
            "transaction": REFERENCE,
            "amount": 100_000,
            "currency": "NGN",
            "merchant_note": f"legato:{REFUND} asked for by the reader",
            "customer_note": "Refund of your Legato payment",
        }
        assert state == RefundState(
            gateway_id="3018284",
            reference=REFUND,
            payment_id=PAYMENT,
            charge_reference=REFERENCE,
            outcome=Outcome.PENDING,
            amount=naira("1000.00"),
            occurred_at=datetime(2026, 11, 1, 10, tzinfo=UTC),
        )

    def test_finds_what_was_asked_for_before(self, wire: Wire, gateway: PaystackGateway) -> None:
        others = [
            refund_row(id=1, merchant_note=f"Refund for transaction {REFERENCE} by a@b.example"),
            refund_row(id=2, merchant_note=f"legato:{REFUND[:-1]} half a reference"),
            refund_row(id=3, merchant_note=f"see legato:{REFUND} of the other one"),
            refund_row(id=4, merchant_note=None),
        ]
        wire.answer("GET", VERIFY, transaction(status="reversal pending"))
        wire.answer("GET", "/refund", others, meta={"pageCount": 2})
        wire.answer("GET", "/refund", [refund_row(status="processed")], meta={"pageCount": 2})

        state = gateway.refund(refund(), key="key-1", now=NOW)

        assert state.gateway_id == "3018284"
        assert state.outcome is Outcome.SUCCEEDED
        assert wire.asked == [f"GET {VERIFY}", "GET /refund", "GET /refund"]

    def test_believes_the_answer_without_its_note(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction())
        wire.answer("GET", "/refund", [], meta={"pageCount": 0})
        bare = {"id": 1, "amount": "100000", "currency": "NGN", "status": "pending"}
        wire.answer("POST", "/refund", bare)

        state = gateway.refund(refund(), key="key-1", now=NOW)

        assert (state.reference, state.payment_id) == (REFUND, PAYMENT)
        assert state.charge_reference == REFERENCE
        assert state.amount == naira("1000.00")

    def test_asks_nothing_for_a_payment_that_is_not_there(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.refuse("GET", VERIFY, 404, "Transaction reference not found", "transaction_not_found")

        with pytest.raises(InvalidRequest) as refusal:
            gateway.refund(refund(), key="key-1", now=NOW)

        assert refusal.value.code == "transaction_not_found"
        assert wire.asked == [f"GET {VERIFY}"]

    def test_asks_nothing_while_the_list_cannot_be_read(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction())
        wire.answer("GET", "/refund", {"no": "list"})

        with pytest.raises(Ambiguous):
            gateway.refund(refund(), key="key-1", now=NOW)

        assert wire.asked == [f"GET {VERIFY}", "GET /refund"]

    @pytest.mark.parametrize(
        ("status", "message", "code", "expected"),
        [
            (400, "Transaction has been fully reversed", "", Declined),
            (400, "Transaction has already been refunded", "", Declined),
            (400, "This transaction has an open dispute", "", Declined),
            (400, "Refund amount cannot be greater than initial amount", "", Declined),
            (422, "This transaction is not refundable", "invalid_params", Declined),
            (400, "Your balance is not enough to fulfil this request", "", InsufficientFunds),
            (400, "Insufficient balance", "insufficient_balance", InsufficientFunds),
            (400, "Low balance", "", InsufficientFunds),
            (422, "Provide a valid currency", "invalid_params", InvalidRequest),
            (404, "Not found", "not_found", InvalidRequest),
        ],
    )
    def test_tells_refusals_apart(
        self,
        status: int,
        message: str,
        code: str,
        expected: type[Exception],
        wire: Wire,
        gateway: PaystackGateway,
    ) -> None:
        wire.answer("GET", VERIFY, transaction())
        wire.answer("GET", "/refund", [], meta={"pageCount": 0})
        wire.refuse("POST", "/refund", status, message, code)

        with pytest.raises(expected) as refusal:
            gateway.refund(refund(), key="key-1", now=NOW)

        assert isinstance(refusal.value, Declined) is (expected is Declined)
        assert wire.asked.count("POST /refund") == 1


class TestReading:
    def test_reads_by_paystacks_id(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/refund/3018284", refund_row())

        state = find(gateway, gateway_id="3018284")

        assert state is not None
        assert state.reference == REFUND
        assert wire.asked == ["GET /refund/3018284"]

    def test_looks_from_when_we_asked_first(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/refund", [refund_row()], meta={"pageCount": 1})

        state = find(gateway, since=datetime(2026, 11, 1, 10, tzinfo=UTC))

        assert state is not None
        assert wire.asked == ["GET /refund"]
        assert wire.query()["from"] == "2026-11-01T09:00:00.000Z"

    def test_looks_from_the_payment_on_otherwise(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction())
        wire.answer("GET", "/refund", [], meta={"pageCount": 0})

        assert find(gateway) is None
        assert wire.query()["from"] == "2026-11-01T08:14:24.000Z"

    def test_knows_when_there_is_none_with_an_id(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.refuse("GET", "/refund/3018284", 404, "Refund not found")

        assert find(gateway, gateway_id="3018284") is None

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("pending", Outcome.PENDING),
            ("processing", Outcome.PENDING),
            ("processed", Outcome.SUCCEEDED),
            ("failed", Outcome.FAILED),
            ("needs-attention", Outcome.ACTION_REQUIRED),
            ("a new word", Outcome.UNKNOWN),
            (None, Outcome.UNKNOWN),
        ],
    )
    def test_knows_every_status(
        self, status: str | None, outcome: Outcome, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/refund/3018284", refund_row(status=status, reason="Account closed"))

        state = find(gateway, gateway_id="3018284")

        assert state is not None
        assert state.outcome is outcome
        assert state.failure_code == ("account_closed" if outcome is Outcome.FAILED else "")

    @pytest.mark.parametrize("changes", [{"id": None}, {"amount": None}, {"currency": "KES"}])
    def test_guesses_nothing(self, changes: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/refund/3018284", refund_row(**changes))

        with pytest.raises(Ambiguous):
            find(gateway, gateway_id="3018284")


class TestListing:
    def test_lists_ours_and_those_of_the_dashboard(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        rows = [
            refund_row(id=1),
            refund_row(id=2, merchant_note=f"Refund for transaction {REFERENCE} by a@b.example"),
            refund_row(id=3, createdAt=OUTSIDE),
            refund_row(id=4, currency="GHS"),
        ]
        wire.answer("GET", "/refund", rows, meta={"pageCount": 1, "perPage": "100"})

        states = list(gateway.list_refunds(WINDOW))

        assert [(state.gateway_id, state.reference) for state in states] == [
            ("1", REFUND),
            ("2", ""),
        ]
        assert {state.charge_reference for state in states} == {REFERENCE}
        assert {state.payment_id for state in states} == {PAYMENT}
