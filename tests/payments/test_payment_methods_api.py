"""/api/v1/payments/users/{user_id}/payment-methods, and purchases that are paid with one"""

from typing import Any

import pytest

from legato_payments.lib import clock
from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox import books
from payments.models import PaymentMethod, Purchase, SandboxCharge, SandboxMethod
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/payment-methods"
BUY = f"{PAYMENTS}/users/{READER}/purchase-coins"
ULTIMATE = {"package_id": "01930000-0000-7000-8000-000000000005", "currency": "USD"}


@pytest.fixture
def method() -> PaymentMethod:
    """A card that the reader lets us keep."""
    return keep()


def keep(user_id: str = READER) -> PaymentMethod:
    purchase = factories.buy_coins(user_id, now=clock.now(), save_method=True)
    return PaymentMethod.objects.get(purchase=purchase)


def buy(method_id: Any, *, key: str | None = None, **more: Any) -> Any:
    body = {**ULTIMATE, "payment_method_id": str(method_id), **more}
    return api(user=READER).keyed(BUY, body, key=key)


def listed(**query: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = api(user=READER).get(URL, query).json()["results"]
    return results


class TestList:
    def test_has_what_a_reader_recognises_and_no_token(self, method: PaymentMethod) -> None:
        answer = api(user=READER).get(URL)

        assert answer.status_code == 200
        assert answer.json() == {
            "next": None,
            "previous": None,
            "results": [
                {
                    "id": str(method.pk),
                    "gateway": "sandbox",
                    "kind": "card",
                    "brand": "visa",
                    "last4": "4242",
                    "expires": "2034-08",
                    "created_at": f"{method.created_at:%Y-%m-%dT%H:%M:%S.%f}Z",
                }
            ],
        }
        assert method.token not in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"

    def test_says_null_of_what_is_not_known(self, method: PaymentMethod) -> None:
        PaymentMethod.objects.update(brand="", last4="", expires="")

        (shown,) = listed()

        assert (shown["brand"], shown["last4"], shown["expires"]) == (None, None, None)

    def test_is_the_readers_own_newest_first_without_the_removed(self) -> None:
        first, second, third = keep(), keep(), keep()
        keep("reader-2")
        api(user=READER).delete(f"{URL}/{second.pk}")

        assert [row["id"] for row in listed()] == [str(third.pk), str(first.pk)]

    def test_has_pages(self) -> None:
        first, second = keep(), keep()
        caller = api(user=READER)

        page = caller.get(URL, {"page_size": 1}).json()
        rest = caller.get(page["next"]).json()

        assert [row["id"] for row in page["results"]] == [str(second.pk)]
        assert [row["id"] for row in rest["results"]] == [str(first.pk)]
        assert rest["next"] is None

    def test_is_empty_for_who_keeps_nothing(self) -> None:
        assert listed() == []


class TestPurchase:
    def test_is_paid_at_once(self, method: PaymentMethod) -> None:
        answer = buy(method.pk)

        assert answer.status_code == 201
        purchase = Purchase.objects.latest("id")
        assert answer.json() == {
            "transaction_id": str(purchase.pk),
            "status": "succeeded",
            "gateway": "sandbox",
            "total": {"amount": "39.99", "currency": "USD"},
            "tax": {"amount": "0.00", "currency": "USD"},
            "coins": 6_600,
            "action": None,
        }
        assert books_of.coins(READER) == 2 * 6_600

    def test_repeated_is_paid_once(self, method: PaymentMethod) -> None:
        first = buy(method.pk, key="one-click")

        with books_of.nothing_changed():
            again = buy(method.pk, key="one-click")

        assert (again.status_code, again.content) == (201, first.content)
        assert again["Idempotent-Replayed"] == "true"

    def test_with_a_bank_that_asks_leads_to_it(self, method: PaymentMethod) -> None:
        SandboxMethod.objects.update(acts_as="pm_authenticate")

        answer = buy(method.pk)

        shown = answer.json()
        assert (answer.status_code, shown["status"]) == (201, "pending")
        assert shown["action"]["type"] == "redirect"
        assert books_of.coins(READER) == 6_600

    def test_declined_is_402_and_stays_so(self, method: PaymentMethod) -> None:
        SandboxMethod.objects.update(acts_as="pm_declined")

        with books_of.nothing_credited():
            answer = buy(method.pk, key="one-click")

        told = answer.json()
        assert (answer.status_code, told["code"]) == (402, "payment_declined")
        assert told["decline_code"] == "card_declined"
        with books_of.nothing_changed():
            again = buy(method.pk, key="one-click")
        assert (again.status_code, again.content) == (402, answer.content)

    @pytest.mark.parametrize("whose", ["nobody's", "another's", "removed"])
    def test_with_one_that_is_not_the_readers_is_refused(
        self, method: PaymentMethod, whose: str
    ) -> None:
        method_id = {"nobody's": uuid7(), "another's": keep("reader-2").pk}.get(whose, method.pk)
        if whose == "removed":
            api(user=READER).delete(f"{URL}/{method.pk}")

        with books_of.nothing_changed():
            answer = buy(method_id)

        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, "payment_method_unknown")
        assert [fault["pointer"] for fault in told["errors"]] == ["/payment_method_id"]

    def test_with_one_of_another_gateway_is_refused(self, method: PaymentMethod) -> None:
        PaymentMethod.objects.update(provider="PAYSTACK")

        with books_of.nothing_changed():
            answer = buy(method.pk)

        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, "payment_method_elsewhere")
        assert [fault["pointer"] for fault in told["errors"]] == ["/payment_method_id"]

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("payment_method_id", "pm_card"),
            ("payment_method_id", None),
            ("save_payment_method", "true"),
            ("save_payment_method", 1),
            ("save_payment_method", None),
        ],
    )
    def test_of_another_form_is_refused(self, member: str, value: Any) -> None:
        with books_of.nothing_changed():
            answer = api(user=READER).keyed(BUY, {**ULTIMATE, member: value})

        assert answer.status_code == 400
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{member}"]

    @pytest.mark.parametrize("said", [{}, {"save_payment_method": False}])
    def test_keeps_nothing_unasked(self, said: dict[str, bool]) -> None:
        api(user=READER).keyed(BUY, {**ULTIMATE, **said})
        books.pay(charge_id=SandboxCharge.objects.get().pk, now=clock.now())

        confirmed = confirm()

        assert confirmed["status"] == "succeeded"
        assert listed() == []

    def test_keeps_what_it_was_asked_to_once_it_is_paid(self) -> None:
        shown = api(user=READER).keyed(BUY, {**ULTIMATE, "save_payment_method": True}).json()
        page = api().get(shown["action"]["url"].removeprefix("http://127.0.0.1:8005"))
        assert "is kept for your next purchases" in page.content.decode()
        assert listed() == []
        books.pay(charge_id=SandboxCharge.objects.get().pk, now=clock.now())

        confirm()

        assert [row["last4"] for row in listed()] == ["4242"]

    def test_one_whose_bank_asked_asks_again(self) -> None:
        api(user=READER).keyed(BUY, {**ULTIMATE, "save_payment_method": True})
        charge = SandboxCharge.objects.get()
        books.authenticate(charge_id=charge.pk)
        books.pay(charge_id=charge.pk, now=clock.now())
        confirm()

        answer = buy(PaymentMethod.objects.get().pk)

        assert answer.json()["status"] == "pending"
        assert "/sandbox/checkout/" in answer.json()["action"]["url"]


class TestRemove:
    def test_takes_it_from_the_list(self, method: PaymentMethod) -> None:
        answer = api(user=READER).delete(f"{URL}/{method.pk}")

        assert (answer.status_code, answer.content) == (204, b"")
        assert listed() == []
        method.refresh_from_db()
        assert method.removed_at is not None

    def test_again_answers_the_same_and_changes_nothing(self, method: PaymentMethod) -> None:
        caller = api(user=READER)
        caller.delete(f"{URL}/{method.pk}")

        with books_of.nothing_changed():
            again = caller.delete(f"{URL}/{method.pk}")

        assert again.status_code == 204

    def test_of_anothers_is_as_of_none(self) -> None:
        theirs = keep("reader-2")

        with books_of.nothing_changed():
            answers = [api(user=READER).delete(f"{URL}/{key}") for key in (theirs.pk, uuid7())]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (404, "not_found")
        }

    def test_takes_no_body(self, method: PaymentMethod) -> None:
        with books_of.nothing_changed():
            answer = api(user=READER).delete(f"{URL}/{method.pk}", {"reason": "lost"})

        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")

    def test_of_what_is_no_id_is_not_found(self) -> None:
        assert api(user=READER).delete(f"{URL}/pm_card").status_code == 404


def confirm() -> dict[str, Any]:
    purchase = str(Purchase.objects.latest("id").pk)
    url = f"{PAYMENTS}/users/{READER}/confirm-purchase"
    answer: dict[str, Any] = api(user=READER).post(url, {"transaction_id": purchase}).json()
    return answer
