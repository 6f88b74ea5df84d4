"""Five thousand deliveries, shuffled, repeated and forged: the end is that of the orderly run"""

import random
from typing import Any

import pytest

from access.services import dispute_losses
from legato_payments.lib.ids import uuid7
from payments.models import CoinBalance, Dispute, Purchase, Refund, WebhookEvent
from payments.services import purchases
from payments.webhooks import inbox
from tests import factories
from tests.factories import NOW
from tests.gateways.forgeries import FORGERS, Delivery, forged
from tests.gateways.test_flows import agree
from tests.gateways.tills import PaystackTill, StripeTill

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

DELIVERIES = 5_000
FORGERIES = 500
type PeerTill = StripeTill | PaystackTill

EACH = 4
"""Purchases of each of the stories in one run."""

STORIES = ["paid", "declined", "refunded", "refund failed", "won", "lost"]


def start(till: PeerTill, reader: str) -> Purchase:
    order = purchases.Order(
        user_id=reader,
        currency=till.currency,
        package_id=factories.package("Reader Pack").pk,
        email="ada@example.com",
    )
    return purchases.start(purchase_id=uuid7(), order=order, now=NOW)


def happen(till: PeerTill, run: str) -> list[Purchase]:
    """Every story, to several readers."""
    made = []
    for number in range(EACH):
        for story in STORIES:
            purchase = start(till, f"{run}-{story.replace(' ', '-')}-{number}")
            made.append(purchase)
            if story == "declined":
                till.decline(purchase)
                continue
            till.pay(purchase)
            if story.startswith("refund"):
                till.make_refund(purchase, purchase.total_micros // 10_000 // 3)
                finish_refund(till, purchase, succeeds=story == "refunded")
            if story in ("won", "lost"):
                till.decide(till.dispute(purchase), is_won=story == "won")
    return made


def finish_refund(till: PeerTill, purchase: Purchase, *, succeeds: bool) -> None:
    theirs = [
        refund for refund in till.peer.books()["refunds"] if purchase.reference in str(refund)
    ] or till.peer.books()["refunds"][-1:]
    (found,) = theirs[-1:]
    word = ("succeeded", "failed") if till.provider == "STRIPE" else ("processed", "failed")
    till.peer.move_refund(found["id"], word[0] if succeeds else word[1])


def act(till: PeerTill, deliveries: list[Delivery]) -> int:
    """Receive them in this order, act on what is new; how many were refused."""
    refused = 0
    for body, headers in deliveries:
        try:
            fresh = inbox.receive(provider=till.provider, body=body, headers=headers, now=NOW)
        except inbox.SignatureRefused:
            refused += 1
            continue
        if fresh:
            for event in WebhookEvent.objects.due(NOW):
                inbox.process(event_id=event.pk, now=NOW)
    later = NOW
    for _ in range(6):
        waiting = list(WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED))
        later = max((row.next_attempt_at or later for row in waiting), default=later)
        for event in waiting:
            inbox.process(event_id=event.pk, now=later)
    for dispute in Dispute.objects.all():
        dispute_losses.settle(dispute_id=dispute.pk, now=later)
    return refused


def ends(made: list[Purchase]) -> list[Any]:
    """What became of each purchase, in the order of the stories."""
    found = []
    for purchase in Purchase.objects.filter(pk__in=[row.pk for row in made]).order_by("pk"):
        wallet = CoinBalance.objects.filter(user_id=purchase.user_id).first() or CoinBalance()
        found.append(
            (
                purchase.user_id.partition("-")[2],
                purchase.status,
                purchase.refunded_micros,
                purchase.fee_micros,
                (wallet.coins, wallet.held, wallet.debt_micros, bool(wallet.blocked_by)),
                list(Refund.objects.filter(purchase=purchase).values_list("status", "coins")),
                list(Dispute.objects.filter(purchase=purchase).values_list("status", "booked")),
            )
        )
    return found


@pytest.mark.parametrize("till", ["stripe", "paystack"], indirect=True)
def test_ends_as_the_orderly_run(till: PeerTill) -> None:
    orderly = happen(till, "a")
    first = till.webhooks()
    act(till, first)
    shuffled = happen(till, "b")
    real = till.webhooks()[len(first) :]
    chance = random.Random(20261126)
    copies = [chance.choice(real) for _ in range(DELIVERIES - FORGERIES - len(real))]
    deliveries = [*real, *copies, *forged(till, real, FORGERIES)]
    chance.shuffle(deliveries)

    refused = act(till, deliveries)

    assert (len(deliveries), refused, len(FORGERS)) == (DELIVERIES, FORGERIES, 20)
    assert ends(shuffled) == ends(orderly)
    assert Refund.objects.filter(status=Refund.Status.SUCCEEDED).count() == 2 * EACH
    assert Dispute.objects.filter(booked=Dispute.Booked.LOST).count() == 2 * EACH
    assert not WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists()
    agree(till)
