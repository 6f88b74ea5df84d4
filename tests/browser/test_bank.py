"""A statement of the bank is imported, and a line of it matched, in a real browser"""

from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from payments.enums import Provider
from payments.gateways.values import SettlementState, SettlementStatus
from payments.models import BankReceipt, BankStatement, Settlement
from payments.services import settlements
from tests.browser.test_backoffice import log_in

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def settlement(transactional_db: None) -> Settlement:
    """1,238.53 USD that a gateway paid to our bank."""
    now = clock.now()
    state = SettlementState(
        gateway_id="po_1",
        amount=Money.parse("1238.53", "USD"),
        status=SettlementStatus.PAID,
        arrives_on=now.date(),
        created_at=now - timedelta(days=2),
    )
    return settlements.record(provider=Provider.SANDBOX, state=state, now=now)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A statement on which the bank kept 15 USD of it."""
    path = tmp_path / "november.csv"
    header = "date,amount,currency,reference,description"
    path.write_text(f"{header}\n{clock.now():%Y-%m-%d},1223.53,USD,B-1,WIRE\n")
    return path


def test_a_file_is_imported_and_its_line_matched(
    page: Page, settlement: Settlement, file: Path
) -> None:
    log_in(page)
    page.goto(cells.listing(BankStatement))
    with page.expect_navigation():
        page.get_by_role("link", name="Import a statement").click()

    page.get_by_label("File").set_input_files(file)
    # The theme would have written the name of the file there.
    expect(page.get_by_label("Account")).to_have_value("")
    with page.expect_navigation():
        page.get_by_role("button", name="Import it").click()
    expect(page.get_by_text("New lines: 1, matched: 0, to match or explain: 1.")).to_be_visible()

    receipt = BankReceipt.objects.get()
    page.goto(cells.page_of(receipt))
    with page.expect_navigation():
        page.get_by_role("link", name="Match…").click()
    page.get_by_label("Reason").fill("the bank kept 15 USD")
    with page.expect_navigation():
        page.get_by_role("button", name="Match", exact=True).click()
    expect(page.get_by_text("The line is off by -15.00 USD.")).to_be_visible()
    page.get_by_label("The amounts differ").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Match", exact=True).click()

    expect(page.get_by_text("B-1 is settlement po_1.")).to_be_visible()
    page.goto(cells.page_of(settlement))
    expect(page.get_by_role("main").get_by_text("Received")).to_be_visible()
    expect(page.get_by_role("table", name="At the bank")).to_contain_text("-15.00 USD")


def test_the_file_comes_down_as_it_went_up(page: Page, file: Path) -> None:
    log_in(page)
    page.goto(reverse("admin:payments_bankstatement_upload"))
    page.get_by_label("File").set_input_files(file)
    with page.expect_navigation():
        page.get_by_role("button", name="Import it").click()
    page.goto(cells.page_of(BankStatement.objects.get()))

    with page.expect_download() as coming:
        page.get_by_role("link", name="Download the file").click()

    assert Path(coming.value.path()).read_bytes() == file.read_bytes()
