"""Disputes to the last cent: held, won, lost, undone, settled by the reader"""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from access.services import content, dispute_losses, gifts, reversals, tips
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from payments.gateways.sandbox import books as sandbox_books
from payments.gateways.sandbox import disputes as sandbox_disputes
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import Evidence
from payments.ledger import chart, invariants
from payments.models import (
    CoinBalance,
    CoinLot,
    Dispute,
    DisputeLoss,
    OutboxEvent,
    Purchase,
    SandboxDispute,
)
from payments.outbox import EventType
from payments.services import dispute_answers, disputes, refunds, wallets
from revenue.models import Earning
from tests import factories
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

Status = Dispute.Status
Booked = Dispute.Booked
Policy = Dispute.Policy
LATER = NOW + timedelta(days=2)
MATURED = NOW + timedelta(days=90)


def bought(user_id: str = READER, **order: Any) -> Purchase:
    purchase = factories.start_purchase(user_id, saved_method="pm_card", **order)
    assert purchase.status == Purchase.Status.SUCCEEDED
    return purchase


def spend(coins: int, user_id: str = READER, content_id: str = "") -> None:
    content_id = content_id or f"chapter-of-{coins}"
    factories.put_content(content_id, price=coins)
    content.buy(user_id=user_id, content_id=content_id, now=NOW, actor=f"user:{user_id}")


def spend_on(content_id: str) -> None:
    content.buy(user_id=READER, content_id=content_id, now=NOW, actor=f"user:{READER}")


def opened(purchase: Purchase, amount: str = "", **details: Any) -> SandboxDispute:
    minor = Money.parse(amount, purchase.currency).minor if amount else None
    return sandbox_disputes.open_one(
        charge_id=purchase.payment_id, amount_minor=minor, now=LATER, **details
    )


def hear(theirs: SandboxDispute) -> Dispute:
    """We read the dispute at the gateway, and do what has to be done about it."""
    state = SandboxGateway().get_dispute(gateway_id=theirs.pk)
    assert state is not None
    purchase = disputes.find_purchase(provider="SANDBOX", state=state)
    assert purchase is not None
    ours = disputes.apply(purchase_id=purchase.pk, state=state, now=LATER)
    settle(ours)
    ours.refresh_from_db()
    return ours


def settle(ours: Dispute, now: Any = LATER) -> None:
    dispute_losses.settle(dispute_id=ours.pk, now=now)


def lost(purchase: Purchase, policy: Policy = Policy.WRITERS, amount: str = "") -> Dispute:
    theirs = opened(purchase, amount)
    ours = hear(theirs)
    if policy != Policy.WRITERS:
        dispute_losses.choose_policy(
            dispute_id=ours.pk, policy=policy, actor="staff:7", reason="a test", now=LATER
        )
    sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)
    return hear(theirs)


def wallet(user_id: str = READER) -> CoinBalance:
    return CoinBalance.objects.get(user_id=user_id)


def sound() -> None:
    assert list(invariants.discrepancies()) == []


def micros(account: chart.AccountRef) -> int:
    return books.balance(account)


class TestOpened:
    def test_holds_the_money_and_the_coins_and_books_the_fee(self) -> None:
        purchase = bought()
        spend(600)

        ours = hear(opened(purchase))

        assert (ours.status, ours.booked) == (Status.NEEDS_RESPONSE, Booked.HELD)
        assert (wallet().coins, wallet().held) == (0, 6_000)
        assert micros(chart.dispute_hold("USD")) == 39_990_000
        assert micros(chart.dispute_fees("USD")) == 15_000_000
        sound()

    def test_coins_of_other_purchases_stay_in_reach(self) -> None:
        purchase = bought()
        bought(name="Starter Pack")

        hear(opened(purchase))

        assert (wallet().coins, wallet().held) == (100, 6_600)
        spend(100)
        sound()

    def test_coins_that_were_given_away_are_held_where_they_are(self) -> None:
        purchase = bought()
        gifts.send_coins(
            sender_id=READER, recipient_id="friend", coins=1_000, now=NOW, actor="user:reader-1"
        )

        hear(opened(purchase))

        assert (wallet("friend").coins, wallet("friend").held) == (0, 1_000)
        sound()

    def test_a_bank_that_only_asks_holds_nothing(self) -> None:
        purchase = bought()

        ours = hear(opened(purchase, is_inquiry=True))

        assert (ours.booked, ours.is_inquiry) == (Booked.NONE, True)
        assert (wallet().coins, wallet().held) == (6_600, 0)
        sound()

    def test_nothing_is_paid_back_meanwhile(self) -> None:
        purchase = bought()
        hear(opened(purchase))
        before = books.fingerprint()

        with pytest.raises(refunds.PurchaseDisputed):
            refunds.start(
                refund_id=uuid7(),
                request=refunds.Request(purchase_id=purchase.pk, reason="too", actor="user:x"),
                now=LATER,
            )

        assert books.fingerprint() == before

    def test_a_chapter_given_back_meanwhile_comes_back_held(self) -> None:
        purchase = bought()
        spend(600)
        sale = Earning.objects.get().transaction_id
        hear(opened(purchase))

        reversals.reverse(transaction_id=sale, actor="staff:7", reason="a test", now=LATER)

        assert (wallet().coins, wallet().held) == (0, 6_600)
        sound()

    def test_so_does_one_that_took_the_last_coins(self) -> None:
        purchase = bought()
        spend(6_600)
        sale = Earning.objects.get().transaction_id
        hear(opened(purchase))

        reversals.reverse(transaction_id=sale, actor="staff:7", reason="a test", now=LATER)

        assert (wallet().coins, wallet().held) == (0, 6_600)
        sound()

    def test_coins_of_a_refund_that_fails_meanwhile_come_back_held(self) -> None:
        purchase = factories.start_purchase(saved_method="pm_refund_fails")
        asked = refunds.start(
            refund_id=uuid7(),
            request=refunds.Request(purchase_id=purchase.pk, reason="no", actor="user:x"),
            now=LATER,
        )
        hear(opened(purchase, amount="39.99"))
        sandbox_refunds.advance(now=LATER)

        refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

        assert (wallet().coins, wallet().held) == (0, 6_600)
        sound()

    def test_of_a_purchase_we_do_not_know_to_be_paid_settles_it_first(self) -> None:
        purchase = factories.start_purchase()
        from_gateway = factories.charge_of(purchase)
        sandbox_books.pay(charge_id=from_gateway.pk, now=NOW)
        theirs = sandbox_disputes.open_one(charge_id=from_gateway.pk, now=LATER)
        event = factories.hear_of_object(theirs.pk, now=LATER)

        factories.process(event, now=LATER)

        purchase.refresh_from_db()
        assert event.status == "PROCESSED"
        assert purchase.status == Purchase.Status.SUCCEEDED
        assert (wallet().coins, wallet().held) == (0, 6_600)
        sound()


class TestWon:
    def test_everything_is_as_it_was_and_the_fee_is_back(self) -> None:
        purchase = bought()
        spend(600)
        theirs = opened(purchase)
        hear(theirs)
        sandbox_disputes.win(dispute_id=theirs.pk, now=LATER)

        ours = hear(theirs)

        assert (ours.status, ours.booked) == (Status.WON, Booked.NONE)
        assert (wallet().coins, wallet().held) == (6_000, 0)
        assert micros(chart.dispute_hold("USD")) == micros(chart.dispute_fees("USD")) == 0
        sound()

    def test_withdrawn_is_told_as_such(self) -> None:
        theirs = opened(bought())
        hear(theirs)
        sandbox_disputes.win(dispute_id=theirs.pk, now=LATER, is_withdrawn=True)

        assert hear(theirs).status == Status.WITHDRAWN
        told = OutboxEvent.objects.filter(type=EventType.PURCHASE_DISPUTED).order_by("id")
        assert [event.payload["status"] for event in told] == ["opened", "withdrawn"]


class TestLost:
    def test_unused_coins_go_and_nobody_else_loses(self) -> None:
        purchase = bought()

        ours = lost(purchase)

        loss = DisputeLoss.objects.get()
        assert (ours.booked, loss.coins, loss.unused_micros) == (Booked.LOST, 6_600, 39_990_000)
        assert (loss.writers_micros, loss.platform_micros, loss.reader_micros) == (0, 0, 0)
        assert (wallet().coins, wallet().held, wallet().blocked_by) == (0, 0, "")
        sound()

    def test_earnings_that_could_not_be_paid_yet_are_taken_back(self) -> None:
        purchase = bought()
        spend(6_000)
        earned = -micros(chart.writer(WRITER))

        lost(purchase)

        loss = DisputeLoss.objects.get()
        assert loss.coins == 600
        assert loss.writers_micros == earned
        assert loss.unused_micros + loss.writers_micros + loss.platform_micros == 39_990_000
        assert micros(chart.writer(WRITER)) == 0
        assert micros(chart.dispute_loss()) == loss.platform_micros
        sound()

    def test_earnings_that_may_be_paid_stay_and_are_our_loss(self) -> None:
        purchase = bought()
        spend(6_600)
        earned = -micros(chart.writer(WRITER))
        theirs = opened(purchase)
        ours = hear(theirs)
        sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)
        state = SandboxGateway().get_dispute(gateway_id=theirs.pk)
        assert state is not None
        disputes.apply(purchase_id=purchase.pk, state=state, now=MATURED)

        settle(ours, now=MATURED)

        assert -micros(chart.writer(WRITER)) == earned
        assert DisputeLoss.objects.get().platform_micros == 39_990_000
        sound()

    def test_only_what_these_very_coins_paid_is_taken(self) -> None:
        bought(name="Starter Pack")
        purchase = bought()
        spend(400)  # 100 of the first purchase, 300 of the disputed one
        value = 39_990_000 * 300 // 6_600
        whole = 990_000 + value
        earned = -micros(chart.writer(WRITER))

        lost(purchase)

        loss = DisputeLoss.objects.get()
        assert loss.writers_micros == earned - earned * 990_000 // whole
        sound()

    @pytest.mark.parametrize("policy", Policy)
    def test_the_preview_says_what_happens(self, policy: Policy) -> None:
        purchase = bought()
        spend(3_000)
        factories.put_content("by-two", price=900, shares={"ann": 6_000, "bob": 4_000})
        content.buy(user_id=READER, content_id="by-two", now=NOW, actor="user:reader-1")
        tips.send(sender_id=READER, recipient_id="ann", coins=77, now=NOW, actor="user:reader-1")
        theirs = opened(purchase)
        impact = dispute_losses.preview(dispute_id=hear(theirs).pk, now=LATER)

        sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)
        Dispute.objects.update(policy=policy)
        hear(theirs)

        loss = DisputeLoss.objects.get()
        assert (loss.coins, loss.unused_micros) == (2_623, impact.unused_micros)
        assert loss.writers_micros == impact.writers_micros(policy)
        assert loss.platform_micros == impact.platform_micros(policy)
        assert loss.reader_micros == impact.reader_micros(policy)
        assert [spent.coins for spent in impact.spent] == [77, 900, 3_000]
        sound()

    def test_naira_unwind_at_the_rate_of_the_purchase(self) -> None:
        factories.rates()
        purchase = bought(currency="NGN")
        spend(600)

        lost(purchase)

        loss = DisputeLoss.objects.get()
        parts = (loss.unused_micros, loss.writers_micros, loss.platform_micros)
        assert sum(parts) == purchase.value_micros
        assert micros(chart.dispute_hold("NGN")) == 0
        assert micros(chart.fx("NGN")) == micros(chart.fx(BOOK_CURRENCY)) == 0
        sound()

    def test_tax_is_owed_no_more(self) -> None:
        factories.rates()
        factories.register("CA")
        factories.register("CA-QC")
        purchase = bought(currency="CAD", name="Enthusiast Pack", country="CA", region="QC")
        spend(320)

        lost(purchase)

        assert micros(chart.tax_payable("CA", "CAD")) == 0
        assert micros(chart.tax_payable("CA-QC", "CAD")) == 0
        assert micros(chart.fx("CAD")) == micros(chart.fx(BOOK_CURRENCY)) == 0
        sound()

    def test_after_a_part_was_paid_back_the_rest_is_lost(self) -> None:
        purchase = bought()
        spend(1_000)
        refunds.start(
            refund_id=uuid7(),
            request=refunds.Request(
                purchase_id=purchase.pk,
                reason="half",
                actor="user:x",
                amount=Money.parse("20.00", "USD"),
            ),
            now=LATER,
        )

        ours = lost(purchase, amount="39.99")  # the bank takes all of it again

        loss = DisputeLoss.objects.get()
        assert ours.amount_micros == 39_990_000
        assert wallet().coins == 0
        assert loss.platform_micros >= 19_000_000
        sound()

    def test_of_a_part_the_rest_of_the_coins_is_the_readers_again(self) -> None:
        purchase = bought()

        lost(purchase, amount="10.00")

        loss = DisputeLoss.objects.get()
        assert loss.coins == 10_000_000 * 6_600 // 39_990_000
        assert (wallet().coins, wallet().held) == (6_600 - loss.coins, 0)
        sound()

    def test_the_reader_can_spend_nothing_until_it_is_settled(self) -> None:
        purchase = bought()
        spend(6_600)
        lost(purchase)
        bought(name="Starter Pack")
        factories.put_content("another", price=50)
        before = books.fingerprint()

        with pytest.raises(wallets.WalletBlocked):
            spend_more()
        with pytest.raises(wallets.WalletBlocked):
            tips.send(
                sender_id=READER, recipient_id=WRITER, coins=10, now=NOW, actor="user:reader-1"
            )

        assert books.fingerprint() == before
        wallets.unblock(user_id=READER, actor="staff:7", reason="settled by phone", now=LATER)
        spend_more()
        sound()

    def test_a_chapter_paid_with_coins_that_are_gone_is_not_given_back(self) -> None:
        purchase = bought()
        spend(600)
        sale = Earning.objects.get().transaction_id
        lost(purchase)
        before = books.fingerprint()

        with pytest.raises(refunds.PurchaseDisputed):
            reversals.reverse(transaction_id=sale, actor="staff:7", reason="a test", now=LATER)

        assert books.fingerprint() == before


class TestTwoOfOnePurchase:
    def test_what_one_leaves_the_other_still_holds(self) -> None:
        purchase = bought()
        first, second = opened(purchase, amount="10.00"), opened(purchase, amount="5.00")
        hear(first)
        hear(second)

        sandbox_disputes.lose(dispute_id=first.pk, now=LATER)
        hear(first)

        left = 6_600 - DisputeLoss.objects.get().coins
        assert (wallet().coins, wallet().held) == (0, left)
        sandbox_disputes.win(dispute_id=second.pk, now=LATER)
        hear(second)
        assert (wallet().coins, wallet().held) == (left, 0)
        sound()

    def test_one_that_is_lost_holds_until_its_loss_is_booked(self) -> None:
        purchase = bought()
        first, second = opened(purchase, amount="10.00"), opened(purchase, amount="5.00")
        hear(first)
        sandbox_disputes.lose(dispute_id=second.pk, now=LATER)
        unbooked = SandboxGateway().get_dispute(gateway_id=second.pk)
        assert unbooked is not None
        ours = disputes.apply(purchase_id=purchase.pk, state=unbooked, now=LATER)
        sandbox_disputes.win(dispute_id=first.pk, now=LATER)

        hear(first)

        assert (wallet().coins, wallet().held) == (0, 6_600)
        settle(ours)
        assert (wallet().coins, wallet().held) == (6_600 - DisputeLoss.objects.get().coins, 0)
        sound()

    def test_the_second_loss_looks_at_the_spends_that_the_first_left(self) -> None:
        purchase = bought()
        for writer, coins in (("ann", 3_000), ("bob", 3_600)):
            factories.put_content(f"by-{writer}", price=coins, shares={writer: 10_000})
            spend_on(f"by-{writer}")

        lost(purchase, amount="15.00")
        after_one = [micros(chart.writer(writer)) for writer in ("ann", "bob")]
        lost(purchase, amount="24.99")

        assert after_one[0] < 0
        assert [micros(chart.writer(writer)) for writer in ("ann", "bob")] == [0, 0]
        sound()


@pytest.mark.parametrize("first_won", [0, 1])
def test_of_two_losses_each_blocks_until_it_is_undone(first_won: int) -> None:
    purchases = [bought(name="Starter Pack"), bought()]
    spend(6_700)
    both = [lost(purchase) for purchase in purchases]

    sandbox_disputes.win(dispute_id=both[first_won].gateway_id, now=LATER)
    hear(SandboxDispute.objects.get(pk=both[first_won].gateway_id))

    other = both[1 - first_won]
    assert wallet().blocked_by == other.freezer
    sandbox_disputes.win(dispute_id=other.gateway_id, now=LATER)
    hear(SandboxDispute.objects.get(pk=other.gateway_id))
    assert wallet().blocked_by == ""
    sound()


def spend_more() -> None:
    content.buy(user_id=READER, content_id="another", now=NOW, actor="user:reader-1")


class TestDebt:
    """Under the policy that the reader pays, the next purchase does."""

    def test_the_next_purchase_pays_it_first(self) -> None:
        spent = bought(name="Starter Pack")
        spend(100)
        lost(spent, Policy.READER)
        assert (wallet().debt_micros, micros(chart.receivable(READER))) == (990_000, 990_000)

        paying = bought(name="Reader Pack")

        paying.refresh_from_db()
        assert (paying.debt_micros, wallet().debt_micros) == (990_000, 0)
        assert wallet().coins == 525 * 4_000_000 // 4_990_000
        assert micros(chart.receivable(READER)) == 0
        factories.put_content("another", price=50)
        spend_more()
        sound()

    def test_a_purchase_smaller_than_the_debt_brings_no_coins(self) -> None:
        spent = bought()
        spend(6_600)
        lost(spent, Policy.READER)

        bought(name="Starter Pack")

        assert (wallet().coins, wallet().debt_micros) == (0, 39_000_000)
        assert wallet().blocked_by
        sound()

    def test_won_after_it_was_paid_the_money_comes_back_as_coins(self) -> None:
        spent = bought(name="Starter Pack")
        spend(100)
        ours = lost(spent, Policy.READER)
        paying = bought(name="Reader Pack")
        assert wallet().coins == 420

        sandbox_disputes.win(dispute_id=ours.gateway_id, now=LATER)
        hear(SandboxDispute.objects.get())

        # As many coins as the debt had taken of the purchase that paid it, and they name it.
        assert wallet().coins == 525
        returned = CoinLot.objects.latest("id")
        assert (returned.purchase, returned.coins) == (paying, 105)
        assert returned.value_micros == 990_000
        assert micros(chart.receivable(READER)) == 0
        sound()

    def test_so_does_a_debt_of_less_than_a_coin(self) -> None:
        factories.rates()
        purchase = bought(currency="CAD", name="Starter Pack")
        spend(100)
        ours = lost(purchase, Policy.READER, amount="0.01")
        owed = DisputeLoss.objects.get().reader_micros
        assert 0 < owed < purchase.value_micros // 100
        bought(name="Reader Pack")
        coins = wallet().coins

        sandbox_disputes.win(dispute_id=ours.gateway_id, now=LATER)
        hear(SandboxDispute.objects.get())

        assert wallet().coins == coins + DisputeLoss.objects.get().coins + 1
        assert (wallet().debt_micros, micros(chart.receivable(READER))) == (0, 0)
        sound()


class TestWonAfterLost:
    @pytest.mark.parametrize("policy", Policy)
    def test_undoes_the_loss_whole(self, policy: Policy) -> None:
        purchase = bought()
        spend(3_000)
        earned = micros(chart.writer(WRITER))
        ours = lost(purchase, policy)

        sandbox_disputes.win(dispute_id=ours.gateway_id, now=LATER)
        ours = hear(SandboxDispute.objects.get())

        assert (ours.status, ours.booked) == (Status.WON, Booked.NONE)
        assert micros(chart.writer(WRITER)) == earned
        assert micros(chart.dispute_loss()) == micros(chart.dispute_hold("USD")) == 0
        assert (wallet().coins, wallet().held, wallet().debt_micros) == (3_600, 0, 0)
        assert wallet().blocked_by == ""
        assert not DisputeLoss.objects.filter(undone_by__isnull=True).exists()
        sound()


def test_heard_of_when_it_is_decided_both_its_beginning_and_its_end_are_told() -> None:
    theirs = opened(bought())
    sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)

    ours = hear(theirs)

    assert (ours.status, ours.booked, ours.closed_at) == (Status.LOST, Booked.LOST, LATER)
    told = OutboxEvent.objects.filter(type=EventType.PURCHASE_DISPUTED).order_by("id")
    assert [event.payload["status"] for event in told] == ["opened", "lost"]
    sound()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_any_order_of_what_we_hear_ends_alike(order: tuple[int, ...]) -> None:
    purchase = bought()
    spend(600)
    theirs = opened(purchase)
    states = [SandboxGateway().get_dispute(gateway_id=theirs.pk)]
    sandbox_disputes.answer(dispute_id=theirs.pk, evidence={"message": "read"}, now=LATER)
    states.append(SandboxGateway().get_dispute(gateway_id=theirs.pk))
    sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)
    states.append(SandboxGateway().get_dispute(gateway_id=theirs.pk))

    # A webhook is a hint: whenever it comes, what is read is the newest.
    for _ in order:
        hear(theirs)

    assert DisputeLoss.objects.count() == 1
    assert wallet().coins == wallet().held == 0
    sound()


class TestAnswer:
    def test_evidence_is_sent_once_and_kept(self) -> None:
        ours = hear(opened(bought()))

        answered = dispute_answers.answer(
            dispute_id=ours.pk,
            evidence=Evidence(message="They read it.", customer_email="ada@example.com"),
            actor="staff:7",
            now=LATER,
        )

        assert answered.status == Status.UNDER_REVIEW
        ours.refresh_from_db()
        assert (ours.answered_by, ours.evidence and ours.evidence["message"]) == (
            "staff:7",
            "They read it.",
        )
        assert "ada@example.com" not in str(ours.evidence)
        with pytest.raises(dispute_answers.DisputeClosed):
            dispute_answers.accept(dispute_id=ours.pk, actor="staff:7", reason="give up", now=LATER)

    def test_nothing_is_no_evidence(self) -> None:
        ours = hear(opened(bought()))
        before = books.fingerprint()

        with pytest.raises(dispute_answers.EvidenceEmpty):
            dispute_answers.answer(
                dispute_id=ours.pk, evidence=Evidence(), actor="staff:7", now=LATER
            )

        assert books.fingerprint() == before

    def test_given_up_is_lost(self) -> None:
        ours = hear(opened(bought()))

        dispute_answers.accept(dispute_id=ours.pk, actor="staff:7", reason="theirs", now=LATER)
        settle(ours)

        ours.refresh_from_db()
        assert (ours.status, ours.booked) == (Status.LOST, Booked.LOST)
        sound()


def test_polls_until_it_is_decided_though_no_webhook_comes() -> None:
    theirs = opened(bought())
    ours = hear(theirs)
    sandbox_disputes.lose(dispute_id=theirs.pk, now=LATER)
    ours.refresh_from_db()
    assert ours.next_attempt_at is not None

    disputes.poll(dispute_id=ours.pk, now=ours.next_attempt_at)

    ours.refresh_from_db()
    assert (ours.status, disputes.needs_settling(ours)) == (Status.LOST, True)


def test_a_lot_of_a_purchase_that_was_refunded_and_failed_is_frozen_too() -> None:
    purchase = factories.start_purchase(saved_method="pm_refund_fails")
    asked = refunds.start(
        refund_id=uuid7(),
        request=refunds.Request(purchase_id=purchase.pk, reason="no", actor="user:x"),
        now=LATER,
    )
    sandbox_refunds.advance(now=LATER)
    refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

    hear(opened(purchase))

    assert (wallet().coins, wallet().held) == (0, 6_600)
    assert CoinLot.objects.filter(is_used_up=False).count() == 1
    sound()
