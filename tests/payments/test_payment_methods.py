"""payment_methods: what is kept of a payment, by whose consent, and for how long"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import ProtectedError

from legato_payments.lib import clock, crypto, jobs
from legato_payments.lib.ids import uuid7
from payments import tasks
from payments.gateways import base
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import SavedMethod
from payments.models import (
    Attempt,
    MethodConsent,
    PaymentMethod,
    Purchase,
    SandboxCharge,
    SandboxMethod,
)
from payments.services import attempts, payment_methods, purchases
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

A_MINUTE = timedelta(minutes=1)
CARD = SavedMethod("tok_1", "cus_1", "card", "visa", "4242", "2030-08", "ada@example.com")


def paid(given: SavedMethod | None, user_id: str = READER, **order: Any) -> Purchase:
    """A purchase that was paid with ``given``, the reader agreeing to keep it unless said."""
    purchase = factories.start_purchase(user_id, **{"save_method": True, **order})
    return hear(purchase, given)


def hear(purchase: Purchase, given: SavedMethod | None) -> Purchase:
    state = factories.state(purchase, method=given)
    return purchases.apply(purchase_id=purchase.pk, state=state, now=NOW)


def remove(method: PaymentMethod, **more: Any) -> PaymentMethod:
    who = {"user_id": READER, "actor": f"user:{READER}", "now": NOW}
    return payment_methods.remove(**{"method_id": method.pk, **who, **more})


def detach(method: PaymentMethod, now: Any = NOW) -> PaymentMethod:
    payment_methods.detach(method_id=method.pk, now=now)
    method.refresh_from_db()
    return method


class TestKeeping:
    def test_the_consent_is_written_with_the_purchase(self) -> None:
        purchase = factories.start_purchase(save_method=True)

        consent = MethodConsent.objects.get()
        assert (consent.purchase, consent.given_at) == (purchase, NOW)
        assert factories.charge_of(purchase).keeps_method

    def test_it_is_kept_as_the_gateway_describes_it(self) -> None:
        purchase = paid(CARD)

        method = PaymentMethod.objects.get()
        assert (method.token, method.customer_id, method.email) == (
            "tok_1", "cus_1", "ada@example.com",
        )  # fmt: skip
        shown = (method.kind, method.brand, method.last4, method.expires)
        assert shown == ("card", "visa", "4242", "2030-08")
        assert (method.purchase, method.consented_at, method.created_at) == (purchase, NOW, NOW)
        assert (method.removed_at, method.next_attempt_at) == (None, None)

    def test_without_consent_the_same_news_keeps_nothing(self) -> None:
        purchase = paid(CARD, save_method=False)

        assert purchase.status == Purchase.Status.SUCCEEDED
        assert not PaymentMethod.objects.exists()

    def test_a_payment_that_leaves_nothing_to_charge_is_credited_all_the_same(self) -> None:
        paid(None)

        assert books_of.coins(READER) == 6_600
        assert not PaymentMethod.objects.exists()

    def test_what_the_first_news_did_not_say_may_come_later(self) -> None:
        purchase = paid(None)

        hear(purchase, CARD)

        assert PaymentMethod.objects.get().token == "tok_1"
        assert books_of.coins(READER) == 6_600

    def test_the_same_news_again_changes_nothing(self) -> None:
        purchase = paid(CARD)

        with books_of.nothing_changed():
            hear(purchase, replace(CARD, brand="mastercard"))

    def test_the_same_token_of_two_purchases_is_one_method(self) -> None:
        first = paid(CARD)
        paid(CARD)

        assert PaymentMethod.objects.get().purchase == first
        assert books_of.coins(READER) == 2 * 6_600

    def test_a_payment_that_does_not_match_keeps_nothing(self) -> None:
        purchase = factories.start_purchase(save_method=True)
        state = factories.state(purchase, method=CARD, reference="lpforeign")

        with books_of.nothing_credited():
            purchases.apply(purchase_id=purchase.pk, state=state, now=NOW)

        assert not PaymentMethod.objects.exists()

    def test_nothing_a_gateway_calls_a_card_keeps_its_payment_from_being_credited(self) -> None:
        paid(SavedMethod("t" * 500, "c" * 500, "k\0" * 30, "b\u202e" * 90, "12345", "2030-08-01"))

        method = PaymentMethod.objects.get()
        assert (method.kind, method.brand) == ("k" * 20, "b" * 40)
        assert (method.last4, method.expires) == ("1234", "2030-08")
        assert books_of.coins(READER) == 6_600

    def test_what_charges_it_is_unreadable_in_the_database(self) -> None:
        paid(CARD)

        with connection.cursor() as cursor:
            cursor.execute("SELECT to_jsonb(m)::text FROM payments_paymentmethod m")
            ((row,),) = cursor.fetchall()
        for secret in (CARD.token, CARD.customer_id, CARD.email):
            assert secret not in row
            assert secret.encode().hex() not in row

    def test_it_is_found_again_after_a_new_key(self, settings: Any) -> None:
        paid(CARD)
        settings.FIELD_KEYS = f"{settings.FIELD_KEYS},9:{crypto.make_key()}"

        paid(CARD)

        assert PaymentMethod.objects.count() == 1

    def test_its_purchase_cannot_be_deleted(self) -> None:
        purchase = paid(CARD)

        with books_of.nothing_changed(), pytest.raises(ProtectedError):
            purchase.delete()


class TestCharging:
    @pytest.fixture
    def method(self) -> PaymentMethod:
        """The reader pays at the sandbox and lets us keep the card."""
        factories.buy_coins(save_method=True)
        return PaymentMethod.objects.get()

    def test_it_is_paid_with_what_the_gateway_gave_us(self, method: PaymentMethod) -> None:
        purchase = factories.start_purchase(payment_method_id=method.pk)

        assert factories.charge_of(purchase).method == method.token
        assert not factories.charge_of(purchase).keeps_method
        assert books_of.coins(READER) == 2 * 6_600

    def test_asking_to_keep_it_again_changes_nothing(self, method: PaymentMethod) -> None:
        before = PaymentMethod.objects.values().get()

        factories.start_purchase(payment_method_id=method.pk, save_method=True)

        assert PaymentMethod.objects.values().get() == before
        assert MethodConsent.objects.count() == 1

    @pytest.mark.parametrize("whose", ["nobody's", "another's", "removed"])
    def test_one_that_is_not_the_readers_is_refused(
        self, method: PaymentMethod, whose: str
    ) -> None:
        if whose == "removed":
            remove(method)
        method_id = uuid7() if whose == "nobody's" else method.pk
        reader = "reader-2" if whose == "another's" else READER

        with (
            books_of.nothing_changed(),
            pytest.raises(payment_methods.MethodUnknown) as refusal,
        ):
            factories.start_purchase(reader, payment_method_id=method_id)

        assert [fault.pointer for fault in refusal.value.errors] == ["/payment_method_id"]

    def test_one_of_another_gateway_is_refused(self, method: PaymentMethod) -> None:
        PaymentMethod.objects.filter(pk=method.pk).update(provider="STRIPE")

        with (
            books_of.nothing_changed(),
            pytest.raises(payment_methods.MethodElsewhere) as refusal,
        ):
            factories.start_purchase(payment_method_id=method.pk)

        assert [fault.code for fault in refusal.value.errors] == ["payment_method_elsewhere"]

    def test_a_lost_answer_is_not_charged_again(
        self, method: PaymentMethod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase_id = uuid7()
        with _answers_lost(monkeypatch, is_done=True), books_of.nothing_credited():
            _refused(purchase_id, method)

        purchase = purchases.start(purchase_id=purchase_id, order=_order(method), now=NOW)

        assert purchase.status == Purchase.Status.SUCCEEDED
        assert books_of.coins(READER) == 2 * 6_600
        assert SandboxCharge.objects.count() == 2

    def test_a_refusal_whose_answer_was_lost_is_told_at_the_next_try(
        self, method: PaymentMethod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        SandboxMethod.objects.update(acts_as="pm_declined")
        purchase_id = uuid7()
        with _answers_lost(monkeypatch, is_done=True):
            _refused(purchase_id, method)

        with books_of.nothing_credited():
            for _ in range(2):
                with pytest.raises(purchases.PaymentDeclined) as refusal:
                    purchases.start(purchase_id=purchase_id, order=_order(method), now=NOW)

        assert refusal.value.members["decline_code"] == "card_declined"
        assert Purchase.objects.get(pk=purchase_id).status == Purchase.Status.FAILED
        assert SandboxCharge.objects.count() == 2

    def test_a_purchase_that_is_resumed_after_the_removal_charges_nothing(
        self, method: PaymentMethod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase_id = uuid7()
        with _answers_lost(monkeypatch, is_done=False):
            _refused(purchase_id, method)
        remove(method)

        with (
            books_of.nothing_credited(),
            pytest.raises(payment_methods.MethodUnknown),
        ):
            purchases.start(purchase_id=purchase_id, order=_order(method), now=NOW)

        purchase = Purchase.objects.get(pk=purchase_id)
        assert (purchase.status, purchase.failure_code) == (
            Purchase.Status.FAILED, "payment_method_removed",
        )  # fmt: skip
        assert SandboxCharge.objects.count() == 1


class TestRemoving:
    def test_it_is_written_down_and_the_gateway_is_to_be_told(self) -> None:
        paid(CARD)
        method = remove(PaymentMethod.objects.get())

        assert (method.removed_at, method.next_attempt_at) == (NOW, NOW)
        (entry,) = books_of.audit("payments.payment_method.removed")
        assert (entry.actor, entry.object_id) == (f"user:{READER}", str(method.pk))
        assert CARD.token not in str(entry.after)

    def test_again_changes_nothing(self) -> None:
        paid(CARD)
        method = remove(PaymentMethod.objects.get())

        with books_of.nothing_changed():
            again = remove(method, now=NOW + A_MINUTE)

        assert again.removed_at == NOW

    @pytest.mark.parametrize("user_id", ["reader-2", "nobody"])
    def test_nobody_removes_anothers(self, user_id: str) -> None:
        paid(CARD)

        with books_of.nothing_changed(), pytest.raises(payment_methods.MethodMissing):
            remove(PaymentMethod.objects.get(), user_id=user_id)

    def test_late_news_of_its_payment_does_not_bring_it_back(self) -> None:
        purchase = paid(CARD)
        remove(PaymentMethod.objects.get(), now=NOW + A_MINUTE)

        with books_of.nothing_changed():
            hear(purchase, CARD)

        assert not PaymentMethod.objects.kept().exists()

    def test_a_later_consent_brings_it_back(self) -> None:
        paid(CARD)
        method = detach(remove(PaymentMethod.objects.get()))
        later = NOW + A_MINUTE

        again = paid(replace(CARD, expires="2031-01"), now=later)

        method.refresh_from_db()
        assert (method.removed_at, method.detached_at, method.next_attempt_at) == (None,) * 3
        assert (method.purchase, method.consented_at) == (again, later)
        assert method.expires == "2031-01"
        assert len(books_of.audit("payments.payment_method.kept")) == 2

    def test_one_that_is_kept_again_and_removed_again_is_asked_for_anew(self) -> None:
        paid(CARD)
        method = detach(remove(PaymentMethod.objects.get()))
        later = NOW + 2 * A_MINUTE
        paid(CARD, now=NOW + A_MINUTE)

        method = detach(remove(method, now=later), later)

        assert method.detached_at == later
        keys = Attempt.objects.filter(operation="detach_method").values_list("key", flat=True)
        assert len(set(keys)) == 2

    def test_the_sweep_drives_it_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paid(CARD)
        method = remove(PaymentMethod.objects.get(), now=clock.now())
        sent: list[tuple[str, Any]] = []
        monkeypatch.setattr(jobs, "enqueue", lambda job, **ids: sent.append((job, ids)))

        tasks.sweep()

        assert ("payments.detach_method", {"method_id": str(method.pk)}) in sent

    def test_a_gateway_that_is_not_set_up_any_more_is_asked_later(self, settings: Any) -> None:
        paid(CARD)
        method = remove(PaymentMethod.objects.get())
        settings.GATEWAY_SANDBOX = False

        detach(method)

        assert (method.detached_at, method.next_attempt_at) == (None, NOW + A_MINUTE)

    def test_it_is_not_told_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paid(CARD)
        method = detach(remove(PaymentMethod.objects.get()))
        monkeypatch.delattr(SandboxGateway, "detach_method")

        with books_of.nothing_changed():
            detach(method, NOW + A_MINUTE)

    def test_one_that_is_kept_is_never_detached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paid(CARD)
        monkeypatch.delattr(SandboxGateway, "detach_method")

        with books_of.nothing_changed():
            detach(PaymentMethod.objects.get())


def _order(method: PaymentMethod) -> purchases.Order:
    package = factories.package().pk
    return purchases.Order(
        user_id=READER, currency="USD", package_id=package, payment_method_id=method.pk
    )


def _refused(purchase_id: Any, method: PaymentMethod) -> None:
    with pytest.raises(attempts.GatewayUnavailable):
        purchases.start(purchase_id=purchase_id, order=_order(method), now=NOW)


@contextmanager
def _answers_lost(patch: pytest.MonkeyPatch, *, is_done: bool) -> Iterator[None]:
    """What is asked of the sandbox meanwhile is done, or not, and not answered."""
    real = SandboxGateway.create_charge

    def lost(*args: Any, **kwargs: Any) -> None:
        if is_done:
            with suppress(base.Declined):
                real(*args, **kwargs)
        raise base.Ambiguous("no answer", gateway="SANDBOX")

    with patch.context() as only_here:
        only_here.setattr(SandboxGateway, "create_charge", lost)
        yield
