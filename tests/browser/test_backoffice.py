"""The back office in a real browser: nothing complains, and what matters can be reached"""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from access.services import content
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import CoinPackage, Transaction
from tests import factories, second_person
from tests.browser.conftest import PASSWORD
from tests.factories import READER

pytestmark = [pytest.mark.django_db(transaction=True)]


def log_in(page: Page) -> None:
    """As a person does, by the login page."""
    page.goto(reverse("admin:index"))
    expect(page).to_have_title("Log in | Legato Payments")
    page.get_by_label("Username").fill("finance")
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title("Overview | Legato Payments")


def test_a_transaction_is_found_from_the_overview(page: Page) -> None:
    now = clock.now()
    factories.buy_coins(now=now)
    factories.put_content("chapter-4", price=10, now=now)
    bought = content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
    log_in(page)

    pages = page.get_by_role("navigation", name="Pages")
    with page.expect_navigation():
        pages.get_by_role("link", name="Transactions", exact=True).click()
    with page.expect_navigation():
        row = page.get_by_role("row").filter(has_text="Content purchase")
        row.get_by_role("link").click()

    assert page.url.endswith(cells.page(Transaction, bought.entitlement.transaction_id))
    main = page.get_by_role("main")
    postings = main.get_by_role("table", name="Postings")
    expect(postings.get_by_text("balances ✓")).to_be_visible()
    expect(postings.get_by_role("row")).to_have_count(7)
    expect(main.get_by_role("table", name="Earnings")).to_be_visible()


def test_a_package_gets_a_new_version_once_another_person_agrees(page: Page) -> None:
    package = factories.package("Starter Pack")
    log_in(page)
    page.goto(cells.page_of(package))

    with page.expect_navigation():
        page.get_by_role("link", name="Change…").click()
    page.get_by_label("Price in USD").fill("1.09")
    with page.expect_navigation():
        page.get_by_role("button", name="Propose a new version").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(page.get_by_label("Price in USD")).to_have_value("1.09")
    page.get_by_label("Reason").fill("gateway fees rose")
    with page.expect_navigation():
        page.get_by_role("button", name="Propose a new version").click()

    expect(page.get_by_text("Waiting for another person").first).to_be_visible()
    assert CoinPackage.objects.get(pk=package.pk).versions.count() == 1
    second_person.agree()
    page.goto(cells.page_of(package))
    versions = page.get_by_role("table", name="Versions")
    expect(versions.get_by_role("row").filter(has_text="gateway fees rose")).to_contain_text("1.09")
    assert CoinPackage.objects.get(pk=package.pk).versions.count() == 2


@pytest.mark.slow
def test_every_link_of_the_sidebar_opens_a_page_without_complaint(page: Page) -> None:
    """No page breaks the content security policy, asks another host, or logs an error."""
    factories.buy_coins(now=clock.now())
    log_in(page)
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    addresses = [link.get_attribute("href") for link in links.all()]
    inside = [address for address in addresses if address and address.startswith("/admin/")]

    for address in inside:
        page.goto(address)
        expect(page.get_by_role("main")).to_be_visible()

    assert len(inside) > 20
