"""One card, many reporters at the same moment: it is kept once, and removed for good"""

from datetime import timedelta

import pytest

from payments.gateways.values import SavedMethod
from payments.models import AuditEntry, PaymentMethod, Purchase
from payments.services import payment_methods, purchases
from tests import factories
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db(transaction=True)

CARD = SavedMethod("tok_1", "cus_1", "card", "visa", "4242", "2030-08")
LATER = NOW + timedelta(minutes=1)


def tell(purchase: Purchase) -> None:
    state = factories.state(purchase, method=CARD)
    purchases.apply(purchase_id=purchase.pk, state=state, now=NOW)


def kept_ever() -> int:
    return AuditEntry.objects.filter(action="payments.payment_method.kept").count()


def test_many_successes_with_one_card_keep_one_method() -> None:
    paid = [factories.start_purchase(save_method=True) for _ in range(4)]

    with no_deadlocks():
        # Each payment is reported twice.
        Crowd(8).run(lambda number: tell(paid[number % 4]))

    assert PaymentMethod.objects.count() == kept_ever() == 1
    assert books_of.coins(READER) == 4 * 6_600
    assert set(Purchase.objects.values_list("status", flat=True)) == {"SUCCEEDED"}


def test_a_removal_among_late_reports_is_for_good() -> None:
    purchase = factories.start_purchase(save_method=True)
    tell(purchase)
    method = PaymentMethod.objects.get()

    def work(number: int) -> None:
        if number % 2:
            tell(purchase)
        else:
            payment_methods.remove(
                method_id=method.pk, user_id=READER, actor=f"user:{READER}", now=LATER
            )

    with no_deadlocks():
        Crowd(8).run(work)

    method.refresh_from_db()
    assert method.removed_at == LATER
    assert kept_ever() == 1
    assert AuditEntry.objects.filter(action="payments.payment_method.removed").count() == 1


def test_one_worker_tells_the_gateway() -> None:
    purchase = factories.start_purchase(save_method=True)
    tell(purchase)
    method = PaymentMethod.objects.get()
    payment_methods.remove(method_id=method.pk, user_id=READER, actor="user:x", now=NOW)

    Crowd(4).run(lambda _: payment_methods.detach(method_id=method.pk, now=NOW))

    method.refresh_from_db()
    assert (method.detached_at, method.attempts) == (NOW, 1)
