"""Purchases, refunds and disputes at each gateway, killed at every point ten times"""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from access.services import content, dispute_losses
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.ledger import chart
from payments.models import CoinBalance, Dispute, Purchase, Refund, Transaction
from payments.services import disputes, purchases, refunds
from tests import factories
from tests.crash.deaths import ROUNDS, die_at
from tests.crash.points import DISPUTE, MONEY_REFUND, OPENING
from tests.crash.recovery import assert_nothing_is_lost
from tests.factories import NOW
from tests.gateways.conftest import (
    paystack_peer,
    paystack_process,
    stripe_peer,
    stripe_process,
    till,
)
from tests.gateways.tills import Till
from tests.ledger import books

__all__ = ["paystack_peer", "paystack_process", "stripe_peer", "stripe_process", "till"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SOON = NOW + timedelta(minutes=2)


def start(till: Till, number: int, purchase_id: UUID) -> Purchase:
    order = purchases.Order(
        user_id=f"reader-{number}",
        currency=till.currency,
        package_id=factories.package("Reader Pack").pk,
        email="ada@example.com",
    )
    return purchases.start(purchase_id=purchase_id, order=order, now=NOW)


def poll(purchase_id: UUID) -> None:
    Purchase.objects.filter(pk=purchase_id).update(next_attempt_at=NOW, locked_until=None)
    purchases.poll(purchase_id=purchase_id, now=SOON)


def bought(till: Till, number: int) -> Purchase:
    purchase = start(till, number, uuid7())
    till.pay(purchase)
    poll(purchase.pk)
    purchase.refresh_from_db()
    assert purchase.status == Purchase.Status.SUCCEEDED
    return purchase


def coins(number: int) -> int:
    wallet = CoinBalance.objects.filter(user_id=f"reader-{number}").first()
    return wallet.coins if wallet else 0


def agree(till: Till) -> None:
    assert_nothing_is_lost()
    ours = books.balance(chart.gateway(till.provider, till.currency))
    assert ours == Money.from_minor(till.balance(), till.currency).micros


@pytest.mark.parametrize("point", OPENING)
def test_a_purchase_cut_short_is_paid_and_credited_once(till: Till, point: str) -> None:
    for number in range(ROUNDS):
        purchase_id = uuid7()

        die_at(point, partial(start, till, number, purchase_id))
        purchase = start(till, number, purchase_id)

        assert purchase.action is not None
        till.pay(purchase)
        poll(purchase.pk)
        assert coins(number) == 525
    agree(till)


@pytest.mark.parametrize("point", ["settle.locked", "settle.posted"])
def test_a_credit_cut_short_is_made_once(till: Till, point: str) -> None:
    for number in range(ROUNDS):
        purchase = start(till, number, uuid7())
        till.pay(purchase)

        die_at(point, partial(poll, purchase.pk))
        poll(purchase.pk)

        assert coins(number) == 525
    agree(till)


def ask(refund_id: UUID) -> None:
    Refund.objects.filter(pk=refund_id).update(next_attempt_at=NOW, locked_until=None)
    refunds.poll(refund_id=refund_id, now=SOON)


def finish(till: Till, refund_id: UUID, *, succeeds: bool = True) -> Refund:
    made = Refund.objects.get(pk=refund_id)
    if made.status not in (Refund.Status.SUCCEEDED, Refund.Status.FAILED) or not succeeds:
        till.move_refund(made, succeeds=succeeds)
    ask(refund_id)
    return Refund.objects.get(pk=refund_id)


@pytest.mark.parametrize("point", MONEY_REFUND)
def test_a_refund_cut_short_pays_back_once(till: Till, point: str) -> None:
    for number in range(ROUNDS):
        purchase = bought(till, number)
        refund_id = uuid7()
        wanted = refunds.Request(purchase_id=purchase.pk, reason="no need", actor="user:x")
        begin = partial(refunds.start, refund_id=refund_id, request=wanted, now=SOON)

        die_at(point, begin)
        if Refund.objects.filter(pk=refund_id).exists() and number % 2:
            ask(refund_id)  # nobody comes back: the sweep goes on
        else:
            # The lease of who died has passed.
            Refund.objects.filter(pk=refund_id).update(locked_until=None)
            begin()

        assert finish(till, refund_id).status == Refund.Status.SUCCEEDED
        assert coins(number) == 0
    assert Refund.objects.count() == ROUNDS
    agree(till)


@pytest.mark.parametrize(
    ("point", "succeeds"), [("money_refund.paid", True), ("money_refund.failed", False)]
)
def test_what_became_of_a_refund_is_booked_once(till: Till, point: str, succeeds: bool) -> None:
    for number in range(ROUNDS):
        purchase = bought(till, number)
        wanted = refunds.Request(purchase_id=purchase.pk, reason="no need", actor="user:x")
        made = refunds.create(refund_id=uuid7(), request=wanted, now=SOON)
        if till.provider == "PAYSTACK" or not succeeds:
            refunds.send(refund_id=made.pk, now=SOON)
            made.refresh_from_db()
            till.move_refund(made, succeeds=succeeds)

        die_at(point, partial(booked, made.pk))
        booked(made.pk)

        assert coins(number) == (0 if succeeds else 525)
    agree(till)


def booked(refund_id: UUID) -> None:
    """Read at the gateway what became of it, whatever we think of it, and book that."""
    made = Refund.objects.select_related("purchase").get(pk=refund_id)
    if made.status == Refund.Status.REQUESTED:
        refunds.send(refund_id=refund_id, now=SOON)
    refunds.read_again(refund_id=refund_id, now=SOON)


@pytest.mark.parametrize("point", DISPUTE)
def test_a_dispute_cut_short_is_booked_once(till: Till, point: str) -> None:
    factories.put_content(price=200)
    ends = {"dispute.won": "won", "dispute.undone": "undone"}.get(point, "lost")
    for number in range(ROUNDS):
        purchase = bought(till, number)
        reader = f"reader-{number}"
        content.buy(user_id=reader, content_id="chapter-4", now=NOW, actor=f"user:{reader}")
        theirs = till.dispute(purchase)
        if ends == "undone":
            till.decide(theirs, is_won=False)
        if ends != "lost":
            follow(till, purchase.pk, theirs)
        if point not in ("dispute.held", "dispute.applied") or till.provider == "PAYSTACK":
            till.decide(theirs, is_won=ends in ("won", "undone"))

        if ends == "won" and till.provider == "PAYSTACK":
            follow(till, purchase.pk, theirs)  # Paystack took nothing, so nothing is given back
        else:
            die_at(point, partial(follow, till, purchase.pk, theirs))
        follow(till, purchase.pk, theirs)
        if point in ("dispute.held", "dispute.applied") and till.provider != "PAYSTACK":
            till.decide(theirs, is_won=False)
            follow(till, purchase.pk, theirs)

        booked_as = Dispute.objects.get(purchase=purchase).booked
        assert booked_as == ("LOST" if ends == "lost" else "NONE")
        assert coins(number) == (0 if ends == "lost" else 325)
    kinds = Transaction.objects.filter(kind=TransactionKind.DISPUTE_LOST)
    assert kinds.count() == (0 if ends == "won" else ROUNDS)
    agree(till)


def follow(till: Till, purchase_id: UUID, gateway_id: str) -> None:
    """Read the dispute, and do what has to be done about it."""
    disputes.read_again(
        provider=till.provider, purchase_id=purchase_id, gateway_id=gateway_id, now=SOON
    )
    for dispute in Dispute.objects.filter(purchase=purchase_id):
        dispute_losses.settle(dispute_id=dispute.pk, now=SOON)
