"""GET and POST /sandbox/checkout/{charge_id}: the page on which a reader pays in the sandbox"""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client

from payments.gateways.sandbox import books
from payments.models import Purchase, SandboxCharge, SandboxDelivery
from tests import factories
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = SandboxCharge.Status
SHOP = "https://legato.example/shop"


@pytest.fixture
def browser() -> Client:
    """A reader's browser: it has to show the CSRF token as any other form does."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def purchase() -> Purchase:
    """An Ultimate Pack that the reader is about to pay, coming from the shop."""
    return factories.start_purchase(return_url=SHOP)


def path_of(purchase: Purchase) -> str:
    assert purchase.action is not None
    return str(urlsplit(purchase.action["url"]).path)


def read(browser: Client, purchase: Purchase, query: str = "") -> str:
    answer = browser.get(path_of(purchase) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def buttons(page: str) -> list[str]:
    return re.findall(r'name="decision" value="(\w+)"', page)


def press(browser: Client, purchase: Purchase, decision: str) -> Any:
    """Load the page and press a button on it, in one go as a person does."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', read(browser, purchase))
    assert found is not None
    fields = {"csrfmiddlewaretoken": found[1], "decision": decision}
    return browser.post(path_of(purchase), fields)


class TestShown:
    def test_says_what_is_bought_for_how_much_and_that_it_is_no_money(
        self, browser: Client, purchase: Purchase
    ) -> None:
        page = read(browser, purchase)

        assert "6,600 Legato coins" in page
        assert "39.99 USD" in page
        assert purchase.reference in page
        assert "Sandbox – no real money" in page
        assert buttons(page) == ["pay", "authenticate", "decline", "abandon"]

    @pytest.mark.usefixtures("rates")
    @pytest.mark.parametrize(
        ("currency", "amount"), [("CAD", "54.99 CAD"), ("NGN", "54,900.00 NGN")]
    )
    def test_shows_the_amount_in_its_currency(
        self, browser: Client, currency: str, amount: str
    ) -> None:
        assert amount in read(browser, factories.start_purchase(currency=currency))

    def test_needs_neither_script_nor_inline_style(
        self, browser: Client, purchase: Purchase
    ) -> None:
        page = read(browser, purchase)

        assert "<script" not in page
        assert "<style" not in page
        assert " style=" not in page
        assert re.search(r" on\w+=", page) is None

    def test_keeps_the_strict_policy_and_may_lead_back_to_the_shop(
        self, browser: Client, purchase: Purchase
    ) -> None:
        answer = browser.get(path_of(purchase))

        policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["form-action"] == "'self' https://legato.example"
        assert "style-src" not in policy

    def test_is_stored_by_nobody(self, browser: Client, purchase: Purchase) -> None:
        assert "no-store" in browser.get(path_of(purchase))["Cache-Control"]

    def test_a_stranger_in_the_description_is_only_text(
        self, browser: Client, purchase: Purchase
    ) -> None:
        SandboxCharge.objects.update(description="<script>alert(1)</script>")

        assert "&lt;script&gt;" in read(browser, purchase)

    def test_reading_the_page_changes_nothing(self, browser: Client, purchase: Purchase) -> None:
        with books_of.nothing_changed():
            read(browser, purchase)
            browser.head(path_of(purchase))


class TestPressed:
    @pytest.mark.parametrize(
        ("decision", "status", "told"),
        [
            ("pay", Status.SUCCEEDED, "succeeded"),
            ("decline", Status.FAILED, "failed"),
            ("abandon", Status.OPEN, "abandoned"),
        ],
    )
    def test_leads_back_to_the_shop_with_the_result(
        self, browser: Client, purchase: Purchase, decision: str, status: str, told: str
    ) -> None:
        answer = press(browser, purchase, decision)

        assert answer.status_code == 302
        assert answer["Location"] == f"{SHOP}?reference={purchase.reference}&status={told}"
        assert factories.charge_of(purchase).status == status

    def test_the_answer_carries_the_policy_that_lets_the_form_leave(
        self, browser: Client, purchase: Purchase
    ) -> None:
        answer = press(browser, purchase, "pay")

        assert "form-action 'self' https://legato.example" in answer["Content-Security-Policy"]

    def test_the_coins_come_with_the_news_and_not_with_the_button(
        self, browser: Client, purchase: Purchase
    ) -> None:
        with books_of.nothing_credited():
            press(browser, purchase, "pay")

        purchase.refresh_from_db()
        assert purchase.status == Purchase.Status.PENDING
        assert SandboxDelivery.objects.get().charge_id == purchase.gateway_id

    @pytest.mark.parametrize(
        ("return_url", "expected"),
        [
            (f"{SHOP}?cart=7&b=%20x", "cart=7&b=%20x&reference={reference}&status=succeeded"),
            (f"{SHOP}#top", "reference={reference}&status=succeeded"),
            ("https://legato.example", "reference={reference}&status=succeeded"),
        ],
    )
    def test_the_shops_own_address_stays_as_it_is(
        self, browser: Client, return_url: str, expected: str
    ) -> None:
        purchase = factories.start_purchase(return_url=return_url)

        location = urlsplit(press(browser, purchase, "pay")["Location"])

        given = urlsplit(return_url)
        assert location[:3] == given[:3]
        assert location.query == expected.format(reference=purchase.reference)
        assert location.fragment == given.fragment

    def test_without_a_shop_this_page_shows_the_result(self, browser: Client) -> None:
        purchase = factories.start_purchase()

        location = urlsplit(press(browser, purchase, "pay")["Location"])

        assert location.path == path_of(purchase)
        assert dict(parse_qsl(location.query))["status"] == "succeeded"
        page = read(browser, purchase)
        assert "This payment succeeded on" in page
        assert buttons(page) == []

    def test_without_a_shop_an_abandoned_payment_can_still_be_made(self, browser: Client) -> None:
        purchase = factories.start_purchase()

        location = press(browser, purchase, "abandon")["Location"]

        page = browser.get(location).content.decode()
        assert "The payment stays open until it expires." in page
        assert "pay" in buttons(page)

    def test_no_button_without_the_csrf_token(self, browser: Client, purchase: Purchase) -> None:
        read(browser, purchase)

        with books_of.nothing_changed():
            answer = browser.post(path_of(purchase), {"decision": "pay"})

        assert answer.status_code == 403

    @pytest.mark.parametrize("decision", ["", "PAY", "steal", "cancel"])
    def test_no_other_button(self, browser: Client, purchase: Purchase, decision: str) -> None:
        with books_of.nothing_changed():
            answer = press(browser, purchase, decision)

        assert answer.status_code == 400

    @pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
    def test_no_other_method(self, purchase: Purchase, method: str) -> None:
        with books_of.nothing_changed():
            answer = getattr(Client(), method)(path_of(purchase))

        assert answer.status_code == 405


class TestAuthentication:
    """3-D Secure: a second page, on which the reader confirms or refuses."""

    def test_is_a_page_of_its_own(self, browser: Client, purchase: Purchase) -> None:
        answer = press(browser, purchase, "authenticate")

        assert answer.status_code == 302
        assert answer["Location"] == path_of(purchase)
        page = read(browser, purchase)
        assert "Your bank asks" in page
        assert ">Confirm</button>" in page
        assert ">Refuse</button>" in page
        assert buttons(page) == ["pay", "decline", "abandon"]

    @pytest.mark.parametrize(
        ("decision", "status", "failure"),
        [
            ("pay", "succeeded", ""),
            ("decline", "failed", "authentication_failed"),
            ("abandon", "abandoned", ""),
        ],
    )
    def test_leads_back_to_the_shop(
        self, browser: Client, purchase: Purchase, decision: str, status: str, failure: str
    ) -> None:
        press(browser, purchase, "authenticate")

        answer = press(browser, purchase, decision)

        assert answer["Location"] == f"{SHOP}?reference={purchase.reference}&status={status}"
        assert factories.charge_of(purchase).failure_code == failure

    def test_comes_at_once_for_a_card_that_asks_for_it(self, browser: Client) -> None:
        purchase = factories.start_purchase(saved_method="pm_authenticate")

        assert "Your bank asks" in read(browser, purchase)


class TestClosed:
    @pytest.mark.parametrize(
        ("end", "words"),
        [
            (books.pay, "This payment succeeded on 2 November 2026, 12:00 UTC."),
            (books.decline, "This payment failed on 2 November 2026, 12:00 UTC"),
            (books.cancel, "This payment was closed on 2 November 2026, 12:00 UTC."),
        ],
    )
    def test_shows_how_it_ended_and_no_button(
        self, browser: Client, purchase: Purchase, end: Any, words: str
    ) -> None:
        charge = end(charge_id=factories.charge_of(purchase).pk, now=NOW)

        page = read(browser, purchase)

        assert words in page
        assert buttons(page) == []
        back = f"{SHOP}?reference={purchase.reference}&amp;status={charge.status.lower()}"
        assert f'href="{back}"' in page

    @pytest.mark.parametrize("decision", ["pay", "decline", "authenticate", "abandon"])
    @pytest.mark.parametrize("end", [books.pay, books.decline, books.cancel])
    def test_a_page_left_open_decides_nothing(
        self, purchase: Purchase, end: Any, decision: str
    ) -> None:
        charge = end(charge_id=factories.charge_of(purchase).pk, now=NOW)

        with books_of.nothing_changed():
            answer = Client().post(path_of(purchase), {"decision": decision})

        told = charge.status.lower()
        assert answer["Location"] == f"{SHOP}?reference={purchase.reference}&status={told}"
        assert SandboxDelivery.objects.count() == 1


class TestMissing:
    @pytest.mark.parametrize("charge_id", ["sbx_none", "x", "sbx_" + "0" * 500])
    def test_an_unknown_payment_is_not_found(self, charge_id: str) -> None:
        assert Client().get(f"/sandbox/checkout/{charge_id}").status_code == 404

    def test_there_is_no_page_where_the_sandbox_is_off(
        self, purchase: Purchase, settings: Any
    ) -> None:
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_changed():
            assert Client().get(path_of(purchase)).status_code == 404
            assert Client().post(path_of(purchase), {"decision": "pay"}).status_code == 404
