"""A kept payment method at every gateway: kept, charged, asked, declined, removed"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from legato_payments.lib import clock
from legato_payments.lib.ids import uuid7
from payments.models import Attempt, GatewayCustomer, PaymentMethod, Purchase
from payments.services import attempts, payment_methods, purchases
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER
from tests.gateways.test_flows import agree, bought, coins, order, polled
from tests.gateways.tills import CUSTOMER, DETACH, Card, PeerTill, Till, deliver
from tests.payments import books_of
from tests.peers.faults import Fault

pytestmark = pytest.mark.django_db

Status = Purchase.Status
PACK = 525

LOST = [Fault.ERROR_AFTER, Fault.GARBAGE, Fault.REFUSE]
"""Done and not told, done and told in no words of the gateway's, not done."""


def start(till: Till, purchase_id: UUID | None = None, **more: Any) -> Purchase:
    return purchases.start(purchase_id=purchase_id or uuid7(), order=order(till, **more), now=NOW)


def kept(till: Till) -> PaymentMethod:
    """What a reader agreed to keep with a purchase that was paid."""
    purchase = start(till, save_method=True)
    till.pay(purchase)
    polled(purchase)
    return PaymentMethod.objects.get()


def remove(method: PaymentMethod) -> None:
    payment_methods.remove(method_id=method.pk, user_id=READER, actor=f"user:{READER}", now=NOW)


def state_of_attempts(operation: str) -> list[str]:
    return list(Attempt.objects.filter(operation=operation).values_list("state", flat=True))


class TestKeeping:
    def test_it_is_kept_with_the_payment_and_once_whoever_reports_it(self, till: Till) -> None:
        purchase = start(till, save_method=True)
        assert not PaymentMethod.objects.exists()
        till.pay(purchase)

        polled(purchase)
        purchases.confirm(purchase_id=purchase.pk, user_id=READER, now=NOW)
        deliver(till, copies=2, seed=1)

        method = PaymentMethod.objects.get()
        assert (method.user_id, method.provider) == (READER, till.provider)
        assert (method.kind, method.brand) == ("card", "visa")
        assert method.last4 in {"4242", "4081"}
        assert method.expires in {"2034-08", "2034-12"}
        assert (method.purchase, method.consented_at) == (purchase, NOW)
        assert len(books_of.audit("payments.payment_method.kept")) == 1
        assert coins() == PACK
        agree(till)

    def test_nothing_is_kept_without_the_readers_consent(self, till: Till) -> None:
        bought(till)
        deliver(till)

        assert coins() == PACK
        assert not PaymentMethod.objects.exists()
        assert not GatewayCustomer.objects.exists()

    def test_nothing_is_kept_of_a_card_that_was_declined(self, till: Till) -> None:
        purchase = start(till, save_method=True)
        till.decline(purchase)

        deliver(till)
        polled(purchase)

        assert not PaymentMethod.objects.exists()
        assert coins() == 0


class TestCharging:
    def test_it_pays_at_once_without_a_page(self, till: Till) -> None:
        method = kept(till)

        purchase = start(till, payment_method_id=method.pk)

        assert (purchase.status, purchase.action) == (Status.SUCCEEDED, None)
        assert coins() == 2 * PACK
        deliver(till)
        assert coins() == 2 * PACK
        assert PaymentMethod.objects.get().removed_at is None
        agree(till)

    def test_it_pays_though_the_reader_has_another_address_by_now(self, till: Till) -> None:
        method = kept(till)

        purchase = start(till, payment_method_id=method.pk, email="ada.new@example.com")

        assert purchase.status == Status.SUCCEEDED
        assert coins() == 2 * PACK

    def test_a_bank_that_asks_is_answered_by_the_reader(self, till: Till) -> None:
        method = kept(till)
        till.change(method, Card.ASKED)

        purchase = start(till, payment_method_id=method.pk)

        assert purchase.status == Status.PENDING
        assert purchase.action is not None
        where = "client_secret" if till.provider == "STRIPE" else "url"
        assert purchase.action["type"] == where.replace("url", "redirect")
        assert purchase.action[where]
        assert coins() == PACK
        till.consent(purchase)
        assert polled(purchase).status == Status.SUCCEEDED
        assert coins() == 2 * PACK
        agree(till)

    def test_a_bank_that_asks_a_reader_who_is_not_here_refuses(self, till: Till) -> None:
        method = kept(till)
        till.change(method, Card.ASKED)

        with books_of.nothing_credited(), pytest.raises(purchases.PaymentDeclined) as refusal:
            start(till, payment_method_id=method.pk, off_session=True)

        assert refusal.value.members["decline_code"] == "authentication_required"
        failed = Purchase.objects.latest("id")
        assert (failed.status, failed.action) == (Status.FAILED, None)
        deliver(till)
        assert coins() == PACK
        agree(till)

    def test_a_declined_card_brings_no_coins_and_stays_kept(self, till: Till) -> None:
        method = kept(till)
        till.change(method, Card.DECLINED)

        with books_of.nothing_credited(), pytest.raises(purchases.PaymentDeclined) as refusal:
            start(till, payment_method_id=method.pk)

        assert refusal.value.members["decline_code"]
        assert Purchase.objects.latest("id").status == Status.FAILED
        assert PaymentMethod.objects.kept().get() == method
        deliver(till)
        assert coins() == PACK
        agree(till)

    def test_one_that_the_gateway_forgot_is_declined(self, till: Till) -> None:
        method = kept(till)
        remove(method)
        payment_methods.detach(method_id=method.pk, now=NOW)
        # As if it had been removed at the gateway's dashboard, without our knowledge.
        PaymentMethod.objects.update(removed_at=None, detached_at=None)

        with books_of.nothing_credited(), pytest.raises(purchases.PaymentDeclined):
            start(till, payment_method_id=method.pk)

        assert Purchase.objects.latest("id").status == Status.FAILED


class TestRemoving:
    def test_it_is_refused_from_then_on_and_forgotten_by_the_gateway(self, till: Till) -> None:
        method = kept(till)

        remove(method)

        with books_of.nothing_changed(), pytest.raises(payment_methods.MethodUnknown):
            start(till, payment_method_id=method.pk)
        assert till.keeps(method.token)
        payment_methods.detach(method_id=method.pk, now=NOW)
        method.refresh_from_db()
        assert (method.detached_at, method.next_attempt_at) == (NOW, None)
        assert not till.keeps(method.token)
        assert state_of_attempts("detach_method") == ["ANSWERED"]
        deliver(till)
        assert not PaymentMethod.objects.kept().exists()

    @pytest.mark.parametrize("fault", LOST)
    def test_a_gateway_that_does_not_answer_is_asked_again(self, till: Till, fault: Fault) -> None:
        method = kept(till)
        remove(method)
        till.fail(DETACH, fault)

        payment_methods.detach(method_id=method.pk, now=NOW)

        method.refresh_from_db()
        assert (method.detached_at, method.next_attempt_at) == (None, NOW + timedelta(minutes=1))
        assert state_of_attempts("detach_method") != ["ANSWERED"]
        payment_methods.detach(method_id=method.pk, now=NOW + timedelta(minutes=1))
        method.refresh_from_db()
        assert method.detached_at == NOW + timedelta(minutes=1)
        assert state_of_attempts("detach_method") == ["ANSWERED"]
        assert not till.keeps(method.token)


def test_a_reader_keeps_pays_and_removes_over_http(till: Till) -> None:
    now = clock.now()
    factories.rates(now)
    if isinstance(till, PeerTill):
        till.peer.set_clock(int(now.timestamp()))
    caller = api(user=READER, email="ada@example.com")
    users = f"{PAYMENTS}/users/{READER}"
    body = {"package_id": str(factories.package("Reader Pack").pk), "currency": till.currency}

    first = caller.keyed(f"{users}/purchase-coins", {**body, "save_payment_method": True}).json()
    till.pay(Purchase.objects.get())
    caller.post(f"{users}/confirm-purchase", {"transaction_id": first["transaction_id"]})
    (listed,) = caller.get(f"{users}/payment-methods").json()["results"]
    with_it = {**body, "payment_method_id": listed["id"]}
    again = caller.keyed(f"{users}/purchase-coins", with_it)
    removed = caller.delete(f"{users}/payment-methods/{listed['id']}")
    refused = caller.keyed(f"{users}/purchase-coins", with_it)

    assert first["action"]["type"] == "redirect"
    assert listed["gateway"] == till.provider.lower()
    assert again.status_code == 201
    assert (again.json()["status"], again.json()["action"]) == ("succeeded", None)
    assert removed.status_code == 204
    assert (refused.status_code, refused.json()["code"]) == (422, "payment_method_unknown")
    assert caller.get(f"{users}/payment-methods").json()["results"] == []
    assert coins() == 2 * PACK


@pytest.mark.parametrize("till", ["stripe"], indirect=True)
class TestCustomer:
    """Stripe keeps methods for customers."""

    def test_one_is_made_for_all_that_a_reader_keeps(self, till: Till) -> None:
        for _ in range(2):
            till.pay(start(till, save_method=True))
        deliver(till)

        customer = GatewayCustomer.objects.get()
        assert customer.customer_id
        methods = PaymentMethod.objects.all()
        assert [method.customer_id for method in methods] == [customer.customer_id] * 2
        assert state_of_attempts("customer") == ["ANSWERED"]
        assert len(_calls(till, "customers.create")) == 1

    @pytest.mark.parametrize("fault", LOST)
    def test_a_lost_answer_makes_one_customer(self, till: Till, fault: Fault) -> None:
        assert isinstance(till, PeerTill)
        till.fail(CUSTOMER, fault)
        purchase_id = uuid7()
        with books_of.nothing_credited(), pytest.raises(attempts.GatewayUnavailable):
            start(till, purchase_id, save_method=True)
        assert state_of_attempts("customer") != ["ANSWERED"]
        assert state_of_attempts("charge") == []

        purchase = start(till, purchase_id, save_method=True)

        till.pay(purchase)
        polled(purchase)
        assert PaymentMethod.objects.get().customer_id == GatewayCustomer.objects.get().customer_id
        assert till.payments() == 1
        made = [event for event in till.peer.outbox() if "customer.created" in event["body"]]
        assert len(made) == 1
        agree(till)


def _calls(till: Till, operation: str) -> list[Any]:
    assert isinstance(till, PeerTill)
    return till.peer.calls(operation)
