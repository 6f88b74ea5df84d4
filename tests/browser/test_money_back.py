"""Paying back and disputes in a real browser: what is shown before it happens is what happens"""

import pytest
from playwright.sync_api import Page, expect

from access.services import content
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import CoinBalance, Dispute, Refund
from payments.tasks import poll_refund
from tests import factories, money_back
from tests.browser.test_backoffice import log_in
from tests.factories import READER

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_a_purchase_with_spent_coins_is_paid_back(page: Page) -> None:
    now = clock.now()
    purchase = factories.buy_coins(name="Starter Pack", now=now)
    factories.put_content("chapter-4", price=33, now=now)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
    log_in(page)
    page.goto(cells.page_of(purchase))

    with page.expect_navigation():
        page.get_by_role("link", name="Pay back…").click()
    expect(page.get_by_role("table", name="Coins of the purchase")).to_contain_text("33")
    page.get_by_label("Amount in USD").fill("5.00")
    page.get_by_label("Reason").fill("The reader left")
    with page.expect_navigation():
        page.get_by_role("button", name="See what would go back").click()
    expect(page.get_by_text("At most 0.99 USD can go back.")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("The reader left")
    page.get_by_label("Amount in USD").fill("")
    with page.expect_navigation():
        page.get_by_role("button", name="See what would go back").click()
    expect(page.get_by_role("alert")).to_contain_text("67 coins are taken for 0.66 USD")
    assert not Refund.objects.exists()
    with page.expect_navigation():
        page.get_by_role("button", name="Pay 0.66 USD back").click()

    expect(page.get_by_text("0.66 USD are on their way")).to_be_visible()
    refund = Refund.objects.get()
    poll_refund.run(refund_id=str(refund.pk))
    with page.expect_navigation():
        page.get_by_role("table", name="Refunds").get_by_role("link").click()
    expect(page.get_by_role("list").filter(has_text="Requested")).to_contain_text("Paid back")
    assert CoinBalance.objects.get(user_id=READER).coins == 0


def test_giving_up_a_dispute_shows_its_cost_first(page: Page) -> None:
    now = clock.now()
    purchase = factories.buy_coins(name="Starter Pack", now=now)
    factories.put_content("chapter-4", price=33, now=now)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
    case = money_back.dispute(purchase, now=now)
    log_in(page)

    with page.expect_navigation():
        pages = page.get_by_role("navigation", name="Pages")
        pages.get_by_role("link", name="Disputes").click()
    with page.expect_navigation():
        page.get_by_role("row").filter(has_text=READER).get_by_role("link").first.click()
    who = page.get_by_role("table", name="If it is lost: who bears it")
    expect(who.get_by_text("adds up ✓")).to_be_visible()
    expect(page.get_by_role("table", name="chapters and tips")).to_contain_text("chapter-4")
    with page.expect_navigation():
        page.get_by_role("link", name="Accept (give up)…").click()
    page.get_by_label("Reason").fill("The reader is right")
    with page.expect_navigation():
        page.get_by_role("button", name="See what giving up costs").click()
    expect(page.get_by_role("alert")).to_contain_text("0.99 USD stay with the payer.")
    case.refresh_from_db()
    assert case.status == Dispute.Status.NEEDS_RESPONSE
    with page.expect_navigation():
        page.get_by_role("button", name="Give up 0.99 USD").click()

    expect(page.get_by_text("Given up: 0.99 USD stay with the payer.")).to_be_visible()
    case.refresh_from_db()
    assert case.status == Dispute.Status.LOST
