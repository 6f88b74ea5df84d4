"""Paystack's official example answers, read by our parsers"""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from payments.gateways.base import AuthenticationFailed, GatewayError, InvalidRequest
from payments.gateways.paystack import books, charges, disputes, errors, refunds
from payments.gateways.paystack.fields import row_of
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import (
    DisputeStatus,
    LineKind,
    Outcome,
    SettlementStatus,
    Window,
)
from tests import specs
from tests.factories import NOW
from tests.payments.gateways.paystack.rows import REFERENCE, charge, naira, sample
from tests.payments.gateways.paystack.wire import Wire

ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "amount", "fee", "payment_id"),
    [
        ("transactions/verify", "403.33", "102.83", "4099260516"),
        ("transactions/fetch", "403.33", "102.83", "4099260516"),
        ("transactions/charge_authorization", "352.47", "102.47", "4099490251"),
        ("transactions/partial_debit", "500.00", "103.50", "4099546180"),
    ],
)
def test_reads_payments(name: str, amount: str, fee: str, payment_id: str) -> None:
    state = charges.state_of(sample(name))

    assert state.outcome is Outcome.SUCCEEDED
    assert (state.amount, state.fee) == (naira(amount), naira(fee))
    assert state.payment_id == payment_id
    assert state.occurred_at is not None
    assert state.method is not None
    assert (state.method.token, state.method.expires) == ("AUTH_uh8bcl3zbn", "2030-12")
    assert state.metadata == {}


def test_reads_the_address_of_the_page(wire: Wire, gateway: PaystackGateway) -> None:
    opened = sample("transactions/initialize")
    wire.answer("POST", "/transaction/initialize", opened)

    state = gateway.create_charge(charge(reference=opened["reference"]), key="key-1", now=NOW)

    assert state.action is not None
    assert state.action.url == "https://checkout.paystack.com/3ni8kdavz62431k"


def test_reads_refunds() -> None:
    created = refunds.state_of(sample("refunds/create"))
    retried = refunds.state_of(sample("refunds/retry"))

    assert (created.gateway_id, created.outcome) == ("3018284", Outcome.PENDING)
    assert (created.payment_id, created.charge_reference) == ("1004723697", "T685312322670591")
    assert (created.reference, created.amount) == ("", naira("100.00"))
    assert (retried.gateway_id, retried.payment_id) == ("1234567", "3298598423")
    assert (retried.outcome, retried.failure_code) == (Outcome.PENDING, "")


@pytest.mark.parametrize(
    ("name", "status", "amount"),
    [
        ("disputes/fetch", DisputeStatus.WON, "391.00"),
        ("disputes/transaction", DisputeStatus.WON, "391.00"),
        ("disputes/resolve", DisputeStatus.LOST, "10.02"),
        ("disputes/update", DisputeStatus.LOST, "10.02"),
    ],
)
def test_reads_disputes(name: str, status: DisputeStatus, amount: str) -> None:
    state = disputes.state_of(row_of(sample(name)))

    assert (state.status, state.amount) == (status, naira(amount))
    assert (state.payment_id, state.charge_reference) == ("5991760", "asjck8gf76zd1dr")
    assert state.evidence_due_at is None
    assert state.opened_at is not None


def test_reads_settlements(wire: Wire, gateway: PaystackGateway) -> None:
    rows = sample("settlements/list")
    wire.answer("GET", "/settlement", rows, meta={"total": 15, "page": 1, "pageCount": 1})

    states = list(gateway.list_settlements(ALWAYS))

    assert len(states) == len(rows)
    assert states[0].amount == naira("9.95")
    assert states[0].arrives_on == date(2022, 11, 9)
    for state, row in zip(states, rows, strict=True):
        assert state.amount.minor == row["total_processed"] - row["total_fees"]
        assert (state.status is SettlementStatus.PAID) is (row["status"] == "success")


def test_reads_the_ledger() -> None:
    lines = [books.line_of(row) for row in sample("transfers-control/balance-ledger")]

    assert [(line.kind, line.net) for line in lines] == [
        (LineKind.OTHER, naira("-500.00")),
        (LineKind.CHARGE, naira("100.00")),
        (LineKind.CHARGE, naira("5000.00")),
        (LineKind.CHARGE, naira("2308.45")),
        (LineKind.REFUND, naira("-2100.00")),
    ]
    assert lines[0].description == "Transfer: Who dey breet?"
    assert lines[1].description == "Transaction"


def test_reads_balances(wire: Wire, gateway: PaystackGateway) -> None:
    wire.answer("GET", "/balance", sample("transfers-control/balance"))

    (balance,) = gateway.balances()

    assert balance.available == naira("17000.00")


def test_reads_banks_and_their_customers(wire: Wire, gateway: PaystackGateway) -> None:
    wire.answer("GET", "/bank", sample("miscellaneous/bank"), meta={"next": None})
    wire.answer("GET", "/bank/resolve", sample("verification/resolve-account"))

    banks = gateway.list_banks("NGN")

    assert [bank.code for bank in banks] == ["801", "559", "50457", "999992", "50746"]
    assert gateway.resolve_account("0022728151", "058").name == "WES GIBBONS"


def test_reads_the_place_of_a_document() -> None:
    place = row_of(sample("disputes/upload-url"))

    assert place["signedUrl"].startswith("https://s3.eu-west-1.amazonaws.com/")
    assert place["fileName"] == "qesp8a4df1xejihd9x5q"


def _refusals() -> list[Any]:
    path = specs.FOLDER / "paystack-sample-responses.json"
    if not path.exists():
        return [pytest.param("", "", None, marks=pytest.mark.skip("no samples: `make specs`"))]
    return [
        pytest.param(name, status, answer["data"], id=f"{name} {status}")
        for name, answers in specs.load(path.name)["responses"].items()
        for status, answer in answers.items()
        if status.isdigit() and int(status) >= 400
    ]


@pytest.mark.parametrize(("name", "status", "body"), _refusals())
def test_takes_every_sample_of_a_refusal_for_certain(name: str, status: str, body: Any) -> None:
    error = errors.refused(int(status), body)

    assert isinstance(error, InvalidRequest | AuthenticationFailed)
    is_about_the_key = status in ("401", "403") or body["message"] == "Invalid key"
    assert isinstance(error, AuthenticationFailed) is is_about_the_key
    assert str(error) == body["message"][:200]


def test_knows_the_described_refusal_of_a_reference(wire: Wire, gateway: PaystackGateway) -> None:
    model = specs.load("paystack-openapi-trimmed.npm.json")["components"]["schemas"]
    example = model["TransactionInitializeBadRequestModel"]["example"]
    wire.reply("POST", "/transaction/initialize", example, status=400)

    with pytest.raises(GatewayError) as refusal:
        gateway.create_charge(charge(), key="key-1", now=NOW)

    assert type(refusal.value).__name__ == "DuplicateReference"
    assert wire.body()["reference"] == REFERENCE
