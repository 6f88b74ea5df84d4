"""Ledger accounts in the back office: balances at the end of a day, and by month"""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from access.services import content
from legato_payments.lib.pages import cells
from payments.ledger import sealing
from payments.models import Account
from tests import factories
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import NOW, READER

pytestmark = pytest.mark.django_db

OCTOBER = datetime(2026, 10, 20, tzinfo=UTC)


@pytest.fixture(params=["sealed", "unsealed"], autouse=True)
def two_months(request: pytest.FixtureRequest) -> None:
    """Coins in October, of which ten open a chapter in November."""
    factories.buy_coins(name="Starter Pack", now=OCTOBER)
    factories.put_content("chapter-4", price=10, now=OCTOBER)
    sealing.seal_all(now=NOW)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    if request.param == "sealed":
        sealing.seal_all(now=NOW)


def balances(client: Client, query: str = "") -> dict[str, str]:
    """What the list says, by account code."""
    html = client.get(cells.listing(Account, query)).content.decode()
    rows = re.findall(
        r"field-code[^>]*>\s*<a[^>]*>([^<]+)</a>.*?field-number_balance[^>]*>([^<]+)<",
        html,
        re.DOTALL,
    )
    return {code.strip(): figure.strip() for code, figure in rows}


def test_the_list_shows_what_accounts_hold_now(boss: Client) -> None:
    held = balances(boss)

    assert held["wallet"] == held["coins_issued"] == "90 coins"
    assert held["coins_deferred"] == "0.891 USD"


def test_the_list_shows_what_they_held_at_the_end_of_a_day(boss: Client) -> None:
    held = balances(boss, "as_of=2026-10-31")

    assert held["wallet"] == held["coins_issued"] == "100 coins"
    assert held["coins_deferred"] == "0.99 USD"
    assert held["writer"] == "0.00 USD"
    assert balances(boss, "as_of=2026-10-31&q=coins_def") == {"coins_deferred": "0.99 USD"}


def test_the_day_can_be_typed_and_stays_with_the_other_filters(boss: Client) -> None:
    html = boss.get(cells.listing(Account, "unit__exact=USD&as_of=2026-10-31")).content.decode()

    [form] = re.findall(r'<form method="get" class="bo-above">.*?</form>', html, re.DOTALL)
    assert '<label for="id_as_of">Balances at the end of</label>' in form
    assert 'value="2026-10-31"' in form
    assert '<input type="hidden" name="unit__exact" value="USD">' in form


@pytest.mark.parametrize("day", ["31.10.2026", "2026-02-30", "<script>"])
def test_what_is_no_day_is_told_beside_the_field(boss: Client, day: str) -> None:
    answer = boss.get(cells.listing(Account), {"as_of": day})

    assert answer.status_code == 200
    assert "Enter a valid date." in answer.content.decode()
    assert balances(boss, f"as_of={day}") == balances(boss)


def test_the_page_shows_the_months_from_opening_to_closing(boss: Client) -> None:
    account = Account.objects.get(code="coins_deferred")

    html = boss.get(cells.page_of(account)).content.decode()

    assert tables_of(html)["Months"] == [
        ["Month", "USD opening", "USD debits", "USD credits", "USD closing"],
        ["2026-11", "0.990000", "0.099000", "0.000000", "0.891000"],
        ["2026-10", "0.000000", "0.000000", "0.990000", "0.990000"],
    ]
    assert "0.891 USD" in html
