"""POST /api/v1/payments/users/{user_id}/purchase-coins"""

from typing import Any
from urllib.parse import urlsplit

import pytest

from legato_payments.lib.ids import uuid7
from payments.models import Purchase, SandboxCharge
from payments.services import customers
from tests import factories
from tests.clients import PAYMENTS, api, idempotency_key
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/purchase-coins"
ULTIMATE = {"package_id": "01930000-0000-7000-8000-000000000005", "currency": "USD"}


def buy(body: dict[str, Any], *, key: str | None = None, **caller: Any) -> Any:
    return api(**({"user": READER} | caller)).keyed(URL, body, key=key)


class TestAnswer:
    def test_says_what_is_bought_and_where_to_pay(self) -> None:
        answer = buy(ULTIMATE)

        assert answer.status_code == 201
        purchase = Purchase.objects.get()
        charge = factories.charge_of(purchase)
        assert answer.json() == {
            "transaction_id": str(purchase.pk),
            "status": "pending",
            "gateway": "sandbox",
            "total": {"amount": "39.99", "currency": "USD"},
            "tax": {"amount": "0.00", "currency": "USD"},
            "coins": 6_600,
            "action": {
                "type": "redirect",
                "url": f"http://127.0.0.1:8005/sandbox/checkout/{charge.pk}",
            },
        }
        assert answer["Cache-Control"] == "no-store"

    def test_the_address_leads_to_the_page(self) -> None:
        path = urlsplit(buy(ULTIMATE).json()["action"]["url"]).path

        assert api().get(path).status_code == 200

    @pytest.mark.usefixtures("rates_today")
    @pytest.mark.parametrize(
        ("body", "total", "coins"),
        [
            ({"coins": 777, "currency": "USD"}, "7.70", 777),
            ({"coins": 777, "currency": "CAD"}, "10.81", 777),
            ({**ULTIMATE, "currency": "CAD"}, "54.99", 6_600),
            ({**ULTIMATE, "currency": "NGN"}, "54900.00", 6_600),
        ],
    )
    def test_exact_coins_and_other_currencies(
        self, body: dict[str, Any], total: str, coins: int
    ) -> None:
        shown = buy(body).json()

        assert shown["total"] == {"amount": total, "currency": body["currency"]}
        assert shown["coins"] == coins

    def test_keeps_what_was_said_with_the_order(self) -> None:
        said = {
            "country": "CA",
            "return_url": "https://legato.example/shop?cart=7",
            "consent": {"immediate_delivery": True, "acknowledged": True},
        }

        assert buy(ULTIMATE | said).status_code == 201
        purchase = Purchase.objects.get()
        assert purchase.user_id == READER
        assert purchase.country == "CA"
        assert purchase.return_url == "https://legato.example/shop?cart=7"
        assert purchase.consent == {"immediate_delivery": True, "acknowledged": True}

    def test_the_profile_fills_in_the_country(self) -> None:
        profile = customers.Profile("NG", "", "NGN", None, "", None)
        customers.put(
            user_id=READER, profile=profile, expected_version=None, actor="user:reader-1", now=NOW
        )

        buy(ULTIMATE)

        assert Purchase.objects.get().country == "NG"

    def test_credits_nothing_yet(self) -> None:
        with books_of.nothing_credited():
            buy(ULTIMATE)


class TestRepeated:
    def test_gets_the_same_bytes_and_makes_no_second_payment(self) -> None:
        key = "one-click"

        first = buy(ULTIMATE, key=key)
        with books_of.nothing_changed():
            again = buy(ULTIMATE, key=key)

        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again["Content-Type"] == first["Content-Type"]
        assert "Idempotent-Replayed" not in first
        assert again["Idempotent-Replayed"] == "true"
        assert Purchase.objects.count() == SandboxCharge.objects.count() == 1

    def test_gets_the_same_bytes_even_after_the_payment(self) -> None:
        first = buy(ULTIMATE, key="one-click")
        factories.pay(Purchase.objects.get())

        assert buy(ULTIMATE, key="one-click").content == first.content

    def test_another_key_is_another_purchase(self) -> None:
        first, second = buy(ULTIMATE).json(), buy(ULTIMATE).json()

        assert first["transaction_id"] != second["transaction_id"]
        assert Purchase.objects.count() == SandboxCharge.objects.count() == 2

    def test_a_refusal_is_the_answer_from_then_on(self) -> None:
        body = {"coins": 49, "currency": "USD"}

        first = buy(body, key="too-little")
        again = buy(body, key="too-little")

        assert (again.status_code, again.content) == (422, first.content)
        assert again["Idempotent-Replayed"] == "true"

    def test_another_body_under_the_key_is_refused(self) -> None:
        buy(ULTIMATE, key="one-click")

        with books_of.nothing_changed():
            answer = buy({"coins": 100, "currency": "USD"}, key="one-click")

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_needs_a_key(self) -> None:
        with books_of.nothing_changed():
            answer = api(user=READER).post(URL, ULTIMATE)

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"currency": "USD"}, "/package_id"),
            ({**ULTIMATE, "coins": 100}, "/package_id"),
            ({"coins": 0, "currency": "USD"}, "/coins"),
            ({"coins": -5, "currency": "USD"}, "/coins"),
            ({"coins": 1_000_001, "currency": "USD"}, "/coins"),
            ({"coins": 1.5, "currency": "USD"}, "/coins"),
            ({"package_id": ULTIMATE["package_id"]}, "/currency"),
            ({**ULTIMATE, "currency": "EUR"}, "/currency"),
            ({**ULTIMATE, "package_id": "ultimate"}, "/package_id"),
            ({**ULTIMATE, "country": "ca"}, "/country"),
            ({**ULTIMATE, "price": "0.01"}, "/price"),
            ({**ULTIMATE, "saved_method": "pm_card"}, "/saved_method"),
            ({**ULTIMATE, "consent": {"immediate_delivery": True}}, "/consent/acknowledged"),
        ],
    )
    def test_an_order_that_makes_no_sense(self, body: dict[str, Any], pointer: str) -> None:
        with books_of.nothing_changed():
            answer = buy(body)

        assert answer.status_code == 400
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]

    @pytest.mark.parametrize(
        "address",
        [
            "https://evil.example/",
            "https://legato.example.evil.example/",
            "https://legato.example@evil.example/",
            "https://legato.exampleevil/",
            "https://legato.example:8443/",
            "http://legato.example/",
            "//legato.example/",
            "HTTPS://LEGATO.EXAMPLE/",
            "javascript:alert(1)",
            "/shop",
            "https://legato.example/\r\nSet-Cookie: a=b",
            " https://legato.example/",
        ],
    )
    def test_an_address_that_is_not_ours(self, address: str) -> None:
        with books_of.nothing_changed():
            answer = buy({**ULTIMATE, "return_url": address})

        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/return_url"]

    @pytest.mark.parametrize(
        "address", ["https://legato.example", "https://legato.example/", "https://legato.example/a"]
    )
    def test_but_not_one_that_is(self, address: str) -> None:
        assert buy({**ULTIMATE, "return_url": address}).status_code == 201

    def test_an_unknown_package(self) -> None:
        with books_of.nothing_changed():
            answer = buy({"package_id": str(uuid7()), "currency": "USD"})

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_too_small_a_payment(self) -> None:
        with books_of.nothing_changed():
            answer = buy({"coins": 49, "currency": "USD"})

        assert (answer.status_code, answer.json()["code"]) == (422, "below_minimum")
        assert answer.json()["minimum"] == {"amount": "0.50", "currency": "USD"}

    def test_too_many_coins(self) -> None:
        with books_of.nothing_changed():
            answer = buy({"coins": 100_001, "currency": "USD"})

        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_coins")
        assert answer.json()["maximum_coins"] == 100_000

    def test_a_currency_without_a_rate(self) -> None:
        with books_of.nothing_changed():
            answer = buy({**ULTIMATE, "currency": "NGN"})

        assert (answer.status_code, answer.json()["code"]) == (503, "rate_unavailable")
        assert answer["Retry-After"] == "3600"

    @pytest.mark.parametrize(
        ("caller", "status"),
        [
            ({"user": None}, 401),
            ({"user": "reader-2"}, 403),
            ({"user": READER, "scopes": ["coins:read"]}, 403),
            ({"user": None, "service": "shop", "scopes": ["purchases:confirm"]}, 403),
        ],
    )
    def test_anybody_but_the_reader(self, caller: Any, status: int) -> None:
        with books_of.nothing_changed():
            answer = buy(ULTIMATE, **caller)

        assert answer.status_code == status

    @pytest.mark.parametrize("user_id", ["reader%201", "r" * 65, "r/1"])
    def test_an_id_that_can_be_none(self, user_id: str) -> None:
        answer = api(user=READER).keyed(f"{PAYMENTS}/users/{user_id}/purchase-coins", ULTIMATE)

        assert answer.status_code == 404


class TestWithoutAGateway:
    def test_tells_the_reader_to_come_back(self, settings: Any) -> None:
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_changed():
            answer = buy(ULTIMATE)

        assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
        assert answer["Retry-After"] == "60"

    def test_the_same_key_succeeds_once_there_is_one(self, settings: Any) -> None:
        settings.GATEWAY_SANDBOX = False
        buy(ULTIMATE, key="patient")
        settings.GATEWAY_SANDBOX = True

        answer = buy(ULTIMATE, key="patient")

        assert answer.status_code == 201
        assert Purchase.objects.count() == SandboxCharge.objects.count() == 1

    def test_a_quoted_key_is_the_same_key(self) -> None:
        first = api(user=READER).post(URL, ULTIMATE, headers=idempotency_key("abc"))
        again = api(user=READER).post(URL, ULTIMATE, headers=idempotency_key('"abc"'))

        assert again.content == first.content
