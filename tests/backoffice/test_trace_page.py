"""The page that follows the money, and the ways to it"""

from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from access.services import content, reversals
from legato_payments.lib.pages import cells
from payments.gateways.rates.fixed import FixedRates
from payments.models import CoinLot, Dispute, Purchase, Transaction
from payments.services import currency_rates
from tests import factories, money_back
from tests.backoffice.conftest import EVIL, ClientOf
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import NOW, READER, WRITER

pytestmark = pytest.mark.django_db

RIGHTS = ("payments.view_transaction", "payments.view_purchase", "revenue.view_earning")


def page_of(client: Client, transaction_id: object) -> str:
    answer = client.get(reverse("admin-trace", args=[transaction_id]))
    assert answer.status_code == 200
    return answer.content.decode()


def read(content_id: str) -> UUID:
    bought = content.buy(user_id=READER, content_id=content_id, now=NOW, actor="user:reader-1")
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


@pytest.fixture
def purchase() -> Purchase:
    """A Starter Pack: one chapter given back, and one of two authors kept."""
    purchase = factories.buy_coins(name="Starter Pack")
    factories.put_content("chapter-4", price=33)
    factories.put_content("chapter-5", price=80, shares={WRITER: 6_000, "writer-2": 4_000})
    reversals.reverse(transaction_id=read("chapter-4"), actor="staff:1", reason="mistake", now=NOW)
    read("chapter-5")
    return purchase


def test_a_purchase_is_followed_coin_by_coin(boss: Client, purchase: Purchase) -> None:
    first, restored = CoinLot.objects.order_by("id")

    tables = tables_of(page_of(boss, purchase.pk))

    assert tables["Where the money is"][1:] == [
        ["Writers", "0.514800"],
        ["Platform", "0.277200"],
        ["Not spent yet", "0.198000"],
        ["Refunded", "0.000000"],
        ["Total adds up ✓", "0.990000"],
    ]
    uses = tables[f"Lot {first.pk}: 100 coins, purchase"]
    assert [row[1:4] for row in uses[1:]] == [
        ["Spent on content chapter-4", "1 to 33", "33"],
        ["Spent on content chapter-5", "34 to 100", "67"],
        ["", "", "100"],
    ]
    assert uses[1][-1] == f"as lot {restored.pk}"
    assert uses[2][5] == "writer-1 0.258687 writer-2 0.172458"
    assert f"Lot {restored.pk}: 33 coins, restored, out of lot {first.pk}" in tables


def test_a_sale_leads_to_its_payments_and_back(boss: Client, purchase: Purchase) -> None:
    sale = Transaction.objects.filter(kind="CONTENT_PURCHASE").latest("id")

    html = page_of(boss, sale.pk)
    tables = tables_of(html)

    assert [row[:1] for row in tables["Who earned"][1:]] == [
        ["writer-1"], ["writer-2"], ["Platform"], ["Total"],
    ]  # fmt: skip
    first = CoinLot.objects.earliest("id").pk
    assert [row[3:] for row in tables["Paid by"][1:3]] == [
        ["Purchase", f"by {READER}", "0.99 USD", "sandbox"],
        [f"Purchase, by way of lot {first}", f"by {READER}", "0.99 USD", "sandbox"],
    ]
    assert reverse("admin-trace", args=[purchase.pk]) in html
    assert cells.page_of(sale) in html


def test_the_records_lead_to_the_trace(boss: Client, purchase: Purchase) -> None:
    sale = Transaction.objects.filter(kind="CONTENT_PURCHASE").latest("id")

    of_purchase = boss.get(cells.page_of(purchase)).content.decode()
    of_sale = boss.get(cells.page_of(sale)).content.decode()

    assert reverse("admin-trace", args=[purchase.pk]) in of_purchase
    assert tables_of(of_purchase)["Where the money is"][-1][0] == "Total adds up ✓"
    assert reverse("admin-trace", args=[sale.pk]) in of_sale
    assert "Paid by" in tables_of(of_sale)


def test_a_foreign_purchase_shows_what_was_paid_and_the_rate(boss: Client) -> None:
    currency_rates.refresh(provider=FixedRates(), now=NOW)
    naira = factories.buy_coins(name="Starter Pack", currency="NGN")

    html = page_of(boss, naira.pk)

    assert "1,400.00 NGN" in html
    assert "1,371.8079" in html
    assert "1.020551 USD" in html


def test_what_went_back_is_told_apart_and_adds_up(boss: Client, purchase: Purchase) -> None:
    money_back.pay_back(purchase, "0.10")
    case = money_back.dispute(purchase)
    Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
    money_back.lose(case)

    tables = tables_of(page_of(boss, purchase.pk))

    assert tables["Where the money is"][1:] == [
        ["Writers", "0.514800"],
        ["Platform", "0.277200"],
        ["Not spent yet", "0.000000"],
        ["Refunded", "0.108900"],
        ["Taken by the payer&#x27;s bank", "0.890000"],
        ["Claimed from the reader", "-0.800900"],
        ["Total adds up ✓", "0.990000"],
    ]


def test_a_fee_is_in_the_currency_it_was_taken_in(boss: Client, purchase: Purchase) -> None:
    Purchase.objects.filter(pk=purchase.pk).update(fee_micros=410_000, fee_currency="CAD")

    assert "0.41 CAD" in page_of(boss, purchase.pk)


def test_a_purchase_nobody_paid_says_so(boss: Client) -> None:
    html = page_of(boss, factories.start_purchase().pk)

    assert "Nothing to follow" in html
    assert "Where the money is" not in html


def test_what_cannot_be_followed_has_no_page(boss: Client) -> None:
    unknown = reverse("admin-trace", args=["01930000-0000-7000-8000-00000000dead"])

    assert boss.get(unknown).status_code == 404


@pytest.mark.parametrize("missing", RIGHTS)
def test_the_page_needs_every_right(staff: ClientOf, purchase: Purchase, missing: str) -> None:
    clerk = staff(*(right for right in RIGHTS if right != missing))

    assert clerk.get(reverse("admin-trace", args=[purchase.pk])).status_code == 403


def test_strangers_are_sent_to_the_login(client: Client, purchase: Purchase) -> None:
    answer = client.get(reverse("admin-trace", args=[purchase.pk]))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


def test_hostile_words_are_shown_as_words(boss: Client, busy: None) -> None:
    for transaction in Transaction.objects.filter(kind__in=["CONTENT_PURCHASE", "TIP"]):
        assert EVIL not in page_of(boss, transaction.pk)
    for purchase in Purchase.objects.all():
        assert EVIL not in page_of(boss, purchase.pk)
