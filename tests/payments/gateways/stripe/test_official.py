"""Everything official: the examples can be read, and every state that is described is known."""

from collections.abc import Callable
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.stripe import books, charge_states, disputes, fields, refunds
from payments.gateways.values import DisputeStatus, LineKind, Outcome, SettlementStatus
from tests import specs
from tests.payments.gateways.stripe import description, objects


def official(name: str) -> dict[str, Any]:
    """Stripe's own example, unchanged; the test is skipped where it is not at hand."""
    return dict(specs.load(objects.FIXTURES)["resources"][name])


def states(schema: str, member: str = "status") -> list[str]:
    """The values that are described for a member."""
    found = description.schema(schema)["properties"][member]["enum"]
    assert found
    return list(found)


class TestExamples:
    def test_a_payment_can_be_read(self) -> None:
        state = charge_states.of_intent(official("payment_intent"))

        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.amount == Money.from_minor(1099, "USD")
        assert state.reference == ""

    def test_a_payment_with_its_charge_can_be_read(self) -> None:
        paid = {
            **official("payment_intent"),
            "status": "succeeded",
            "amount_received": 1099,
            "latest_charge": {
                **official("charge"),
                "balance_transaction": official("balance_transaction"),
            },
        }

        state = charge_states.of_intent(paid)

        assert state.outcome is Outcome.SUCCEEDED
        assert state.fee == Money.from_minor(0, "USD")
        assert state.settled is None

    def test_a_page_can_be_read(self) -> None:
        page = {**official("checkout.session"), "amount_total": 1099, "currency": "usd"}

        state = charge_states.of_session(page)

        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.action
        assert state.payment_id.startswith("pi_")

    def test_a_refund_can_be_read(self) -> None:
        state = refunds.state_of(official("refund"))

        assert state.outcome is Outcome.SUCCEEDED
        assert (state.reference, state.payment_id) == ("", "")

    def test_a_dispute_can_be_read(self) -> None:
        state = disputes.state_of(official("dispute"))

        assert state.status is DisputeStatus.NEEDS_RESPONSE
        assert not state.holds_funds
        assert state.fee is None
        assert state.evidence_due_at

    def test_a_line_can_be_read(self) -> None:
        line = books.line_of(official("balance_transaction"))

        assert line
        assert line.kind is LineKind.CHARGE
        assert line.source_id.startswith("ch_")

    def test_a_line_of_a_charge_alone_names_the_charge(self) -> None:
        line = books.line_of({**official("balance_transaction"), "source": official("charge")})

        assert line
        assert line.source_id == official("charge")["id"]

    def test_a_payout_can_be_read(self) -> None:
        settlement = books.settlement_of(official("payout"))

        assert settlement
        assert settlement.status is SettlementStatus.PENDING
        assert settlement.bank_reference == ""

    def test_a_balance_can_be_read(self) -> None:
        (balance,) = books.balances_of(official("balance"))

        assert balance.available == balance.pending == Money.from_minor(0, "USD")

    def test_a_method_can_be_read(self) -> None:
        method = fields.method_of("pm_1", "cus_1", official("payment_method"))

        assert (method.brand, method.last4, method.expires) == ("visa", "4242", "2030-08")


class TestStates:
    def test_every_state_of_a_payment_is_known(self) -> None:
        outcomes = {
            status: charge_states.of_intent(objects.intent(status)).outcome
            for status in states("payment_intent")
        }

        assert outcomes == {
            "requires_payment_method": Outcome.ACTION_REQUIRED,
            "requires_confirmation": Outcome.ACTION_REQUIRED,
            "requires_action": Outcome.ACTION_REQUIRED,
            "processing": Outcome.PENDING,
            "requires_capture": Outcome.PENDING,
            "succeeded": Outcome.SUCCEEDED,
            "canceled": Outcome.CANCELLED,
        }

    def test_only_a_refused_saved_method_has_failed_for_good(self) -> None:
        refused = objects.intent(
            "requires_payment_method",
            automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
            last_payment_error={"code": "card_declined", "decline_code": "lost_card"},
        )

        state = charge_states.of_intent(refused)

        assert state.outcome is Outcome.FAILED
        assert state.failure_code == "lost_card"
        assert state.action is None

    def test_every_state_of_a_page_is_known(self) -> None:
        outcomes = {
            (status, payment): charge_states.of_session(
                objects.session(status, payment_status=payment, payment_intent="pi_1")
            ).outcome
            for status in states("checkout.session")
            for payment in states("checkout.session", "payment_status")
        }

        assert {key for key, outcome in outcomes.items() if outcome is Outcome.SUCCEEDED} == {
            ("complete", "paid")
        }
        assert outcomes["complete", "unpaid"] is Outcome.PENDING
        assert {outcomes["open", payment] for payment in ("paid", "unpaid")} == {
            Outcome.ACTION_REQUIRED
        }
        assert outcomes["expired", "unpaid"] is Outcome.CANCELLED

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("processing", Outcome.PENDING),
            ("requires_payment_method", Outcome.FAILED),
            ("canceled", Outcome.CANCELLED),
        ],
    )
    def test_a_completed_page_is_what_its_payment_is(self, status: str, outcome: Outcome) -> None:
        page = objects.session(
            "complete", payment_status="unpaid", payment_intent=objects.intent(status)
        )

        state = charge_states.of_session(page)

        assert state.outcome is outcome
        assert state.amount == Money.from_minor(999, "USD")

    def test_every_state_of_a_dispute_is_known(self) -> None:
        read = {disputes.state_of(objects.dispute(status)).status for status in states("dispute")}

        assert read == set(DisputeStatus)

    @pytest.mark.parametrize(
        ("read", "make"),
        [
            (charge_states.of_intent, objects.intent),
            (disputes.state_of, objects.dispute),
            (refunds.state_of, lambda status: objects.refund(status=status)),
            (books.settlement_of, lambda status: objects.payout(status=status)),
        ],
    )
    def test_a_state_that_is_not_described_is_not_guessed(
        self, read: Callable[[dict[str, Any]], object], make: Callable[[str], dict[str, Any]]
    ) -> None:
        with pytest.raises(KeyError):
            read(make("new"))
