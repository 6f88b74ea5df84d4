"""Disputes that take a turn: another amount, coins given away, an appeal, a lost answer"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from access.services import dispute_losses, gifts
from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.sandbox import disputes as bank
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import DisputeState, DisputeStatus, Evidence
from payments.ledger import holds
from payments.models import Attempt, CoinBalance, Dispute, DisputeLoss, Purchase, SandboxDispute
from payments.services import attempts, dispute_answers, disputes
from tests import factories
from tests.factories import NOW, READER
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db

TEN = Money(10_000_000, "USD")


def told(row: SandboxDispute, purchase: Purchase, **changes: Any) -> Dispute:
    """The gateway tells how a dispute stands, changed a little."""
    state = replace(scenes.dispute_state(row), **changes)
    return disputes.apply(purchase_id=purchase.pk, state=state, now=NOW)


def wallet() -> tuple[int, int]:
    """What the reader can spend, and what is held."""
    found = CoinBalance.objects.get(user_id=READER)
    return found.coins, found.held


class TestAnotherAmount:
    def test_is_what_the_gateway_takes_at_last(self) -> None:
        purchase = factories.buy_coins()
        row = scenes.dispute_there(purchase)
        asked = told(row, purchase, status=DisputeStatus.NEEDS_RESPONSE, holds_funds=False)
        assert (asked.booked, asked.amount_micros) == ("NONE", 39_990_000)

        lost = told(row, purchase, status=DisputeStatus.LOST, amount=TEN)
        dispute_losses.settle(dispute_id=lost.pk, now=NOW)

        lost.refresh_from_db()
        assert lost.amount_micros == 10_000_000
        held = books_of.transaction(f"dispute:{lost.pk}:2:opened")
        assert books_of.entries(held.pk)["gateway:sandbox USD"] == -10_000_000
        assert wallet() == (4_950, 0)
        books.assert_sound()

    def test_brings_its_own_tax(self) -> None:
        factories.register("CA")
        purchase = factories.buy_coins(country="CA", region="ON")
        row = scenes.dispute_there(purchase)
        told(row, purchase, status=DisputeStatus.NEEDS_RESPONSE, holds_funds=False)

        again = told(row, purchase, amount=TEN)

        assert again.tax_micros == 5_200_000 * 10_000_000 // 45_190_000

    def test_changes_nothing_once_the_money_is_held(self) -> None:
        purchase = factories.buy_coins()
        row = scenes.dispute_there(purchase)
        told(row, purchase)

        again = told(row, purchase, amount=TEN)

        assert (again.booked, again.amount_micros) == ("HELD", 39_990_000)


class TestGivenAwayMeanwhile:
    """Coins that change hands between our looking for their holders and our locking these."""

    @pytest.fixture(autouse=True)
    def giving(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
        """Who gives 100 coins to whom as soon as the holders were looked up."""
        gifts_to_come: list[tuple[str, str]] = []
        look_up = holds.holders_of

        def overtaken(*, purchase_id: UUID) -> list[str]:
            found = look_up(purchase_id=purchase_id)
            if gifts_to_come:
                sender, recipient = gifts_to_come.pop()
                gifts.send_coins(
                    sender_id=sender,
                    recipient_id=recipient,
                    coins=100,
                    now=NOW,
                    actor=f"user:{sender}",
                )
            return found

        monkeypatch.setattr(holds, "holders_of", overtaken)
        return gifts_to_come

    def test_are_held_where_they_are(self, giving: list[tuple[str, str]]) -> None:
        purchase = factories.buy_coins()
        row = scenes.dispute_there(purchase)
        giving.append((READER, "bob"))

        told(row, purchase)

        assert wallet() == (0, 6_500)
        assert CoinBalance.objects.get(user_id="bob").held == 100
        books.assert_sound()

    def test_are_taken_by_the_loss(self, giving: list[tuple[str, str]]) -> None:
        purchase = factories.buy_coins()
        row = scenes.dispute_there(purchase)
        lost = told(row, purchase, status=DisputeStatus.LOST)
        # As after a dispute that was opened before coins of the purchase could be held.
        for one in CoinBalance.objects.all():
            lots = holds.unused_lots(purchase_id=purchase.pk, wallet=one)
            holds.release(wallet=one, lots=lots, by=lost.freezer)
        giving.append((READER, "bob"))

        dispute_losses.settle(dispute_id=lost.pk, now=NOW)

        assert DisputeLoss.objects.get().coins == 6_600
        assert wallet() == (0, 0)
        bob = CoinBalance.objects.get(user_id="bob")
        assert (bob.coins, bob.held) == (0, 0)
        books.assert_sound()


def test_an_appeal_that_is_lost_leaves_the_rest_of_the_coins_with_the_reader() -> None:
    purchase = factories.buy_coins()
    row = bank.open_one(charge_id=factories.charge_of(purchase).pk, amount_minor=1_000, now=NOW)
    lost = told(row, purchase, status=DisputeStatus.LOST)
    dispute_losses.settle(dispute_id=lost.pk, now=NOW)
    assert wallet() == (4_950, 0)

    told(row, purchase, status=DisputeStatus.UNDER_REVIEW)
    assert wallet() == (4_950, 0)
    told(row, purchase, status=DisputeStatus.LOST)
    dispute_losses.settle(dispute_id=lost.pk, now=NOW)

    assert wallet() == (4_950, 0)
    assert DisputeLoss.objects.count() == 1
    books.assert_sound()


def test_an_appeal_that_is_won_brings_back_what_was_taken() -> None:
    purchase = factories.buy_coins()
    row = bank.open_one(charge_id=factories.charge_of(purchase).pk, amount_minor=1_000, now=NOW)
    lost = told(row, purchase, status=DisputeStatus.LOST)
    dispute_losses.settle(dispute_id=lost.pk, now=NOW)
    told(row, purchase, status=DisputeStatus.UNDER_REVIEW)

    told(row, purchase, status=DisputeStatus.WON, holds_funds=False)
    dispute_losses.settle(dispute_id=lost.pk, now=NOW)

    assert wallet() == (6_600, 0)
    books.assert_sound()


class TestAnsweredAgain:
    """An answer that did not get through the first time."""

    def answer(self, case: Dispute, words: str, *, now: datetime = NOW) -> Dispute:
        return dispute_answers.answer(
            dispute_id=case.pk, evidence=Evidence(message=words), actor="staff:7", now=now
        )

    @pytest.fixture
    def fails(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Have the gateway fail one answer, perhaps after it took it."""

        def plan(error: type[base.GatewayError], *, is_taken: bool = False) -> None:
            submit = SandboxGateway.submit_evidence

            def once(self: SandboxGateway, **asked: Any) -> DisputeState:
                monkeypatch.setattr(SandboxGateway, "submit_evidence", submit)
                if is_taken:
                    submit(self, **asked)
                raise error("no", gateway="SANDBOX")

            monkeypatch.setattr(SandboxGateway, "submit_evidence", once)

        return plan

    def test_what_was_refused_can_be_said_otherwise(self, fails: Callable[..., None]) -> None:
        case = scenes.dispute(factories.buy_coins())
        fails(base.InvalidRequest)
        with pytest.raises(dispute_answers.AnswerRefused):
            self.answer(case, "much too long")

        assert self.answer(case, "short").status == Dispute.Status.UNDER_REVIEW
        case.refresh_from_db()
        assert case.evidence is not None
        assert case.evidence["message"] == "short"

    def test_what_was_lost_is_looked_for_first(self, fails: Callable[..., None]) -> None:
        case = scenes.dispute(factories.buy_coins())
        fails(base.Ambiguous)
        with pytest.raises(attempts.GatewayUnavailable):
            self.answer(case, "first")

        assert self.answer(case, "second").status == Dispute.Status.UNDER_REVIEW
        states = list(Attempt.objects.order_by("pk").values_list("state", flat=True))
        assert states[-2:] == ["UNSENT", "ANSWERED"]

    def test_what_was_taken_is_not_sent_again(self, fails: Callable[..., None]) -> None:
        case = scenes.dispute(factories.buy_coins())
        fails(base.Ambiguous, is_taken=True)
        with pytest.raises(attempts.GatewayUnavailable):
            self.answer(case, "first")

        with pytest.raises(dispute_answers.DisputeClosed):
            self.answer(case, "second")

        theirs = SandboxDispute.objects.get(pk=case.gateway_id)
        assert theirs.evidence is not None
        assert theirs.evidence["message"] == "first"
        assert Attempt.objects.latest("pk").state == "ANSWERED"
        case.refresh_from_db()
        assert case.status == Dispute.Status.UNDER_REVIEW
