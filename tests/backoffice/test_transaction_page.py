"""The page of a ledger transaction: its lines, that they balance, and what belongs to it"""

import re
from uuid import UUID

import pytest
from django.test import Client

from access.services import content, reversals, tips
from legato_payments.lib.pages import cells
from payments.gateways.rates.fixed import FixedRates
from payments.models import Transaction
from payments.services import currency_rates
from revenue.models import Earning
from tests import factories
from tests.backoffice.conftest import ClientOf
from tests.factories import NOW, READER, WRITER

pytestmark = pytest.mark.django_db


def tables_of(html: str) -> dict[str, list[list[str]]]:
    """The text of every table on a page, by its title; the totals are the last row."""
    found = {}
    for title, table in re.findall(r"<caption[^>]*>(.*?)</caption>(.*?)</table>", html, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        found[title] = [
            [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row]
            for row in (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows)
        ]
    return found


def page_of(client: Client, transaction_id: object) -> str:
    answer = client.get(cells.page(Transaction, transaction_id))
    assert answer.status_code == 200
    return answer.content.decode()


def spend() -> UUID:
    """Ten coins of an Ultimate Pack on a chapter of two authors."""
    factories.buy_coins(now=NOW)
    factories.put_content("chapter-4", price=10, shares={WRITER: 6_000, "writer-2": 4_000})
    bought = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


def test_shows_every_line_and_that_they_balance_to_the_micro(boss: Client) -> None:
    postings = tables_of(page_of(boss, spend()))["Postings"]

    assert postings == [
        ["Line", "Account", "Owner", "Coins debit", "Coins credit", "USD debit", "USD credit"],
        ["1", "wallet", "reader-1", "10", "", "", ""],
        ["2", "coins_issued", "Platform", "", "10", "", ""],
        ["3", "coins_deferred", "Platform", "", "", "0.060590", ""],
        ["4", "writer", "writer-1", "", "", "", "0.023630"],
        ["5", "writer", "writer-2", "", "", "", "0.015753"],
        ["6", "platform:content", "Platform", "", "", "", "0.021207"],
        ["", "Total", "balances ✓", "10", "10", "0.060590", "0.060590"],
    ]


def test_keeps_the_units_of_a_foreign_purchase_apart(boss: Client) -> None:
    currency_rates.refresh(provider=FixedRates(), now=NOW)
    purchase = factories.buy_coins(name="Starter Pack", currency="NGN", now=NOW)

    postings = tables_of(page_of(boss, purchase.pk))["Postings"]

    assert postings[0][3:] == [
        "Coins debit", "Coins credit", "USD debit", "USD credit", "NGN debit", "NGN credit",
    ]  # fmt: skip
    assert postings[-1] == [
        "", "Total", "balances ✓", "100", "100", "1.020551", "1.020551", "1,400.00", "1,400.00",
    ]  # fmt: skip


def test_shows_the_coins_used_and_what_they_released(boss: Client) -> None:
    used = tables_of(page_of(boss, spend()))["Coins used"]

    assert used[1][1:] == ["Purchase", "1 to 10 of 6,600", "10", "0.06059 USD"]
    assert used[-1][-1] == "0.06059 USD"


def test_shows_who_earned_and_what_was_opened(boss: Client) -> None:
    tables = tables_of(page_of(boss, spend()))

    assert [row[:1] + row[3:6] for row in tables["Earnings"][1:]] == [
        ["writer-1", "65 %", "60 %", "0.02363 USD"],
        ["writer-2", "65 %", "40 %", "0.015753 USD"],
        ["Total", "", "", "0.039383 USD"],
    ]
    assert tables["Right to read"][1][1:3] == ["reader-1", "chapter-4"]
    assert "Tip" not in tables


def test_shows_the_tip_it_carried(boss: Client) -> None:
    factories.buy_coins(now=NOW)
    factories.put_content()
    sent = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=500, now=NOW, actor="x", message="Bravo"
    )

    tables = tables_of(page_of(boss, sent.tip.transaction_id))

    assert tables["Tip"][1][1:] == ["reader-1", "writer-1", "Bravo", "500"]


def test_leads_from_a_purchase_to_its_fee_and_back(boss: Client) -> None:
    purchase = factories.buy_coins(now=NOW)
    fee = Transaction.objects.get(relates_to=purchase.pk)

    assert cells.page_of(fee) in page_of(boss, purchase.pk)
    assert cells.page(Transaction, purchase.pk) in page_of(boss, fee.pk)
    assert cells.page_of(purchase) in page_of(boss, fee.pk)


def test_leads_from_a_reversal_to_what_it_took_back_and_back(boss: Client) -> None:
    spent = spend()
    reversal = reversals.reverse(transaction_id=spent, actor="staff:1", reason="mistake", now=NOW)

    original, mirror = page_of(boss, spent), page_of(boss, reversal)

    assert "Reversed" in original
    assert cells.page(Transaction, reversal) in original
    assert cells.page(Transaction, spent) in mirror
    assert "mistake" in mirror


def test_hides_earnings_from_who_may_not_see_them(staff: ClientOf) -> None:
    spent = spend()

    tables = tables_of(page_of(staff("payments.view_transaction"), spent))

    assert Earning.objects.exists()
    assert "Postings" in tables
    assert "Earnings" not in tables
    assert "Right to read" not in tables
