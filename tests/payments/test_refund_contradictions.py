"""payments.services.refund_contradictions: a refund failed, and then it was paid after all"""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F, Sum

from access.queries import trace
from access.services import content, gifts, refunds
from legato_payments.lib.money import Money
from payments import audit
from payments.gateways import base
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import Outcome, RefundState
from payments.ledger import chart, invariants
from payments.models import (
    ApprovalRequest,
    CoinBalance,
    Debt,
    DebtReduction,
    Difference,
    Purchase,
    Refund,
    RefundClosing,
    SandboxLine,
    SandboxRefund,
)
from payments.services import attempts, debt_write_offs, refund_contradictions, refund_outcomes
from payments.services import refunds as money_refunds
from tests import factories, money_back, second_person
from tests.factories import NOW, READER
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

Status = Refund.Status
Decision = RefundClosing.Decision
STAFF = "staff:999"
LATER = NOW + timedelta(hours=1)


def wallet() -> CoinBalance:
    return CoinBalance.objects.get(user_id=READER)


def close(refund: Refund, decision: str, **changes: Any) -> Any:
    facts = {"reason": "looked at the gateway", "actor": STAFF, "now": LATER, **changes}
    return refund_contradictions.propose(refund_id=refund.pk, decision=Decision(decision), **facts)


def spend(coins: int) -> Any:
    factories.put_content(f"chapter-of-{coins}", price=coins)
    bought = content.buy(user_id=READER, content_id=f"chapter-of-{coins}", now=NOW, actor="user:x")
    return bought.entitlement.transaction_id


def not_paid_after_all(refund: Refund) -> Refund:
    """The gateway changes its word once more: the money is in our balance again."""
    row = SandboxRefund.objects.get(reference=refund.reference)
    sandbox_refunds.fail(refund_id=row.pk, now=LATER)
    return money_back.hear_of_refund(Refund.objects.get(pk=refund.pk), now=LATER)


def sound() -> None:
    """The books add up, and the gateway has in them what it has in its own book."""
    assert list(invariants.discrepancies()) == []
    for currency in ("USD", "CAD", "NGN"):
        lines = SandboxLine.objects.filter(currency=currency)
        theirs = lines.aggregate(net=Sum(F("gross_minor") - F("fee_minor"), default=0))["net"]
        assert books.balance(chart.gateway("SANDBOX", currency)) == theirs * 10_000


def totals_of(purchase: Purchase) -> trace.Totals:
    """Where the value of a purchase is: all of it."""
    purchase.refresh_from_db()
    found = trace.of_purchase(transaction_id=purchase.pk)
    assert found is not None
    assert found.totals.sum_micros == purchase.value_micros
    return found.totals


@pytest.fixture
def purchase() -> Purchase:
    """A Starter Pack: 100 coins for 0.99 USD."""
    return factories.buy_coins(name="Starter Pack")


class TestCoins:
    def test_unused_coins_go_again_and_the_books_have_the_money_out(
        self, purchase: Purchase
    ) -> None:
        refund = money_back.contradicted(purchase)
        assert wallet().coins == 100

        closing = close(refund, "COINS")

        refund.refresh_from_db()
        assert (refund.status, refund.completed_at) == (Status.SUCCEEDED, LATER)
        assert (closing.coins, closing.value_micros, closing.owed_micros) == (100, 990_000, 0)
        assert (wallet().coins, wallet().debt_micros, wallet().blocked_by) == (0, 0, "")
        assert books_of.entries(closing.transaction_id) == {
            "coins_deferred USD": 990_000,
            "refund_in_flight USD": -990_000,
            "wallet COIN": 100,
            "coins_issued COIN": -100,
        }
        totals = totals_of(purchase)
        assert (totals.paid_back_micros, totals.unspent_micros) == (990_000, 0)
        sound()

    def test_what_was_spent_meanwhile_is_the_readers_debt(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        spend(33)

        closing = close(refund, "COINS")

        assert (closing.coins, closing.value_micros) == (67, 663_300)
        # 0.66 are covered by coins; what they are worth beyond the cent is rounding.
        assert closing.owed_micros == 990_000 - 660_000
        assert (wallet().coins, wallet().debt_micros) == (0, 330_000)
        assert wallet().blocked_by == f"refund:{refund.pk}"
        assert books.balance(chart.receivable(READER)) == 330_000
        assert books_of.entries(closing.transaction_id)["rounding USD"] == -3_300
        purchase.refresh_from_db()
        assert (purchase.refunded_micros, purchase.refunded_value_micros) == (990_000, 663_300)
        totals_of(purchase)
        sound()

    def test_the_next_purchase_pays_the_debt_and_lifts_the_block(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        spend(100)
        close(refund, "COINS")
        assert wallet().debt_micros == 990_000

        paying = factories.buy_coins(name="Reader Pack")

        assert (wallet().debt_micros, wallet().blocked_by) == (0, "")
        assert DebtReduction.objects.get().purchase == paying
        assert Debt.objects.get().open_micros == 0
        sound()

    def test_coins_that_were_spent_and_came_back_go_too_and_given_ones_do_not(
        self, purchase: Purchase
    ) -> None:
        refund = money_back.contradicted(purchase)
        refunds.refund(transaction_id=spend(40), reason="misread", actor="user:x", now=NOW)
        gifts.send_coins(sender_id=READER, recipient_id="reader-2", coins=10, now=NOW, actor="x")

        closing = close(refund, "COINS")

        assert closing.coins == 90
        assert (wallet().coins, books_of.coins("reader-2")) == (0, 10)
        assert wallet().debt_micros == 990_000 - 890_000
        sound()

    def test_coins_of_other_purchases_stay(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        spend(100)
        factories.buy_coins(name="Reader Pack")

        close(refund, "COINS")

        assert wallet().coins == 525
        assert wallet().debt_micros == 990_000
        sound()

    def test_of_a_purchase_paid_back_twice_the_reader_owes_all(self, purchase: Purchase) -> None:
        refund = money_back.pay_back(money_back.paid_with(purchase, "pm_refund_fails"))
        money_back.refund_fails(refund)
        money_back.pay_back(money_back.paid_with(purchase, "pm_card"))
        money_back.refund_was_paid(refund)

        closing = close(refund, "COINS")

        assert (closing.coins, closing.refunded_micros, closing.owed_micros) == (0, 0, 990_000)
        purchase.refresh_from_db()
        assert purchase.refunded_micros == 990_000
        sound()

    @pytest.mark.parametrize("spent", [0, 320])
    def test_taxes_and_currencies_unwind_with_the_coins(self, rates: None, spent: int) -> None:
        factories.register("CA")
        factories.register("CA-QC")
        purchase = factories.buy_coins(
            name="Enthusiast Pack", currency="CAD", country="CA", region="QC"
        )
        refund = money_back.contradicted(purchase)
        if spent:
            spend(spent)

        closing = close(refund, "COINS")

        assert closing.coins == 1_320 - spent
        for office, owed in (("CA", 700_000), ("CA-QC", 1_400_000)):
            # The sale of what was spent stands, and so does its tax.
            left = -books.balance(chart.tax_payable(office, "CAD"))
            assert abs(left - owed * spent // 1_320) < 1_000
        assert (wallet().debt_micros > 0) == bool(spent)
        sound()


class TestGoodwill:
    def test_the_reader_keeps_coins_and_money_at_our_cost(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)

        closing = close(refund, "GOODWILL")

        assert (closing.coins, closing.goodwill_micros) == (0, 990_000)
        assert (wallet().coins, wallet().debt_micros) == (100, 0)
        assert books.balance(chart.goodwill()) == 990_000
        purchase.refresh_from_db()
        assert (purchase.refunded_micros, purchase.refunded_value_micros) == (990_000, 0)
        totals_of(purchase)
        sound()

    def test_more_than_is_given_freely_takes_another_person(self) -> None:
        refund = money_back.contradicted(factories.pay(factories.start_purchase(coins=6_000)))
        before = books.fingerprint()

        waiting = close(refund, "GOODWILL")

        assert isinstance(waiting, ApprovalRequest)
        assert waiting.needed == 1
        assert not RefundClosing.objects.exists()
        assert books.fingerprint()["payments_entry"] == before["payments_entry"]
        second_person.agree(waiting.pk, now=LATER)
        waiting.refresh_from_db()
        assert waiting.status == ApprovalRequest.Status.EXECUTED, waiting.error
        assert RefundClosing.objects.get().approval_id == waiting.pk
        sound()


def test_beyond_the_limit_of_refunds_another_person_has_to_agree() -> None:
    refund = money_back.contradicted(factories.pay(factories.start_purchase(coins=11_000)))

    waiting = close(refund, "COINS")

    assert isinstance(waiting, ApprovalRequest)
    assert wallet().coins == 11_000
    second_person.agree(waiting.pk, now=LATER)
    refund.refresh_from_db()
    assert (refund.status, wallet().coins) == (Status.SUCCEEDED, 0)
    sound()


def test_what_the_gateway_says_until_it_is_carried_out_counts() -> None:
    refund = money_back.contradicted(factories.pay(factories.start_purchase(coins=11_000)))
    waiting = close(refund, "COINS")
    not_paid_after_all(refund)

    second_person.agree(waiting.pk, now=LATER)

    waiting.refresh_from_db()
    refund.refresh_from_db()
    assert (waiting.status, refund.status) == ("FAILED", Status.CONTRADICTED)
    assert waiting.error == "The gateway says: it was not paid."
    assert wallet().coins == 11_000


class TestFailed:
    def test_closes_without_moving_anything(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        not_paid_after_all(refund)
        before = books.fingerprint()

        closing = close(refund, "FAILED")

        refund.refresh_from_db()
        assert (refund.status, closing.transaction_id) == (Status.FAILED, None)
        after = books.fingerprint()
        changed = {table for table in after if after[table] != before[table]}
        assert changed == {
            "payments_refund",
            "payments_refundclosing",
            "payments_auditentry",
        }
        sound()

    def test_what_the_gateway_does_not_know_was_not_paid(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        SandboxRefund.objects.filter(pk=refund.gateway_id).delete()

        close(refund, "FAILED")

        refund.refresh_from_db()
        assert refund.status == Status.FAILED


class TestRefusals:
    @pytest.mark.parametrize("decision", ["COINS", "GOODWILL"])
    def test_nothing_is_booked_that_the_gateway_did_not_pay(
        self, purchase: Purchase, decision: str
    ) -> None:
        refund = money_back.contradicted(purchase)
        not_paid_after_all(refund)

        self.refused(refund, decision, refund_contradictions.GatewayDisagrees)

    def test_what_was_paid_is_not_closed_as_failed(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)

        self.refused(refund, "FAILED", refund_contradictions.GatewayDisagrees)

    def test_what_is_on_its_way_is_not_closed(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        SandboxRefund.objects.update(status=SandboxRefund.Status.PENDING)

        self.refused(refund, "COINS", refund_contradictions.GatewayDisagrees)

    def test_another_amount_is_another_refund(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        SandboxRefund.objects.update(amount_minor=98)

        self.refused(refund, "COINS", refund_contradictions.GatewayDisagrees)

    def test_without_an_answer_nothing_is_closed(
        self, purchase: Purchase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refund = money_back.contradicted(purchase)

        def lost(*_: Any, **__: Any) -> Any:
            raise base.Unavailable("no route", gateway="SANDBOX", code="connect")

        monkeypatch.setattr(SandboxGateway, "get_refund", lost)

        self.refused(refund, "COINS", attempts.GatewayUnavailable)

    def test_frozen_coins_wait_for_the_bank(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        money_back.dispute(purchase, amount_minor=99)

        self.refused(refund, "COINS", money_refunds.PurchaseDisputed)

    def test_closed_is_closed(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        close(refund, "COINS")

        self.refused(refund, "COINS", refund_contradictions.NotContradicted)

    def test_a_reason_is_needed(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)

        self.refused(refund, "COINS", audit.ReasonMissing, reason=" ")

    def refused(
        self, refund: Refund, decision: str, error: type[Exception], **changes: Any
    ) -> None:
        """No posting, no coin, no closing; only what the gateway said is kept."""
        tables = ("payments_entry", "payments_coinlot", "payments_coinbalance", "payments_lotuse")
        before = books.fingerprint()
        closings = RefundClosing.objects.count()

        with pytest.raises(error):
            close(refund, decision, **changes)

        after = books.fingerprint()
        assert {name: after[name] for name in tables} == {name: before[name] for name in tables}
        assert RefundClosing.objects.count() == closings
        assert not ApprovalRequest.objects.exists()


class TestUndone:
    """The gateway says once more that it was not paid, after it was closed as paid."""

    @pytest.mark.parametrize("decision", ["COINS", "GOODWILL"])
    def test_all_is_as_before_the_closing(self, purchase: Purchase, decision: str) -> None:
        refund = money_back.contradicted(purchase)
        spend(33)
        before = (wallet().coins, wallet().debt_micros, wallet().blocked_by)
        worth = totals_of(purchase)
        close(refund, decision)

        not_paid_after_all(refund)

        refund.refresh_from_db()
        assert refund.status == Status.FAILED
        assert (wallet().coins, wallet().debt_micros, wallet().blocked_by) == before
        assert totals_of(purchase) == worth
        assert books.balance(chart.goodwill()) == books.balance(chart.receivable(READER)) == 0
        purchase.refresh_from_db()
        assert (purchase.refunded_micros, purchase.refunded_value_micros) == (0, 0)
        sound()

    def test_a_debt_that_was_paid_comes_back_as_coins_of_the_purchase_that_paid(
        self, purchase: Purchase
    ) -> None:
        refund = money_back.contradicted(purchase)
        spend(100)
        close(refund, "COINS")
        paying = factories.buy_coins(name="Reader Pack")
        assert wallet().coins == 420

        not_paid_after_all(refund)

        assert (wallet().coins, wallet().debt_micros) == (525, 0)
        assert totals_of(paying).unspent_micros == paying.value_micros
        sound()

    def test_a_debt_that_was_written_off_is_our_loss_no_more(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        spend(100)
        close(refund, "COINS")
        waiting = debt_write_offs.propose(
            user_id=READER, amount=None, reason="too little", actor=STAFF, now=LATER
        )
        assert isinstance(waiting, ApprovalRequest)
        second_person.agree(waiting.pk, now=LATER)
        assert books.balance(chart.dispute_loss()) == 990_000

        not_paid_after_all(refund)

        assert books.balance(chart.dispute_loss()) == books.balance(chart.receivable(READER)) == 0
        assert wallet().coins == 0
        sound()

    def test_it_can_go_on_for_ever(self, purchase: Purchase) -> None:
        refund = money_back.contradicted(purchase)
        for decision in ("COINS", "GOODWILL", "COINS"):
            close(refund, decision)
            sound()
            not_paid_after_all(refund)
            sound()
            refund = money_back.refund_was_paid(refund)
            assert refund.status == Status.CONTRADICTED

        close(refund, "COINS")

        assert wallet().coins == 0
        assert totals_of(purchase).paid_back_micros == 990_000
        sound()


def test_a_reconciliation_finds_nothing_afterwards(purchase: Purchase) -> None:
    refund = money_back.contradicted(purchase)
    spend(33)
    scenes.run()
    assert Difference.objects.open().count() == 1

    close(refund, "COINS")
    scenes.run(now=scenes.LATER + timedelta(hours=2))

    assert not Difference.objects.open().exists()


def test_what_the_gateway_converted_of_it_follows_the_closing_and_its_end(rates: None) -> None:
    refund = money_back.contradicted(factories.buy_coins(READER, "Starter Pack", currency="CAD"))
    purchase = refund.purchase

    def hear(outcome: Outcome, settled: str) -> Refund:
        state = RefundState(
            gateway_id=refund.gateway_id,
            reference=refund.reference,
            payment_id=purchase.payment_id,
            charge_reference=purchase.reference,
            outcome=outcome,
            amount=Money(refund.amount_micros, "CAD"),
            settled=Money.parse(settled, "USD"),
        )
        return refund_outcomes.apply(refund_id=refund.pk, state=state, now=LATER)

    before = [books.balance(chart.gateway("SANDBOX", unit)) for unit in ("CAD", "USD")]
    assert hear(Outcome.SUCCEEDED, "1.00").settled == {}
    close(refund, "COINS")

    closed = hear(Outcome.SUCCEEDED, "1.00")

    assert (closed.status, closed.settled) == (Status.SUCCEEDED, {"USD": 1_000_000})
    after = [books.balance(chart.gateway("SANDBOX", unit)) for unit in ("CAD", "USD")]
    assert after == [before[0], before[1] - 1_000_000]
    assert list(invariants.discrepancies()) == []

    assert hear(Outcome.FAILED, "0.00").settled == {"USD": 0}
    assert [books.balance(chart.gateway("SANDBOX", unit)) for unit in ("CAD", "USD")] == before
    assert list(invariants.discrepancies()) == []
