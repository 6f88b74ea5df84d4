"""Stripe's own books: its lines, its payouts to our bank, its balance."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import (
    BalanceState,
    LedgerLine,
    LineKind,
    SettlementState,
    SettlementStatus,
    Window,
)
from tests.payments.gateways.stripe import objects
from tests.payments.gateways.stripe.objects import CREATED, REFERENCE
from tests.payments.gateways.stripe.peer import StrictPeer

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
WINDOW = Window(NOW, NOW + timedelta(days=1))
LINES = "GET /v1/balance_transactions"
PAYOUTS = "GET /v1/payouts"


def test_a_line_of_a_payment_names_the_payment(gateway: StripeGateway, peer: StrictPeer) -> None:
    line = objects.line(id="txn_1", source=objects.charge(), description="1,100 Legato coins")
    peer.will_answer(LINES, objects.page(line))

    lines = list(gateway.ledger(WINDOW))

    assert peer.only(LINES).params == {
        "created": {"gte": int(NOW.timestamp()), "lt": int(NOW.timestamp()) + 86_400},
        "expand": ["data.source"],
        "limit": 100,
    }
    assert lines == [
        LedgerLine(
            id="txn_1",
            kind=LineKind.CHARGE,
            gross=Money.from_minor(999, "USD"),
            fee=Money.from_minor(59, "USD"),
            source_id="pi_1",
            reference=REFERENCE,
            occurred_at=datetime.fromtimestamp(CREATED, UTC),
            description="1,100 Legato coins",
        )
    ]
    assert lines[0].net == Money.from_minor(940, "USD")


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("charge", LineKind.CHARGE),
        ("refund", LineKind.REFUND),
        ("refund_failure", LineKind.REFUND_FAILURE),
        ("dispute", LineKind.DISPUTE),
        ("dispute_reversal", LineKind.DISPUTE_REVERSAL),
        ("payout", LineKind.SETTLEMENT),
        ("payout_reversal", LineKind.SETTLEMENT_FAILURE),
        ("fee", LineKind.FEE),
        ("network_cost", LineKind.FEE),
        ("tax", LineKind.FEE),
        ("other_adjustment", LineKind.OTHER),
        ("a_new_one", LineKind.OTHER),
    ],
)
def test_the_category_says_what_a_line_is(
    gateway: StripeGateway, peer: StrictPeer, category: str, kind: LineKind
) -> None:
    line = objects.line(type="adjustment", reporting_category=category, source=None)
    peer.will_answer(LINES, objects.page(line))

    (read,) = gateway.ledger(WINDOW)

    assert read.kind is kind
    assert read.source_id == ""


@pytest.mark.parametrize(
    ("source", "source_id", "reference"),
    [
        ("refund", "re_1", "lprefund"),
        ("dispute", "du_1", ""),
        ("payout", "po_1", ""),
    ],
)
def test_a_line_names_what_it_is_about(
    gateway: StripeGateway, peer: StrictPeer, source: str, source_id: str, reference: str
) -> None:
    make: dict[str, Any] = {
        "refund": objects.refund,
        "dispute": objects.dispute,
        "payout": objects.payout,
    }
    peer.will_answer(LINES, objects.page(objects.line(source=make[source]())))

    (read,) = gateway.ledger(WINDOW)

    assert (read.source_id, read.reference) == (source_id, reference)


def test_a_payout_is_made_of_all_lines_but_its_own(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    own = objects.line(id="txn_9", amount=-999, source=objects.payout())
    peer.will_answer(LINES, objects.page(own, objects.line(id="txn_1", source=objects.charge())))

    lines = list(gateway.settlement_lines("po_1"))

    assert peer.only(LINES).params["payout"] == "po_1"
    assert [(line.id, line.settlement_id) for line in lines] == [("txn_1", "po_1")]


def test_lines_in_other_currencies_are_left_out(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(LINES, objects.page(objects.line(currency="eur"), objects.line(id="txn_1")))

    assert [line.id for line in gateway.ledger(WINDOW)] == ["txn_1"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", SettlementStatus.PENDING),
        ("in_transit", SettlementStatus.PENDING),
        ("paid", SettlementStatus.PAID),
        ("failed", SettlementStatus.FAILED),
        ("canceled", SettlementStatus.FAILED),
    ],
)
def test_payouts_are_listed_as_they_stand(
    gateway: StripeGateway, peer: StrictPeer, status: str, expected: SettlementStatus
) -> None:
    payout = objects.payout(
        status=status, arrival_date=CREATED, trace_id={"status": "supported", "value": "TR1"}
    )
    peer.will_answer(PAYOUTS, objects.page(payout, objects.payout(currency="eur")))

    assert list(gateway.list_settlements(WINDOW)) == [
        SettlementState(
            gateway_id="po_1",
            amount=Money.from_minor(1100, "USD"),
            status=expected,
            arrives_on=date(2026, 9, 21),
            created_at=datetime.fromtimestamp(CREATED, UTC),
            bank_reference="TR1",
        )
    ]


def test_the_balance_is_told_in_our_currencies(gateway: StripeGateway, peer: StrictPeer) -> None:
    balance = objects.example(
        "balance",
        available=[{"amount": 5_000, "currency": "usd"}, {"amount": 1, "currency": "eur"}],
        pending=[{"amount": -200, "currency": "cad"}, {"amount": 999, "currency": "usd"}],
    )
    peer.will_answer("GET /v1/balance", balance)

    assert gateway.balances() == [
        BalanceState(Money.from_minor(0, "CAD"), Money.from_minor(-200, "CAD")),
        BalanceState(Money.from_minor(5_000, "USD"), Money.from_minor(999, "USD")),
    ]
