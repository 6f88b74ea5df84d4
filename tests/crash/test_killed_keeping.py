"""A payment method that is kept, charged or removed at each gateway, killed on the way"""

from functools import partial
from uuid import UUID

import pytest

from legato_payments.lib.ids import uuid7
from payments.models import Attempt, GatewayCustomer, MethodConsent, PaymentMethod, Purchase
from payments.services import payment_methods, purchases
from tests.crash.deaths import die_at
from tests.crash.points import OPENING
from tests.crash.test_killed_at_gateways import (
    SOON,
    agree,
    coins,
    paystack_peer,
    paystack_process,
    poll,
    stripe_peer,
    stripe_process,
    till,
)
from tests.factories import NOW, package
from tests.gateways.tills import Till

__all__ = ["paystack_peer", "paystack_process", "stripe_peer", "stripe_process", "till"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

READER = "reader-0"


def start(till: Till, purchase_id: UUID, method: PaymentMethod | None = None) -> Purchase:
    order = purchases.Order(
        user_id=READER,
        currency=till.currency,
        package_id=package("Reader Pack").pk,
        email="ada@example.com",
        save_method=method is None,
        payment_method_id=method.pk if method else None,
    )
    return purchases.start(purchase_id=purchase_id, order=order, now=NOW)


def kept(till: Till) -> PaymentMethod:
    purchase = start(till, uuid7())
    till.pay(purchase)
    poll(purchase.pk)
    return PaymentMethod.objects.get()


@pytest.mark.parametrize("point", OPENING)
def test_a_purchase_that_is_to_keep_its_method_is_resumed_and_keeps_it(
    till: Till, point: str
) -> None:
    purchase_id = uuid7()

    die_at(point, partial(start, till, purchase_id))
    purchase = start(till, purchase_id)

    till.pay(purchase)
    poll(purchase.pk)
    assert PaymentMethod.objects.get().purchase == purchase
    assert MethodConsent.objects.count() == 1
    assert GatewayCustomer.objects.count() == (till.provider == "STRIPE")
    assert coins(0) == 525
    agree(till)


@pytest.mark.parametrize("point", ["settle.locked", "settle.posted"])
def test_a_method_is_kept_with_the_credit_or_not_yet(till: Till, point: str) -> None:
    purchase = start(till, uuid7())
    till.pay(purchase)

    die_at(point, partial(poll, purchase.pk))

    assert (coins(0), PaymentMethod.objects.count()) == (0, 0)
    poll(purchase.pk)
    assert (coins(0), PaymentMethod.objects.count()) == (525, 1)
    agree(till)


@pytest.mark.parametrize("point", OPENING)
def test_a_kept_method_is_charged_once(till: Till, point: str) -> None:
    method, purchase_id = kept(till), uuid7()

    die_at(point, partial(start, till, purchase_id, method))
    purchase = start(till, purchase_id, method)

    assert purchase.status == Purchase.Status.SUCCEEDED
    assert coins(0) == 2 * 525
    assert till.payments() == 2
    agree(till)


@pytest.mark.parametrize("point", ["attempt.written", "attempt.answered"])
def test_a_removed_method_is_forgotten_in_the_end(till: Till, point: str) -> None:
    method = kept(till)
    payment_methods.remove(method_id=method.pk, user_id=READER, actor="user:x", now=NOW)

    die_at(point, partial(payment_methods.detach, method_id=method.pk, now=NOW))
    payment_methods.detach(method_id=method.pk, now=SOON)

    method.refresh_from_db()
    assert (method.detached_at, method.next_attempt_at) == (SOON, None)
    assert not till.keeps(method.token)
    attempt = Attempt.objects.get(operation="detach_method")
    assert (attempt.state, attempt.tries) == (Attempt.State.ANSWERED, 2)
