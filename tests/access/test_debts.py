"""Debts of readers: charged by lost disputes, paid by purchases, written off by two people, void"""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.utils import IntegrityError

from access.queries import trace
from access.services import content
from legato_payments.lib.money import Money
from payments import approvals, audit
from payments.approvals import Order, Target
from payments.ledger import chart, invariants
from payments.models import (
    ApprovalRequest,
    CoinBalance,
    CoinLot,
    Debt,
    DebtReduction,
    Dispute,
    OutboxEvent,
    Purchase,
    StaffProfile,
)
from payments.services import debt_write_offs
from tests import factories, money_back, second_person
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER
from tests.ledger import books
from tests.payments import books_of

pytestmark = pytest.mark.django_db

STAFF = "staff:999"
LATER = NOW + timedelta(hours=1)


def wallet() -> CoinBalance:
    return CoinBalance.objects.get(user_id=READER)


def open_debts() -> list[int]:
    return list(Debt.objects.order_by("id").values_list("open_micros", flat=True))


def sound() -> None:
    assert list(invariants.discrepancies()) == []


def owing(name: str = "Starter Pack") -> Dispute:
    """A lost dispute of a purchase whose coins are all spent: the reader owes all of it."""
    purchase = factories.buy_coins(name=name)
    content_id = f"read-with-{purchase.pk}"
    factories.put_content(content_id, price=purchase.credited_coins)
    content.buy(user_id=READER, content_id=content_id, now=NOW, actor=f"user:{READER}")
    case = money_back.dispute(purchase)
    Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
    money_back.lose(case)
    return case


def write_off(amount: str | None, reason: str = "cannot be collected") -> ApprovalRequest:
    waiting = debt_write_offs.propose(
        user_id=READER,
        amount=Money.parse(amount, "USD") if amount else None,
        reason=reason,
        actor=STAFF,
        now=NOW,
    )
    assert isinstance(waiting, ApprovalRequest)
    return waiting


def written_off(amount: str | None) -> ApprovalRequest:
    return second_person.agree(write_off(amount).pk, now=NOW)


def traced(purchase: Purchase) -> trace.PurchaseTrace:
    found = trace.of_purchase(transaction_id=purchase.pk)
    assert found is not None
    assert found.totals.sum_micros == purchase.value_micros
    return found


class TestRows:
    def test_a_lost_dispute_charges_a_debt_and_a_purchase_pays_it(self) -> None:
        case = owing()
        debt = Debt.objects.get()
        assert (debt.loss and debt.loss.dispute_id, debt.amount_micros) == (case.pk, 990_000)
        assert (debt.open_micros, wallet().debt_micros) == (990_000, 990_000)

        paying = factories.buy_coins(name="Reader Pack")

        debt.refresh_from_db()
        assert (debt.open_micros, wallet().debt_micros) == (0, 0)
        paid = DebtReduction.objects.get()
        assert (paid.purchase, paid.amount_micros) == (paying, 990_000)
        sound()

    def test_the_oldest_is_paid_first(self) -> None:
        both_owing()
        assert open_debts() == [990_000, 990_000]

        factories.buy_coins(coins=50)

        assert open_debts() == [490_000, 990_000]
        assert wallet().debt_micros == 1_480_000
        sound()

    def test_a_loss_that_others_bear_is_no_debt(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        money_back.lose(money_back.dispute(purchase))

        assert not Debt.objects.exists()
        sound()

    @pytest.mark.parametrize(
        ("table", "change"),
        [
            ("payments_debt", "open_micros = open_micros - 1"),
            ("payments_debt", "amount_micros = amount_micros + 1"),
            ("payments_coinbalance", "debt_micros = debt_micros + 1"),
        ],
    )
    def test_rows_that_say_something_else_are_found(self, table: str, change: str) -> None:
        owing()
        sound()

        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {change}")

        assert "rows of debts" in {one.check for one in invariants.discrepancies()}


def test_debts_of_before_get_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration finds what is owed and what was paid in the rows that were there."""
    with monkeypatch.context() as patch:
        for model in (Debt, DebtReduction):
            patch.setattr(model.objects, "create", lambda **_: None)
        both_owing()
        factories.buy_coins(coins=50)
    assert {one.check for one in invariants.discrepancies()} == {"rows of debts", "paid debts"}
    migration = import_module("payments.migrations.0029_debt_rules")

    migration.fill(apps, "default", READER)

    assert open_debts() == [490_000, 990_000]
    assert DebtReduction.objects.get().amount_micros == 500_000
    sound()


class TestWriteOff:
    def test_takes_a_second_person_and_lifts_the_block(self) -> None:
        owing()
        assert wallet().blocked_by
        waiting = write_off(None)
        assert (waiting.needed, wallet().debt_micros) == (1, 990_000)

        second_person.agree(waiting.pk, now=NOW)

        waiting.refresh_from_db()
        assert waiting.status == ApprovalRequest.Status.EXECUTED, waiting.error
        row = DebtReduction.objects.get()
        assert (row.amount_micros, row.approval_id, row.purchase) == (990_000, waiting.pk, None)
        assert books_of.entries(row.transaction_id) == {
            "dispute_loss USD": 990_000,
            "receivable:user USD": -990_000,
        }
        assert (wallet().debt_micros, wallet().blocked_by, open_debts()) == (0, "", [0])
        told = OutboxEvent.objects.latest("id")
        assert (told.type, told.subject) == ("payments.balance.changed", READER)
        [entry] = books_of.audit("payments.debt.written_off")
        assert (entry.actor, entry.reason) == (STAFF, "cannot be collected")
        assert entry.after
        assert entry.after["owed"] == "0.00"
        sound()

    def test_a_part_leaves_the_rest_and_the_block(self) -> None:
        owing()
        by = wallet().blocked_by

        written_off("0.40")

        assert (wallet().debt_micros, wallet().blocked_by) == (590_000, by)
        assert open_debts() == [590_000]
        factories.buy_coins(name="Reader Pack")
        assert (wallet().debt_micros, wallet().blocked_by) == (0, "")
        sound()

    def test_a_purchase_meanwhile_makes_it_fail_and_nothing_moves(self) -> None:
        owing()
        waiting = write_off(None)
        factories.buy_coins(name="Starter Pack")
        before = wallet().debt_micros, books.fingerprint()["payments_entry"]

        second_person.agree(waiting.pk, now=NOW)

        waiting.refresh_from_db()
        assert (waiting.status, waiting.error) == ("FAILED", "0.00 USD are owed.")
        assert (wallet().debt_micros, books.fingerprint()["payments_entry"]) == before

    @pytest.mark.parametrize(
        ("amount", "reason", "error"),
        [
            ("0.99", " ", audit.ReasonMissing),
            ("1.00", "x", debt_write_offs.DebtSmaller),
            ("0.00", "x", debt_write_offs.WriteOffEmpty),
            ("-0.10", "x", debt_write_offs.WriteOffEmpty),
        ],
    )
    def test_refuses_what_cannot_be_given_up(
        self, amount: str, reason: str, error: type[Exception]
    ) -> None:
        owing()
        before = books.fingerprint()

        with pytest.raises(error):
            write_off(amount, reason)

        assert books.fingerprint() == before

    def test_who_owes_nothing_has_nothing_to_write_off(self) -> None:
        factories.buy_coins()
        before = books.fingerprint()

        with pytest.raises(debt_write_offs.DebtSmaller):
            write_off(None)

        assert books.fingerprint() == before

    def test_nobody_does_it_alone(self) -> None:
        owing()
        before = books.fingerprint()
        payload = {"after": {"reader": READER, "amount": "0.99", "currency": "USD"}}
        alone = Order(Target("user", READER), payload, STAFF, "mine", NOW)

        with pytest.raises(debt_write_offs.WriteOffNotApproved):
            debt_write_offs.carry_out(alone)

        assert books.fingerprint() == before

    def test_nobody_agrees_to_a_write_off_of_the_own_debt(self) -> None:
        owing()
        waiting = write_off(None)
        StaffProfile.objects.create(user=second_person.person(), platform_user_id=READER)

        with pytest.raises(approvals.SelfDealing):
            second_person.agree(waiting.pk, now=NOW)

        assert wallet().debt_micros == 990_000

    def test_the_database_refuses_another_amount_than_was_agreed_to(self) -> None:
        owing()
        waiting = write_off("0.40")
        DebtReduction.objects.create(
            wallet=wallet(),
            approval_id=waiting.pk,
            transaction_id=Debt.objects.get().transaction_id,
            amount_micros=990_000,
            reduced_by=STAFF,
            reduced_at=NOW,
        )

        with pytest.raises(IntegrityError, match="not what was approved"):
            connection.check_constraints()

    def test_the_database_keeps_what_was_written_off(self) -> None:
        owing()
        written_off("0.40")

        with pytest.raises(IntegrityError, match="does not change"):
            DebtReduction.objects.update(amount_micros=1)


class TestVoid:
    """A dispute that was lost is won after all."""

    def test_what_a_purchase_had_paid_comes_back_as_its_coins_and_its_trace_adds_up(self) -> None:
        case = owing()
        paying = factories.buy_coins(name="Reader Pack")
        before = traced(paying)
        assert (before.totals.debt_micros, before.totals.unspent_micros) == (990_000, 4_000_000)

        money_back.win(case)

        after = traced(paying)
        assert (after.totals.debt_micros, after.totals.unspent_micros) == (0, 4_990_000)
        assert [(lot.coins, lot.parent_id) for lot in after.lots] == [(420, None), (105, None)]
        answer = api(user=READER).get(f"{PAYMENTS}/transactions/{paying.pk}/trace").json()
        assert [lot["remaining_coins"] for lot in answer["lots"]] == [420, 105]
        assert answer["totals"]["unspent"] == {"amount": "4.99", "currency": "USD"}
        sound()

    def test_spent_returned_coins_name_the_purchase_that_paid_them(self) -> None:
        case = owing()
        paying = factories.buy_coins(name="Reader Pack")
        money_back.win(case)
        factories.put_content("long", price=525)

        bought = content.buy(user_id=READER, content_id="long", now=NOW, actor="user:x")

        path = f"{PAYMENTS}/transactions/{bought.entitlement.transaction_id}/trace"
        answer = api(user=READER).get(path).json()
        assert {source["purchase_id"] for source in answer["sources"]} == {str(paying.pk)}
        assert traced(paying).totals.unspent_micros == 0

    def test_returned_coins_are_paid_back_with_their_purchase(self) -> None:
        case = owing()
        paying = factories.buy_coins(name="Reader Pack")
        money_back.win(case)
        paying.refresh_from_db()

        refund = money_back.pay_back(paying)

        assert (refund.coins, refund.amount_micros) == (525, 4_990_000)
        assert wallet().coins == 0
        sound()

    def test_returned_coins_of_a_disputed_purchase_are_frozen(self) -> None:
        case = owing()
        paying = factories.buy_coins(name="Reader Pack")
        other = money_back.dispute(paying)

        money_back.win(case)

        assert (wallet().coins, wallet().held) == (0, 525)
        assert CoinLot.objects.latest("id").frozen_by == other.freezer
        money_back.win(other)
        assert (wallet().coins, wallet().held) == (525, 0)
        sound()

    def test_what_was_written_off_is_our_loss_no_more_and_brings_no_coins(self) -> None:
        case = owing()
        written_off("0.40")
        factories.buy_coins(name="Starter Pack")
        assert wallet().coins == 100 * 400_000 // 990_000

        money_back.win(case)

        assert books.balance(chart.dispute_loss()) == books.balance(chart.receivable(READER)) == 0
        assert wallet().coins == 100
        assert [one.left_micros for one in DebtReduction.objects.all()] == [0, 0]
        sound()

    def test_with_another_debt_open_what_was_paid_pays_that_one(self) -> None:
        first, second = both_owing()
        factories.buy_coins(name="Starter Pack")
        assert open_debts() == [0, 990_000]

        money_back.win(first)

        assert (wallet().coins, wallet().debt_micros, open_debts()) == (0, 0, [0, 0])
        money_back.win(second)
        assert (wallet().coins, wallet().debt_micros) == (100, 0)
        sound()

    def test_the_newest_payment_comes_back_first(self) -> None:
        case = owing("Reader Pack")
        small = factories.buy_coins(name="Starter Pack")
        large = factories.buy_coins(name="Premium Pack")
        assert (small.debt_micros, large.debt_micros) == (990_000, 4_000_000)

        money_back.win(case)

        assert wallet().coins == 100 + 2_875
        for purchase in (small, large):
            assert traced(purchase).totals.unspent_micros == purchase.value_micros
        returned = CoinLot.objects.filter(origin="RESTORED").order_by("id")
        assert [lot.purchase_id for lot in returned] == [large.pk, small.pk]
        sound()


def both_owing() -> tuple[Dispute, Dispute]:
    """Two lost disputes of 0.99 each; everything was read before either was lost."""
    purchases = [factories.buy_coins(name="Starter Pack") for _ in range(2)]
    factories.put_content("all-of-it", price=200)
    content.buy(user_id=READER, content_id="all-of-it", now=NOW, actor=f"user:{READER}")
    cases = [money_back.dispute(purchase) for purchase in purchases]
    Dispute.objects.update(policy=Dispute.Policy.READER)
    for case in cases:
        money_back.lose(case)
    first, second = cases
    return first, second
