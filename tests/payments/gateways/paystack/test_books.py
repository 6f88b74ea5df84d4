"""PaystackGateway: settlements, its ledger, its balances, banks"""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from payments.gateways.base import Ambiguous, InvalidRequest
from payments.gateways.paystack import banks
from payments.gateways.paystack.banks import AccountHolder, Bank
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import (
    BalanceState,
    LedgerLine,
    LineKind,
    SettlementState,
    SettlementStatus,
)
from tests.payments.gateways.paystack.rows import (
    INSIDE,
    OUTSIDE,
    REFERENCE,
    WINDOW,
    naira,
    transaction,
)
from tests.payments.gateways.paystack.wire import Wire

AT = datetime(2026, 11, 1, 9, 15, 2, tzinfo=UTC)


def settlement(**changes: Any) -> dict[str, Any]:
    """Yesterday's payments, less fees, on their way to our bank."""
    return {
        "id": 3090024,
        "status": "success",
        "currency": "NGN",
        "total_amount": 99_500,
        "effective_amount": 89_500,
        "total_fees": 500,
        "total_processed": 100_000,
        "settlement_date": "2026-11-02T00:00:00.000Z",
        "createdAt": INSIDE,
        **changes,
    }


def line(**changes: Any) -> dict[str, Any]:
    """A payment arrived in our balance."""
    return {
        "id": 149314482,
        "balance": 1_000_000,
        "currency": "NGN",
        "difference": 384_000,
        "reason": "",
        "model_responsible": "Transaction",
        "model_row": 4099260516,
        "createdAt": INSIDE,
        **changes,
    }


class TestSettlements:
    def test_reads_what_arrives_at_our_bank(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/settlement", [settlement()], meta={"pageCount": 2})
        wire.answer(
            "GET", "/settlement", [settlement(id=2, createdAt=OUTSIDE)], meta={"pageCount": 2}
        )

        assert list(gateway.list_settlements(WINDOW)) == [
            SettlementState(
                gateway_id="3090024",
                amount=naira("895.00"),
                status=SettlementStatus.PAID,
                arrives_on=date(2026, 11, 2),
                created_at=AT,
            )
        ]

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            ("success", SettlementStatus.PAID),
            ("failed", SettlementStatus.FAILED),
            ("pending", SettlementStatus.PENDING),
            ("processing", SettlementStatus.PENDING),
            ("a new word", SettlementStatus.PENDING),
            (None, SettlementStatus.PENDING),
        ],
    )
    def test_knows_every_status(
        self,
        status: str | None,
        expected: SettlementStatus,
        wire: Wire,
        gateway: PaystackGateway,
    ) -> None:
        wire.answer("GET", "/settlement", [settlement(status=status)], meta={"pageCount": 1})

        (state,) = gateway.list_settlements(WINDOW)

        assert state.status is expected

    def test_does_without_what_is_left_out(self, wire: Wire, gateway: PaystackGateway) -> None:
        bare = settlement(effective_amount=None, settlement_date=None)
        wire.answer("GET", "/settlement", [bare, settlement(id=2, currency="ZAR")])

        (state,) = gateway.list_settlements(WINDOW)

        assert state.amount == naira("995.00")
        assert state.arrives_on == date(2026, 11, 1)

    @pytest.mark.parametrize(
        "changes",
        [{"id": None}, {"createdAt": None}, {"effective_amount": None, "total_amount": None}],
        ids=repr,
    )
    def test_guesses_nothing(self, changes: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/settlement", [settlement(**changes)])

        with pytest.raises(Ambiguous):
            list(gateway.list_settlements(WINDOW))

    def test_reads_what_one_pays_out(self, wire: Wire, gateway: PaystackGateway) -> None:
        path = "/settlement/3090024/transactions"
        rows = [transaction(), transaction(id=2, reference="lp2", fees=None, paid_at=None)]
        wire.answer("GET", path, rows[:1], meta={"pageCount": 2})
        wire.answer(
            "GET", path, [*rows[1:], transaction(id=3, currency="GHS")], meta={"pageCount": 2}
        )

        first, second = gateway.settlement_lines("3090024")

        assert first == LedgerLine(
            id="3090024:4099260516",
            kind=LineKind.CHARGE,
            gross=naira("4000.00"),
            fee=naira("160.00"),
            source_id="4099260516",
            reference=REFERENCE,
            occurred_at=AT,
            settlement_id="3090024",
        )
        assert first.net == naira("3840.00")
        assert second.net == naira("4000.00")
        assert second.occurred_at == datetime(2026, 11, 1, 9, 14, 24, tzinfo=UTC)

    def test_takes_no_line_without_an_id(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/settlement/3090024/transactions", [transaction(id=None)])

        with pytest.raises(Ambiguous):
            list(gateway.settlement_lines("3090024"))


class TestLedger:
    @pytest.mark.parametrize(
        ("model", "difference", "kind"),
        [
            ("Transaction", 384_000, LineKind.CHARGE),
            ("Transaction", -384_000, LineKind.OTHER),
            ("Refund", -100_000, LineKind.REFUND),
            ("Refund", 100_000, LineKind.REFUND_FAILURE),
            ("Dispute", -400_000, LineKind.DISPUTE),
            ("Dispute", 400_000, LineKind.DISPUTE_REVERSAL),
            ("Settlement", -500_000, LineKind.SETTLEMENT),
            ("Settlement", 500_000, LineKind.SETTLEMENT_FAILURE),
            ("Transfer", -50_000, LineKind.OTHER),
            ("A New Model", 1, LineKind.OTHER),
            (None, 1, LineKind.OTHER),
        ],
    )
    def test_knows_what_a_line_is_about(
        self,
        model: str | None,
        difference: int,
        kind: LineKind,
        wire: Wire,
        gateway: PaystackGateway,
    ) -> None:
        row = line(model_responsible=model, difference=difference)
        wire.answer("GET", "/balance/ledger", [row], meta={"pageCount": 1})

        (read,) = gateway.ledger(WINDOW)

        assert read.kind is kind
        assert read.net.minor == difference
        assert (read.source_id, read.occurred_at) == ("4099260516", AT)

    def test_reads_all_pages_of_the_window(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/balance/ledger", [line(id=1)], meta={"pageCount": 2})
        rows = [line(id=2, createdAt=OUTSIDE), line(id=3, currency="KES"), line(id=4)]
        wire.answer("GET", "/balance/ledger", rows, meta={"pageCount": 2})

        assert [read.id for read in gateway.ledger(WINDOW)] == ["1", "4"]
        assert wire.query()["from"] == "2026-11-01T00:00:00.000Z"

    @pytest.mark.parametrize(
        "changes", [{"id": None}, {"difference": None}, {"createdAt": None}], ids=repr
    )
    def test_guesses_nothing(self, changes: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/balance/ledger", [line(**changes)])

        with pytest.raises(Ambiguous):
            list(gateway.ledger(WINDOW))


class TestBalances:
    def test_reads_each_currency_that_we_keep(self, wire: Wire, gateway: PaystackGateway) -> None:
        rows = [{"currency": "NGN", "balance": 1_700_000}, {"currency": "GHS", "balance": 1}]
        wire.answer("GET", "/balance", rows)

        assert gateway.balances() == [BalanceState(naira("17000.00"), naira("0.00"))]

    @pytest.mark.parametrize("data", [None, {}, [{"currency": "NGN"}]], ids=repr)
    def test_guesses_nothing(self, data: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/balance", data)

        with pytest.raises(Ambiguous):
            gateway.balances()


class TestBanks:
    def test_reads_every_page(self, wire: Wire, gateway: PaystackGateway) -> None:
        first = [
            {"name": "Abbey Mortgage Bank", "code": "801", "type": "nuban", "active": True},
            {"name": "Closed Bank", "code": "802", "type": "nuban", "active": False},
            {"name": "Gone Bank", "code": "803", "type": "nuban", "is_deleted": True},
        ]
        second = [{"name": "Zenith Bank", "code": "057", "type": "nuban", "active": True}]
        wire.answer("GET", "/bank", first, meta={"next": "YmFuazoxNjk=", "perPage": 3})
        wire.answer("GET", "/bank", second, meta={"next": "null", "previous": "YmFuazoxNjk="})

        assert gateway.list_banks("NGN") == [
            Bank("801", "Abbey Mortgage Bank", "nuban"),
            Bank("057", "Zenith Bank", "nuban"),
        ]
        assert wire.query() == {
            "currency": "NGN",
            "use_cursor": "true",
            "perPage": "100",
            "next": "YmFuazoxNjk=",
        }

    def test_ends_when_pages_repeat(self, wire: Wire, gateway: PaystackGateway) -> None:
        for _ in range(2):
            wire.answer("GET", "/bank", [], meta={"next": "YmFuazoxNjk="})

        assert gateway.list_banks("NGN") == []
        assert len(wire.requests) == 2

    def test_reads_no_list_without_end(
        self, wire: Wire, gateway: PaystackGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(banks, "MAX_PAGES", 2)
        for number in range(2):
            wire.answer("GET", "/bank", [], meta={"next": f"cursor-{number}"})

        with pytest.raises(Ambiguous, match="does not end"):
            gateway.list_banks("NGN")

    def test_takes_no_broken_list_for_an_empty_one(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/bank", None)

        with pytest.raises(Ambiguous):
            gateway.list_banks("NGN")

    def test_asks_who_holds_an_account(self, wire: Wire, gateway: PaystackGateway) -> None:
        found = {"account_number": "0022728151", "account_name": "WES GIBBONS"}
        wire.answer("GET", "/bank/resolve", found)

        holder = gateway.resolve_account("0022728151", "058")

        assert holder == AccountHolder("0022728151", "WES GIBBONS")
        assert wire.query() == {"account_number": "0022728151", "bank_code": "058"}

    def test_says_that_the_bank_does_not_know_it(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        message = "Could not resolve account name. Check parameters or try again."
        wire.refuse("GET", "/bank/resolve", 422, message)

        with pytest.raises(InvalidRequest, match="Could not resolve"):
            gateway.resolve_account("0022728151", "058")

    def test_takes_nobody_for_no_holder(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/bank/resolve", {"account_number": "0022728151", "account_name": None})

        with pytest.raises(Ambiguous):
            gateway.resolve_account("0022728151", "058")
