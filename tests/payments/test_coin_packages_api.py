"""/api/v1/payments/coin-packages: the shop window, and how services change what is in it"""

from typing import Any

import pytest

from payments.models import ApprovalRequest, CoinPackage
from payments.services import packages
from tests import factories, second_person
from tests.clients import PAYMENTS, ApiClient, api, idempotency_key
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/coin-packages"
UNKNOWN = "01930000-0000-7000-8000-00000000ffff"

WEEKEND = {
    "name": "Weekend Pack",
    "coins": 300,
    "bonus_percent": 5,
    "prices": {"USD": "1.99", "CAD": "2.79"},
    "active": False,
}


def shop() -> ApiClient:
    """The service that may change packages."""
    return api(service="shop", scopes=["packages:write"])


def starter() -> str:
    return f"{URL}/{factories.package('Starter Pack').pk}"


def etag(url: str) -> dict[str, str]:
    return {"If-Match": api().get(url)["ETag"]}


def dollars_only(name: str = "Dollars only") -> CoinPackage:
    terms = packages.Terms(1_000, 0, {"USD": 9_990_000})
    return packages.create(name=name, terms=terms, is_active=True, actor="staff:1", now=NOW)


class TestList:
    def test_shows_the_packages_smallest_first_to_anybody(self) -> None:
        answer = api().get(URL)

        assert answer.status_code == 200
        body = answer.json()
        assert (body["next"], body["previous"]) == (None, None)
        assert [row["name"] for row in body["results"]] == [
            "Starter Pack", "Reader Pack", "Enthusiast Pack", "Premium Pack", "Ultimate Pack",
        ]  # fmt: skip

    def test_says_what_a_package_holds_and_costs(self) -> None:
        assert api().get(URL).json()["results"][4] == {
            "id": "01930000-0000-7000-8000-000000000005",
            "name": "Ultimate Pack",
            "coins": 5_500,
            "bonus_percent": 20,
            "bonus_coins": 1_100,
            "total_coins": 6_600,
            "price": {"amount": "39.99", "currency": "USD"},
            "prices": {"USD": "39.99", "CAD": "54.99", "NGN": "54900.00"},
            "money_per_coin": {"amount": "0.006059", "currency": "USD"},
            "active": True,
            "version": 1,
        }

    @pytest.mark.parametrize(
        ("currency", "prices"),
        [
            ("USD", ["0.99", "4.99", "9.99", "19.99", "39.99"]),
            ("CAD", ["1.39", "6.99", "13.99", "27.99", "54.99"]),
            ("NGN", ["1400.00", "6850.00", "13750.00", "27450.00", "54900.00"]),
        ],
    )
    def test_shows_the_price_in_the_currency_asked_for(
        self, currency: str, prices: list[str]
    ) -> None:
        rows = api().get(URL, {"currency": currency}).json()["results"]

        assert [row["price"]["amount"] for row in rows] == prices
        assert {row["price"]["currency"] for row in rows} == {currency}
        assert {row["money_per_coin"]["currency"] for row in rows} == {currency}

    @pytest.mark.usefixtures("rates_today")
    def test_converts_a_price_that_is_not_listed(self) -> None:
        dollars_only()

        [row] = [r for r in api().get(URL).json()["results"] if r["name"] == "Dollars only"]

        assert row["prices"] == {"USD": "9.99", "CAD": "13.70", "NGN": "13750.00"}

    def test_shows_no_price_where_there_is_no_rate(self) -> None:
        dollars_only()

        [row] = [r for r in api().get(URL).json()["results"] if r["name"] == "Dollars only"]

        assert row["prices"] == {"USD": "9.99", "CAD": None, "NGN": None}

    def test_cannot_price_in_a_currency_without_a_rate(self) -> None:
        dollars_only()

        answer = api().get(URL, {"currency": "NGN"})

        assert (answer.status_code, answer.json()["code"]) == (503, "rate_unavailable")
        assert answer["Retry-After"] == "3600"

    def test_leaves_out_what_is_not_on_sale(self) -> None:
        package = factories.package("Reader Pack")
        packages.change(
            package_id=package.pk, expected_version=1, is_active=False, actor="staff:1", now=NOW
        )

        names = [row["name"] for row in api().get(URL).json()["results"]]

        assert "Reader Pack" not in names
        assert len(names) == 4

    @pytest.mark.parametrize(
        "query", [{"currency": "EUR"}, {"currency": "usd"}, {"currency": ""}, {"page": "2"}]
    )
    def test_refuses_what_it_does_not_know(self, query: dict[str, str]) -> None:
        answer = api().get(URL, query)

        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


class TestGet:
    def test_shows_one_package_with_its_etag(self) -> None:
        answer = api().get(starter(), {"currency": "CAD"})

        assert answer.status_code == 200
        assert answer["ETag"].startswith('"')
        assert answer.json()["name"] == "Starter Pack"
        assert answer.json()["price"] == {"amount": "1.39", "currency": "CAD"}

    @pytest.mark.parametrize(
        "package_id", ["01930000-0000-7000-8000-00000000dead", "starter", "0" * 36]
    )
    def test_an_unknown_package_is_not_found(self, package_id: str) -> None:
        assert api().get(f"{URL}/{package_id}").status_code == 404


class TestCreate:
    def test_puts_a_package_on_the_shelf(self) -> None:
        answer = shop().post(URL, WEEKEND)

        assert answer.status_code == 201
        shown = answer.json()
        assert shown["total_coins"] == 315
        assert (shown["version"], shown["active"]) == (1, False)
        assert shown["prices"]["CAD"] == "2.79"
        assert not ApprovalRequest.objects.exists()
        assert answer["ETag"] == api().get(f"{URL}/{shown['id']}")["ETag"]

    def test_on_sale_it_waits_for_a_person(self) -> None:
        answer = shop().post(URL, WEEKEND | {"active": True})

        assert answer.status_code == 202
        assert len(api().get(URL).json()["results"]) == 5
        second_person.agree(answer.json()["approval_id"])
        shown = api().get(URL).json()["results"][1]
        assert (shown["name"], shown["total_coins"], shown["version"]) == ("Weekend Pack", 315, 1)
        [entry] = books_of.audit("payments.package.created")
        assert entry.actor == "service:shop"

    def test_the_same_key_makes_one_proposal(self) -> None:
        headers = idempotency_key()

        answers = [shop().post(URL, WEEKEND | {"active": True}, headers=headers) for _ in range(2)]

        assert answers[0].content == answers[1].content
        assert ApprovalRequest.objects.count() == 1

    def test_is_written_down_under_the_services_name(self) -> None:
        shop().post(URL, WEEKEND)

        [entry] = books_of.audit("payments.package.created")
        assert entry.actor == "service:shop"

    def test_the_same_key_makes_one_package(self) -> None:
        headers = idempotency_key()

        first = shop().post(URL, WEEKEND, headers=headers)
        again = shop().post(URL, WEEKEND, headers=headers)

        assert (again.status_code, again.content) == (201, first.content)
        assert again["Idempotent-Replayed"] == "true"
        assert again["ETag"] == first["ETag"]
        assert CoinPackage.objects.filter(name="Weekend Pack").count() == 1

    @pytest.mark.parametrize(
        ("caller", "status"),
        [
            ({}, 401),
            ({"user": "reader-1"}, 403),
            ({"user": "reader-1", "scopes": ["packages:write"]}, 403),
            ({"service": "shop"}, 403),
            ({"service": "shop", "scopes": ["catalog:write"]}, 403),
        ],
    )
    def test_is_for_the_service_with_the_scope(self, caller: Any, status: int) -> None:
        with books_of.nothing_changed():
            answer = api(**caller).post(URL, WEEKEND)

        assert answer.status_code == status

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"coins": 0}, "/coins"),
            ({"coins": 1_000_001}, "/coins"),
            ({"coins": "300"}, "/coins"),
            ({"bonus_percent": 101}, "/bonus_percent"),
            ({"bonus_percent": -1}, "/bonus_percent"),
            ({"name": ""}, "/name"),
            ({"name": "x" * 65}, "/name"),
            ({"prices": {"CAD": "2.79"}}, "/prices/USD"),
            ({"prices": {"USD": "0.00"}}, "/prices/USD"),
            ({"prices": {"USD": 1.99}}, "/prices/USD"),
            ({"prices": {"USD": "1.995"}}, "/prices/USD"),
            ({"prices": {"USD": "1.99", "EUR": "1.99"}}, "/prices/EUR"),
            ({"active": "yes"}, "/active"),
            ({"discount": 5}, "/discount"),
        ],
    )
    def test_refuses_a_package_that_makes_no_sense(
        self, changes: dict[str, Any], pointer: str
    ) -> None:
        with books_of.nothing_changed():
            answer = shop().post(URL, WEEKEND | changes)

        assert answer.status_code == 400
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]

    def test_refuses_a_name_that_is_taken(self) -> None:
        with books_of.nothing_changed():
            answer = shop().post(URL, WEEKEND | {"name": "Starter Pack"})

        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


class TestChange:
    def test_new_terms_are_a_new_version(self) -> None:
        url = starter()
        headers = etag(url)

        answer = shop().patch(url, {"coins": 120, "reason": "autumn"}, headers=headers)

        assert answer.status_code == 202
        assert etag(url) == headers
        second_person.agree(answer.json()["approval_id"])
        shown = api().get(url).json()
        assert (shown["coins"], shown["version"]) == (120, 2)
        assert shown["prices"] == {"USD": "0.99", "CAD": "1.39", "NGN": "1400.00"}
        assert etag(url) != headers
        [entry] = books_of.audit("payments.package.changed")
        assert (entry.actor, entry.reason) == ("service:shop", "autumn")

    @pytest.mark.usefixtures("rates_today")
    def test_a_price_list_is_replaced_whole(self) -> None:
        url = starter()

        shop().patch(url, {"prices": {"USD": "1.09"}}, headers=etag(url))
        second_person.agree()

        assert api().get(url).json()["prices"] == {"USD": "1.09", "CAD": "1.50", "NGN": "1500.00"}

    def test_takes_a_package_off_the_shelf(self) -> None:
        url = starter()

        answer = shop().patch(url, {"active": False}, headers=etag(url))

        assert (answer.status_code, answer.json()["active"]) == (200, False)
        assert len(api().get(URL).json()["results"]) == 4
        assert api().get(url).status_code == 200

    def test_goes_back_on_the_shelf_with_another_persons_consent(self) -> None:
        url = starter()
        shop().patch(url, {"active": False}, headers=etag(url))

        answer = shop().patch(url, {"active": True}, headers=etag(url))

        assert answer.status_code == 202
        assert api().get(url).json()["active"] is False
        second_person.agree(answer.json()["approval_id"])
        assert api().get(url).json()["active"] is True

    def test_the_same_proposal_again_is_the_same_request(self) -> None:
        url = starter()

        first, again = (shop().patch(url, {"coins": 120}, headers=etag(url)) for _ in range(2))

        assert first.json() == again.json()
        assert ApprovalRequest.objects.count() == 1

    def test_needs_to_say_which_version_it_is_for(self) -> None:
        with books_of.nothing_changed():
            answer = shop().patch(starter(), {"coins": 120})

        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")

    @pytest.mark.parametrize("how", ["another", "weak", "create"])
    def test_refuses_a_version_that_is_not_the_current_one(self, how: str) -> None:
        url = starter()
        headers = {
            "another": {"If-Match": '"0123456789abcdef"'},
            "weak": {"If-Match": f"W/{etag(url)['If-Match']}"},
            "create": {"If-None-Match": "*"},
        }[how]

        with books_of.nothing_changed():
            answer = shop().patch(url, {"coins": 120}, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")

    def test_of_two_editors_the_second_is_refused(self) -> None:
        url = starter()
        seen = etag(url)
        shop().patch(url, {"coins": 120}, headers=seen)
        second_person.agree()

        with books_of.nothing_changed():
            answer = shop().patch(url, {"coins": 130}, headers=seen)

        assert answer.status_code == 412

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"coins": 0}, 400),
            ({"prices": {"CAD": "1.39"}}, 400),
            ({"version": 2}, 400),
            ({"name": "Reader Pack"}, 409),
        ],
    )
    def test_a_refused_change_leaves_the_package(self, body: dict[str, Any], status: int) -> None:
        url = starter()
        headers = etag(url)

        with books_of.nothing_changed():
            answer = shop().patch(url, body, headers=headers)

        assert answer.status_code == status
        assert etag(url) == headers

    @pytest.mark.parametrize(
        ("caller", "status"),
        [({}, 401), ({"user": "reader-1"}, 403), ({"service": "shop"}, 403)],
    )
    def test_is_for_the_service_with_the_scope(self, caller: Any, status: int) -> None:
        url = starter()
        headers = etag(url)

        with books_of.nothing_changed():
            answer = api(**caller).patch(url, {"coins": 120}, headers=headers)

        assert answer.status_code == status

    def test_an_unknown_package_is_not_found(self) -> None:
        answer = shop().patch(f"{URL}/{UNKNOWN}", {"coins": 1}, headers={"If-Match": '"x"'})

        assert answer.status_code == 404

    def test_nothing_is_deleted(self) -> None:
        assert shop().delete(starter()).status_code == 405
