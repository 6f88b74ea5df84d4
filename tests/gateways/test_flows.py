"""The life of a purchase at every gateway: the same flows, whatever gets lost on the way"""

from datetime import timedelta
from typing import Any

import pytest

from access.services import content, dispute_losses
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.ledger import chart, invariants
from payments.models import Attempt, CoinBalance, Dispute, Purchase, Refund
from payments.services import attempts, disputes, purchases, refunds
from tests import factories
from tests.factories import NOW, READER
from tests.gateways.tills import CREATE, REFUND, Till, deliver
from tests.ledger import books
from tests.peers.faults import Fault

pytestmark = pytest.mark.django_db

A_MINUTE = timedelta(minutes=1)

AMBIGUOUS = [Fault.TIMEOUT_AFTER, Fault.ERROR_AFTER, Fault.GARBAGE, Fault.RESET]
NOT_DONE = [Fault.TIMEOUT_BEFORE, Fault.ERROR_BEFORE, Fault.REFUSE, Fault.RATE_LIMIT]


def order(till: Till, **more: Any) -> purchases.Order:
    package = factories.package("Reader Pack").pk
    details = {"currency": till.currency, "package_id": package, "email": "ada@example.com"}
    return purchases.Order(user_id=READER, **{**details, **more})


def start(till: Till, purchase_id: Any = None) -> Purchase:
    return purchases.start(purchase_id=purchase_id or uuid7(), order=order(till), now=NOW)


def bought(till: Till) -> Purchase:
    purchase = start(till)
    till.pay(purchase)
    return polled(purchase)


def polled(purchase: Purchase, now: Any = NOW + A_MINUTE) -> Purchase:
    purchases.poll(purchase_id=purchase.pk, now=now)
    purchase.refresh_from_db()
    return purchase


def refund(purchase: Purchase, amount_minor: int | None = None) -> Refund:
    amount = None if amount_minor is None else Money.from_minor(amount_minor, purchase.currency)
    wanted = refunds.Request(
        purchase_id=purchase.pk, reason="no need", actor="user:reader-1", amount=amount
    )
    return refunds.start(refund_id=uuid7(), request=wanted, now=NOW)


def ask(made: Refund) -> Refund:
    Refund.objects.filter(pk=made.pk).update(next_attempt_at=NOW, locked_until=None)
    refunds.poll(refund_id=made.pk, now=NOW)
    made.refresh_from_db()
    return made


def completed(till: Till, made: Refund, *, succeeds: bool = True) -> Refund:
    made.refresh_from_db()
    if made.status != Refund.Status.SUCCEEDED or not succeeds:
        till.move_refund(made, succeeds=succeeds)
    return ask(made)


def settled_disputes() -> None:
    for dispute in Dispute.objects.all():
        dispute_losses.settle(dispute_id=dispute.pk, now=NOW)


def coins() -> int:
    wallet = CoinBalance.objects.filter(user_id=READER).first()
    return wallet.coins if wallet else 0


def agree(till: Till) -> None:
    """Our books add up, and say of the gateway's balance what the gateway says."""
    assert list(invariants.discrepancies()) == []
    ours = books.balance(chart.gateway(till.provider, till.currency))
    assert ours == Money.from_minor(till.balance(), till.currency).micros


def test_a_payment_is_credited_by_its_webhooks(till: Till) -> None:
    purchase = start(till)
    assert purchase.action is not None
    assert purchase.action["url"].startswith("http")
    till.pay(purchase)

    events = deliver(till)

    purchase.refresh_from_db()
    assert purchase.status == Purchase.Status.SUCCEEDED, [event.error for event in events]
    assert coins() == 525
    assert purchase.payment_id
    agree(till)


def test_a_payment_is_credited_though_every_webhook_is_lost(till: Till) -> None:
    assert bought(till).status == Purchase.Status.SUCCEEDED
    assert coins() == 525
    agree(till)


def test_a_confirmation_by_the_reader_credits_it_as_well(till: Till) -> None:
    purchase = start(till)
    till.pay(purchase)

    confirmed = purchases.confirm(purchase_id=purchase.pk, user_id=READER, now=NOW)

    assert confirmed.status == Purchase.Status.SUCCEEDED
    deliver(till)
    assert coins() == 525
    agree(till)


def test_a_declined_card_brings_no_coins(till: Till) -> None:
    purchase = start(till)
    till.decline(purchase)

    deliver(till)
    polled(purchase)

    assert purchase.status != Purchase.Status.SUCCEEDED
    assert coins() == 0
    assert list(invariants.discrepancies()) == []


def test_a_page_nobody_pays_is_given_up_in_the_end(till: Till) -> None:
    purchase = start(till)

    polled(purchase, NOW + timedelta(hours=25))

    assert purchase.status == Purchase.Status.EXPIRED
    assert list(invariants.discrepancies()) == []


@pytest.mark.parametrize("fault", AMBIGUOUS + NOT_DONE)
def test_a_lost_answer_makes_one_payment(till: Till, fault: Fault) -> None:
    purchase_id = uuid7()
    till.fail(CREATE, fault)
    with pytest.raises(attempts.GatewayUnavailable):
        start(till, purchase_id)
    attempt = Attempt.objects.get()
    assert attempt.state != Attempt.State.ANSWERED
    if fault in AMBIGUOUS:
        assert attempt.state == Attempt.State.UNKNOWN

    purchase = start(till, purchase_id)

    assert purchase.action is not None
    till.pay(purchase)
    polled(purchase)
    assert coins() == 525
    # Paystack gives the address of a page once: where it was lost, another page is opened.
    assert till.payments() == 1 or till.provider == "PAYSTACK"
    agree(till)


class TestRefund:
    def test_everything_goes_back(self, till: Till) -> None:
        purchase = bought(till)

        made = completed(till, refund(purchase))

        assert made.status == Refund.Status.SUCCEEDED
        assert coins() == 0
        agree(till)

    def test_a_part_goes_back_and_then_the_rest(self, till: Till) -> None:
        purchase = bought(till)

        completed(till, refund(purchase, purchase.total_micros // 10_000 // 3))
        completed(till, refund(purchase))

        purchase.refresh_from_db()
        assert purchase.refunded_micros == purchase.total_micros
        agree(till)

    @pytest.mark.parametrize("fault", AMBIGUOUS + NOT_DONE)
    def test_a_lost_answer_pays_back_once(self, till: Till, fault: Fault) -> None:
        purchase = bought(till)
        till.fail(REFUND, fault)
        made = refund(purchase)
        assert made.status == Refund.Status.REQUESTED

        ask(made)

        assert made.status in (Refund.Status.PENDING, Refund.Status.SUCCEEDED)
        assert completed(till, made).status == Refund.Status.SUCCEEDED
        assert Refund.objects.count() == 1
        agree(till)

    def test_one_that_fails_gives_the_coins_back(self, till: Till) -> None:
        purchase = bought(till)
        made = refund(purchase)

        completed(till, made, succeeds=False)
        deliver(till)

        made.refresh_from_db()
        assert made.status == Refund.Status.FAILED
        assert coins() == 525
        agree(till)

    def test_one_made_at_the_dashboard_is_written_down(self, till: Till) -> None:
        purchase = bought(till)
        till.make_refund(purchase, purchase.total_micros // 10_000 // 2)

        deliver(till)

        made = Refund.objects.get()
        assert made.kind == Refund.Kind.GATEWAY
        completed(till, made)
        assert 0 < coins() < 525
        agree(till)


class TestDispute:
    def test_it_is_held_and_won(self, till: Till) -> None:
        purchase = bought(till)
        theirs = till.dispute(purchase)
        deliver(till)
        assert coins() == 0

        till.decide(theirs, is_won=True)
        deliver(till)

        assert Dispute.objects.get().status in (Dispute.Status.WON, Dispute.Status.WITHDRAWN)
        assert coins() == 525
        agree(till)

    def test_it_is_lost_after_coins_were_spent(self, till: Till) -> None:
        purchase = bought(till)
        factories.put_content(price=200)
        content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
        theirs = till.dispute(purchase)
        deliver(till)

        till.decide(theirs, is_won=False)
        deliver(till)
        settled_disputes()

        assert Dispute.objects.get().booked == Dispute.Booked.LOST
        assert coins() == 0
        agree(till)

    def test_it_is_found_by_asking_though_every_webhook_but_the_first_is_lost(
        self, till: Till
    ) -> None:
        purchase = bought(till)
        theirs = till.dispute(purchase)
        deliver(till)
        till.decide(theirs, is_won=False)

        Dispute.objects.update(next_attempt_at=NOW, locked_until=None)
        disputes.poll(dispute_id=Dispute.objects.get().pk, now=NOW)
        settled_disputes()

        assert Dispute.objects.get().booked == Dispute.Booked.LOST
        agree(till)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_number_of_webhooks_ends_alike(till: Till, seed: int) -> None:
    purchase = start(till)
    till.pay(purchase)
    part = purchase.total_micros // 10_000 // 4
    till.make_refund(purchase, part)
    theirs = till.dispute(purchase)
    till.decide(theirs, is_won=True)

    deliver(till, seed=seed, copies=3)
    for made in Refund.objects.all():
        completed(till, made)

    purchase.refresh_from_db()
    assert purchase.refunded_micros == part * 10_000
    assert CoinBalance.objects.get().held == 0
    agree(till)
