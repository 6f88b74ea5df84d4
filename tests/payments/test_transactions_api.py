"""GET /api/v1/payments/users/{user_id}/transactions and /transactions/{transaction_id}"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from access.services import content, tips
from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox import books
from payments.models import Purchase, SandboxCharge
from payments.services import purchases
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER, WRITER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/transactions"
AN_HOUR = timedelta(hours=1)


def history(**query: Any) -> list[dict[str, Any]]:
    answer = api(user=READER).get(URL, query)
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def pages(url: str | None, link: str = "next") -> Iterator[list[str]]:
    """The ids on each page from ``url`` on."""
    while url:
        body = api(user=READER).get(url).json()
        yield ids(body["results"])
        url = body[link]


def spend(coins: int = 10, content_id: str = "chapter-4") -> None:
    factories.put_content(content_id, price=coins)
    content.buy(user_id=READER, content_id=content_id, now=NOW, actor="user:reader-1")


def tip(coins: int = 500) -> None:
    factories.put_content("other-work", price=5)
    tips.send(sender_id=READER, recipient_id=WRITER, coins=coins, now=NOW, actor="user:reader-1")


class TestRows:
    def test_a_purchase_is_listed_from_the_first_click_under_one_id(self) -> None:
        purchase = factories.start_purchase(now=NOW)
        [pending] = history()

        factories.pay(purchase, now=NOW + AN_HOUR)

        [settled] = history()
        assert pending == {
            "id": str(purchase.pk),
            "type": "coin_purchase",
            "status": "pending",
            "coins": 6_600,
            "money": {"amount": "39.99", "currency": "USD"},
            "content_id": None,
            "counterparty_id": None,
            "gateway": "sandbox",
            "created_at": "2026-11-02T12:00:00Z",
            "settled_at": None,
            "related_id": None,
        }
        assert settled == pending | {
            "status": "succeeded",
            "settled_at": "2026-11-02T13:00:00Z",
        }

    def test_spending_takes_coins_away(self) -> None:
        factories.buy_coins()
        spend(10)
        tip(500)

        tipped, spent, bought = history()

        assert (spent["type"], spent["status"], spent["coins"]) == (
            "content_purchase", "succeeded", -10,
        )  # fmt: skip
        assert (spent["content_id"], spent["money"], spent["gateway"]) == ("chapter-4", None, None)
        assert (tipped["type"], tipped["coins"]) == ("tip", -500)
        assert bought["coins"] == 6_600

    def test_the_gateways_fee_is_no_line_of_the_readers(self) -> None:
        factories.buy_coins()

        assert [row["type"] for row in history()] == ["coin_purchase"]

    @pytest.mark.parametrize(
        ("end", "status"), [(books.decline, "failed"), (books.cancel, "expired")]
    )
    def test_a_purchase_that_came_to_nothing_stays_listed(self, end: Any, status: str) -> None:
        purchase = factories.start_purchase()
        end(charge_id=purchase.gateway_id, now=NOW)
        purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=NOW)

        [row] = history()

        assert (row["status"], row["settled_at"]) == (status, None)

    def test_what_finance_looks_at_is_pending_for_the_reader(self) -> None:
        purchase = factories.start_purchase()
        books.pay(charge_id=purchase.gateway_id, now=NOW)
        SandboxCharge.objects.update(amount_minor=1)
        purchases.confirm(purchase_id=purchase.pk, user_id=READER, now=NOW)

        assert history()[0]["status"] == "pending"

    def test_other_readers_are_not_in_it(self) -> None:
        factories.buy_coins("reader-2")

        assert history() == []


class TestFilters:
    @pytest.fixture
    def purchased(self) -> list[str]:
        """Four purchases an hour apart, newest first; the second newest is not paid."""
        made = [factories.buy_coins(now=NOW + number * AN_HOUR) for number in range(2)]
        made.append(factories.start_purchase(now=NOW + 2 * AN_HOUR))
        made.append(factories.buy_coins(now=NOW + 3 * AN_HOUR))
        return [str(purchase.pk) for purchase in reversed(made)]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [0, 1, 2, 3]),
            ({"from": "2026-11-02T14:00:00Z"}, [0, 1]),
            ({"to": "2026-11-02T14:00:00Z"}, [2, 3]),
            ({"from": "2026-11-02T13:00:00Z", "to": "2026-11-02T15:00:00Z"}, [1, 2]),
            ({"from": "2026-11-02T14:00:00.000001Z"}, [0]),
            ({"from": "2026-11-02T16:00:00+02:00"}, [0, 1]),
            ({"from": "2027-01-01T00:00:00Z"}, []),
            ({"from": "2026-11-02T15:00:00Z", "to": "2026-11-02T13:00:00Z"}, []),
        ],
    )
    def test_from_is_included_and_to_is_not(
        self, purchased: list[str], query: dict[str, str], expected: list[int]
    ) -> None:
        assert ids(history(**query)) == [purchased[number] for number in expected]

    def test_spendings_have_a_time_too(self) -> None:
        factories.buy_coins(now=NOW - AN_HOUR)
        spend()

        assert [row["type"] for row in history(**{"from": "2026-11-02T12:00:00Z"})] == [
            "content_purchase"
        ]
        assert [row["type"] for row in history(to="2026-11-02T12:00:00Z")] == ["coin_purchase"]

    def test_a_type_shows_that_type_alone(self) -> None:
        factories.buy_coins()
        spend()
        tip()

        for kind in ("coin_purchase", "content_purchase", "tip"):
            assert [row["type"] for row in history(type=kind)] == [kind]
        assert history(type="gift") == history(type="loyalty") == []

    @pytest.mark.parametrize(
        "query",
        [
            {"type": "COIN_PURCHASE"},
            {"type": "fee"},
            {"from": "2026-11-02"},
            {"from": "2026-11-02T12:00:00"},
            {"to": "yesterday"},
            {"page_size": "0"},
            {"page_size": "101"},
            {"page_size": "1e1"},
            {"cursor": "forged"},
            {"status": "pending"},
            {"from_": "2026-11-02T12:00:00Z"},
        ],
    )
    def test_what_it_does_not_know_is_refused(self, query: dict[str, str]) -> None:
        answer = api(user=READER).get(URL, query)

        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


class TestPages:
    @pytest.fixture
    def many(self) -> list[str]:
        """31 transactions of three types, newest first."""
        factories.buy_coins()
        for number in range(9):
            spend(10, content_id=f"chapter-{number}")
            factories.start_purchase(name="Starter Pack")
            tip(10 + number)
        for _ in range(3):
            factories.start_purchase(name="Reader Pack")
        return ids(history(page_size=100))

    def test_show_everything_once_newest_first(self, many: list[str]) -> None:
        assert len(set(many)) == 31
        assert many == sorted(many, reverse=True)

        read = list(pages(f"{URL}?page_size=7"))

        assert [len(page) for page in read] == [7, 7, 7, 7, 3]
        assert [row for page in read for row in page] == many

    def test_lead_back_the_same_way(self, many: list[str]) -> None:
        last = api(user=READER).get(URL, {"page_size": 7}).json()
        while last["next"]:
            last = api(user=READER).get(last["next"]).json()

        back = list(pages(last["previous"], link="previous"))

        assert [row for page in reversed(back) for row in page] == many[:28]

    def test_keep_the_filters(self, many: list[str]) -> None:
        answer = api(user=READER).get(f"{URL}?page_size=4&type=tip").json()
        rows = answer["results"]
        while answer["next"]:
            answer = api(user=READER).get(answer["next"]).json()
            rows += answer["results"]

        assert {row["type"] for row in rows} == {"tip"}
        assert [row["coins"] for row in rows] == [-(10 + number) for number in range(8, -1, -1)]

    def test_do_not_shift_when_something_new_comes(self, many: list[str]) -> None:
        first = api(user=READER).get(URL, {"page_size": 10}).json()
        factories.start_purchase()

        second = api(user=READER).get(first["next"]).json()

        assert ids(first["results"]) + ids(second["results"]) == many[:20]

    def test_a_cursor_is_good_for_one_reader_only(self, many: list[str]) -> None:
        following = api(user=READER).get(URL, {"page_size": 10}).json()["next"]

        stolen = following.replace(f"/users/{READER}/", "/users/reader-2/")

        assert api(user="reader-2").get(stolen).status_code == 400

    def test_one_page_has_no_neighbours(self) -> None:
        factories.buy_coins()

        body = api(user=READER).get(URL).json()

        assert (body["next"], body["previous"]) == (None, None)


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ({}, 401),
        ({"user": "reader-2"}, 403),
        ({"user": READER, "scopes": ["coins:read"]}, 200),
        ({"user": READER, "scopes": ["coins:spend"]}, 403),
        ({"service": "support", "scopes": ["transactions:read"]}, 200),
        ({"service": "support", "scopes": ["balances:read"]}, 403),
    ],
)
def test_the_list_is_for_the_reader_and_for_services_with_the_scope(
    caller: Any, status: int
) -> None:
    assert api(**caller).get(URL).status_code == status


class TestOne:
    @pytest.fixture
    def purchase(self) -> Purchase:
        """A settled Ultimate Pack of reader-1."""
        return factories.buy_coins()

    def url(self, transaction_id: Any) -> str:
        return f"{PAYMENTS}/transactions/{transaction_id}"

    def test_is_the_line_of_the_list(self, purchase: Purchase) -> None:
        spend()
        tip()

        for row in history():
            assert api(user=READER).get(self.url(row["id"])).json() == row

    def test_is_there_before_it_is_paid(self) -> None:
        purchase = factories.start_purchase()

        shown = api(user=READER).get(self.url(purchase.pk)).json()

        assert (shown["id"], shown["status"]) == (str(purchase.pk), "pending")

    def test_of_another_reader_looks_like_none(self, purchase: Purchase) -> None:
        theirs = api(user="reader-2").get(self.url(purchase.pk))
        unknown_id = uuid7()
        unknown = api(user="reader-2").get(self.url(unknown_id))

        assert theirs.status_code == unknown.status_code == 404
        hidden = {"trace_id": "", "instance": ""}
        assert theirs.json() | hidden == unknown.json() | hidden

    def test_of_anybody_is_shown_to_a_service_with_the_scope(self, purchase: Purchase) -> None:
        url = self.url(purchase.pk)

        assert api(service="support", scopes=["transactions:read"]).get(url).status_code == 200
        assert api(service="support", scopes=["balances:read"]).get(url).status_code == 403
        assert api().get(url).status_code == 401

    def test_a_posting_without_a_reader_is_nobodys(self, purchase: Purchase) -> None:
        fee = books_of.transaction(f"purchase:{purchase.pk}:fee")

        assert api(user=READER).get(self.url(fee.pk)).status_code == 404

    @pytest.mark.parametrize("transaction_id", ["1", "x", "0" * 36])
    def test_an_id_that_can_be_none_is_not_found(self, transaction_id: str) -> None:
        assert api(user=READER).get(self.url(transaction_id)).status_code == 404
