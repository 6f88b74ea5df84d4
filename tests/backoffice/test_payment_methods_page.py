"""Kept payment methods in the back office: seen by many, removed with a reason"""

import pytest
from django.test import Client
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import AuditEntry, PaymentMethod, Purchase
from payments.services import payment_methods
from tests import factories
from tests.backoffice.members import ROLES, error_of, member, send
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


@pytest.fixture
def method() -> PaymentMethod:
    """A card that a reader lets us keep, and one of another reader."""
    now = clock.now()
    factories.buy_coins("reader-2", now=now, save_method=True)
    factories.buy_coins(now=now, save_method=True)
    return PaymentMethod.objects.get(user_id=READER)


def remove(method: PaymentMethod) -> str:
    return reverse("admin:payments_paymentmethod_remove", args=[method.pk])


def page(client: Client, method: PaymentMethod) -> str:
    return client.get(cells.page_of(method)).content.decode()


def found(client: Client, **query: str) -> list[str]:
    answer = client.get(cells.listing(PaymentMethod), query)
    return [row.user_id for row in answer.context["cl"].result_list]


def test_shows_what_it_is_and_never_what_charges_it(method: PaymentMethod) -> None:
    auditor = member("Auditor")

    html = page(auditor, method)
    listed = auditor.get(cells.listing(PaymentMethod)).content.decode()

    for words in (READER, "visa", "4242", "2034-08", "Sandbox", "Kept"):
        assert words in html
    for words in (READER, "visa", "4242"):
        assert words in listed
    assert cells.page(Purchase, method.purchase_id) in html
    assert method.token not in html + listed
    assert f'{remove(method)}"' not in html


def test_is_found_by_its_reader(method: PaymentMethod) -> None:
    auditor = member("Auditor")

    assert sorted(found(auditor)) == [READER, "reader-2"]
    assert found(auditor, q=READER) == [READER]
    assert found(auditor, q="reader-3") == []


def test_tells_the_kept_from_those_the_gateway_is_still_to_forget(method: PaymentMethod) -> None:
    auditor = member("Auditor")
    payment_methods.remove(method_id=method.pk, user_id=READER, actor="user:x", now=clock.now())

    assert found(auditor, view="kept") == ["reader-2"]
    assert found(auditor, view="leaving") == [READER]
    assert "the gateway still keeps it" in page(auditor, method)
    payment_methods.detach(method_id=method.pk, now=clock.now())
    assert found(auditor, view="leaving") == []
    assert tables_of(page(auditor, method))["Asked of the gateway"][1][:2] == [
        "detach_method",
        "Answered",
    ]


def test_is_removed_with_a_reason(method: PaymentMethod) -> None:
    html = send(member("Support"), remove(method), reason="The reader called.")

    assert f"Removed: visa 4242 of {READER}." in html
    method.refresh_from_db()
    assert method.removed_at is not None
    entry = AuditEntry.objects.get(action="payments.payment_method.removed")
    assert (entry.object_id, entry.reason) == (str(method.pk), "The reader called.")
    assert entry.actor.startswith("staff:")
    assert f'{remove(method)}"' not in html
    assert tables_of(html)["Audit"][1][1] == "Payment method removed"


def test_needs_a_reason(method: PaymentMethod) -> None:
    html = send(member("Support"), remove(method), reason=" ")

    assert error_of(html, "reason")
    method.refresh_from_db()
    assert method.removed_at is None


@pytest.mark.parametrize("role", ROLES)
def test_support_operators_and_managers_remove_it(method: PaymentMethod, role: str) -> None:
    may = role in ("Support", "Operator", "Finance manager")
    if role != "Staff admin":
        assert (f'{remove(method)}"' in page(member(role), method)) == may

    answer = member(role).post(remove(method), {"reason": "x"})

    assert answer.status_code == (302 if may else 403)
    method.refresh_from_db()
    assert (method.removed_at is not None) == may
