"""One gateway seen from its other side: what readers, banks and its own staff do there.

The same flows run against each: our sandbox in its own tables, and the doubles of Stripe and
Paystack over real HTTP.
"""

import random
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from django.conf import settings as current

from payments.gateways.sandbox import books, disputes, refunds, signatures
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.stripe.gateway import StripeGateway
from payments.models import (
    GatewayCustomer,
    PaymentMethod,
    Purchase,
    Refund,
    SandboxCharge,
    SandboxDelivery,
    SandboxMethod,
    SandboxRefund,
    WebhookEvent,
)
from payments.webhooks import inbox
from tests import factories
from tests.factories import NOW
from tests.peers.client import Peer
from tests.peers.faults import Fault

CREATE = "create"
REFUND = "refund"
DETACH = "detach"
CUSTOMER = "customer"


class Card(StrEnum):
    """What a kept card does when it is charged again."""

    DECLINED = "declined"
    ASKED = "asked"
    """The bank wants to hear from the reader."""


class Till(Protocol):
    """Where readers pay."""

    provider: str
    currency: str
    gives_fee_back: bool

    def pay(self, purchase: Purchase) -> None:
        """The reader pays on the page."""

    def decline(self, purchase: Purchase) -> None:
        """The reader's card is refused."""

    def change(self, method: PaymentMethod, card: Card) -> None:
        """A kept card behaves differently from now on."""

    def consent(self, purchase: Purchase) -> None:
        """The reader tells the bank that it is all right."""

    def keeps(self, token: str) -> bool:
        """Whether the gateway would still charge a kept card."""

    def move_refund(self, refund: Refund, *, succeeds: bool) -> None:
        """The payer's bank answers a refund."""

    def make_refund(self, purchase: Purchase, amount_minor: int) -> None:
        """Somebody refunds at the dashboard."""

    def dispute(self, purchase: Purchase) -> str:
        """The payer's bank wants everything back; the id of the dispute."""

    def decide(self, dispute_id: str, *, is_won: bool) -> None:
        """The bank decides."""

    def fail(self, operation: str, fault: Fault) -> None:
        """The next call of an operation goes wrong."""

    def payments(self) -> int:
        """How many payments there are, paid or not."""

    def webhooks(self) -> list[tuple[bytes, Mapping[str, str]]]:
        """Every delivery it owes us so far, oldest first, with its headers."""

    def balance(self) -> int:
        """What it holds for us, minor units."""


class SandboxTill:
    """Our sandbox."""

    provider = "SANDBOX"
    currency = "USD"
    gives_fee_back = True

    def __init__(self, patch: Any) -> None:
        self.patch = patch

    def pay(self, purchase: Purchase) -> None:
        books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    def decline(self, purchase: Purchase) -> None:
        books.decline(charge_id=factories.charge_of(purchase).pk, now=NOW)

    def change(self, method: PaymentMethod, card: Card) -> None:
        acts_as = {Card.DECLINED: "pm_declined", Card.ASKED: "pm_authenticate"}[card]
        SandboxMethod.objects.filter(pk=method.token).update(acts_as=acts_as)

    def consent(self, purchase: Purchase) -> None:
        self.pay(purchase)

    def keeps(self, token: str) -> bool:
        return not SandboxMethod.objects.get(pk=token).is_detached

    def move_refund(self, refund: Refund, *, succeeds: bool) -> None:
        theirs = SandboxRefund.objects.get(reference=refund.reference)
        if succeeds:
            refunds.settle(refund_id=theirs.pk, now=NOW)
        else:
            refunds.fail(refund_id=theirs.pk, now=NOW)

    def make_refund(self, purchase: Purchase, amount_minor: int) -> None:
        charge = factories.charge_of(purchase)
        refunds.make(charge_id=charge.pk, amount_minor=amount_minor, now=NOW)

    def dispute(self, purchase: Purchase) -> str:
        return disputes.open_one(charge_id=factories.charge_of(purchase).pk, now=NOW).pk

    def decide(self, dispute_id: str, *, is_won: bool) -> None:
        decide = disputes.win if is_won else disputes.lose
        decide(dispute_id=dispute_id, now=NOW)

    def fail(self, operation: str, fault: Fault) -> None:
        name = {CREATE: "create_charge", REFUND: "refund", DETACH: "detach_method"}[operation]
        real = getattr(SandboxGateway, name)
        error = factories.fault_of(fault)

        def once(gateway: SandboxGateway, *args: Any, **kwargs: Any) -> Any:
            self.patch.setattr(SandboxGateway, name, real)
            if fault in (Fault.TIMEOUT_AFTER, Fault.ERROR_AFTER, Fault.GARBAGE, Fault.RESET):
                real(gateway, *args, **kwargs)
            raise error

        self.patch.setattr(SandboxGateway, name, once)

    def payments(self) -> int:
        return SandboxCharge.objects.count()

    def webhooks(self) -> list[tuple[bytes, Mapping[str, str]]]:
        secret = current.SANDBOX_WEBHOOK_SECRET
        bodies = [bytes(row.body) for row in SandboxDelivery.objects.order_by("id")]
        return [
            (body, {signatures.HEADER: signatures.sign(body, secret=secret, now=NOW)})
            for body in bodies
        ]

    def balance(self) -> int:
        (state,) = SandboxGateway().balances()
        return state.available.minor


class PeerTill:
    """What the doubles have in common."""

    operations: Mapping[str, str]
    tries: int

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def pay(self, purchase: Purchase) -> None:
        self.peer.pay(purchase.reference)

    def decline(self, purchase: Purchase) -> None:
        self.peer.decline(purchase.reference)

    def make_refund(self, purchase: Purchase, amount_minor: int) -> None:
        self.peer.control("refund/make", id=purchase.reference, amount=amount_minor)

    def dispute(self, purchase: Purchase) -> str:
        return str(self.peer.open_dispute(purchase.reference)["id"])

    def fail(self, operation: str, fault: Fault) -> None:
        more = {"seconds": 0.1} if fault in (Fault.TIMEOUT_AFTER, Fault.TIMEOUT_BEFORE) else {}
        more |= {"status": 502} if fault == Fault.ERROR_AFTER else {}
        # The SDK repeats a call by itself, with the same key, unless it was told to slow down or
        # has an answer that only our parsers find unreadable.
        count = 1 if fault in (Fault.RATE_LIMIT, Fault.GARBAGE) else self.tries
        self.peer.fail(self.operations[operation], fault, count=count, **more)

    def webhooks(self) -> list[tuple[bytes, Mapping[str, str]]]:
        return [
            (delivery["body"].encode(), self.peer.sign(delivery["body"]))
            for delivery in self.peer.outbox()
        ]


class StripeTill(PeerTill):
    """The double of Stripe."""

    provider = "STRIPE"
    currency = "USD"
    gives_fee_back = False
    operations: Mapping[str, str] = {
        CREATE: "checkout.sessions.create",
        REFUND: "refunds.create",
        DETACH: "payment_methods.detach",
        CUSTOMER: "customers.create",
    }
    tries = 2

    def change(self, method: PaymentMethod, card: Card) -> None:
        acts_as = {
            Card.DECLINED: "pm_card_chargeDeclined",
            Card.ASKED: "pm_card_authenticationRequired",
        }[card]
        self.peer.control("method", id=method.token, acts_as=acts_as)

    def consent(self, purchase: Purchase) -> None:
        self.peer.control("authenticate", id=purchase.reference)

    def keeps(self, token: str) -> bool:
        customers = GatewayCustomer.objects.all()
        kept = (StripeGateway().list_methods(row.customer_id or "") for row in customers)
        return token in {method.token for methods in kept for method in methods}

    def move_refund(self, refund: Refund, *, succeeds: bool) -> None:
        self.peer.move_refund(refund.gateway_id, "succeeded" if succeeds else "failed")

    def decide(self, dispute_id: str, *, is_won: bool) -> None:
        self.peer.move_dispute(dispute_id, "won" if is_won else "lost")

    def payments(self) -> int:
        return len(self.peer.books()["charges"])

    def balance(self) -> int:
        held = self.peer.books()["balance"].get("usd", {})
        return sum(held.values())


class PaystackTill(PeerTill):
    """The double of Paystack."""

    provider = "PAYSTACK"
    currency = "NGN"
    gives_fee_back = False
    operations: Mapping[str, str] = {
        CREATE: "transaction.initialize",
        REFUND: "refund.create",
        DETACH: "customer.deactivate_authorization",
    }
    tries = 1

    def change(self, method: PaymentMethod, card: Card) -> None:
        acts_as = {Card.DECLINED: "declined", Card.ASKED: "challenge"}[card]
        self.peer.control("authorization", code=method.token, card=acts_as)

    def consent(self, purchase: Purchase) -> None:
        self.peer.pay(purchase.reference)

    def keeps(self, token: str) -> bool:
        return bool(self.peer.control("authorization/look", code=token)["reusable"])

    def move_refund(self, refund: Refund, *, succeeds: bool) -> None:
        theirs = refund.gateway_id or refund.purchase.reference
        number = int(theirs) if theirs.isdigit() else theirs
        self.peer.move_refund(number, "processed" if succeeds else "failed")

    def decide(self, dispute_id: str, *, is_won: bool) -> None:
        resolution = "declined" if is_won else "merchant-accepted"
        self.peer.move_dispute(int(dispute_id), "resolved", resolution=resolution)

    def payments(self) -> int:
        return len(self.peer.books()["charges"])

    def balance(self) -> int:
        return int(self.peer.books()["balance"].get("NGN", 0))


def deliver(
    till: Till, *, now: datetime = NOW, seed: int | None = None, copies: int = 1
) -> list[WebhookEvent]:
    """Every webhook so far arrives and is acted on; parked ones are tried again, as the sweep does.

    Args:
        seed: Shuffles them.
        copies: How often each arrives.
    """
    deliveries = till.webhooks() * copies
    if seed is not None:
        random.Random(seed).shuffle(deliveries)
    for body, headers in deliveries:
        inbox.receive(provider=till.provider, body=body, headers=headers, now=now)
        for event in WebhookEvent.objects.due(now).order_by("id"):
            inbox.process(event_id=event.pk, now=now)
    later = now
    for _ in range(5):
        waiting = WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED)
        later = max((row.next_attempt_at or later for row in waiting), default=later)
        for event in waiting:
            inbox.process(event_id=event.pk, now=later)
    return list(WebhookEvent.objects.order_by("id"))
