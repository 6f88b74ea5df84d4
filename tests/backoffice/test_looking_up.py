"""Finding and reading: search by whole values, amounts and persons as people may see them"""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import (
    Account,
    AuditEntry,
    CoinBalance,
    Customer,
    Purchase,
    SandboxCharge,
    WebhookEvent,
)
from payments.services import packages
from tests import factories
from tests.backoffice.conftest import ClientOf
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("busy")]


def found(client: Client, term: str) -> int:
    """How many purchases a search finds."""
    answer = client.get(cells.listing(Purchase), {"q": term})
    return len(answer.context["cl"].result_list)


def test_a_search_finds_whole_values_only(boss: Client) -> None:
    purchase = Purchase.objects.get(user_id=READER)

    for term in (str(purchase.pk), READER, purchase.reference, purchase.gateway_id):
        assert found(boss, term) == 1, term
    for term in ("reader", "READER-1", purchase.reference[:-1], "%", "no such thing"):
        assert found(boss, term) == 0, term


def test_a_search_without_result_says_what_was_searched(boss: Client) -> None:
    html = boss.get(cells.listing(Purchase), {"q": "nobody"}).content.decode()

    assert "Nothing matches" in html
    assert "our reference" in html


def test_quarantined_purchases_are_counted_in_the_sidebar(boss: Client) -> None:
    answer = boss.get(cells.listing(Purchase), {"status__exact": "QUARANTINED"})

    sidebar = [item for group in answer.context["sidebar_navigation"] for item in group["items"]]
    badges = {item["title"]: item["badge"] for item in sidebar if "badge" in item}
    assert badges == {
        "My approvals": 1,
        "Quarantined": 1,
        "Refunds": 1,
        "Disputes": 0,
        "Unknown outcomes": 1,
        "Reconciliation": 2,
    }
    assert [item["title"] for item in sidebar if item["active"]] == ["Quarantined"]
    assert len(answer.context["cl"].result_list) == 1


def test_a_pending_purchase_leads_to_its_checkout(boss: Client) -> None:
    pending = Purchase.objects.get(user_id="reader-3")
    charge = SandboxCharge.objects.get(reference=pending.reference)

    assert f"/sandbox/checkout/{charge.pk}" in boss.get(cells.page_of(pending)).content.decode()
    settled = Purchase.objects.get(user_id=READER)
    assert "/sandbox/checkout/" not in boss.get(cells.page_of(settled)).content.decode()


def test_the_sandbox_has_no_page_where_it_is_off(boss: Client, settings: object) -> None:
    settings.GATEWAY_SANDBOX = False  # type: ignore[attr-defined]

    assert boss.get(cells.listing(SandboxCharge)).status_code == 403
    assert "Sandbox" not in boss.get(reverse("admin:index")).content.decode()


def test_an_account_shows_the_sum_of_its_entries(boss: Client) -> None:
    fees = Account.objects.get(code="fees:gateway", unit="NGN")

    html = boss.get(cells.page_of(fees)).content.decode()

    assert "21.00 NGN" in html
    assert tables_of(html)["Last entries"][1][3:] == ["21.00", ""]


def test_a_wallet_shows_what_is_left_of_its_lots(boss: Client) -> None:
    wallet = CoinBalance.objects.get(user_id=READER)

    lots = tables_of(boss.get(cells.page_of(wallet)).content.decode())["Lots"]

    # 6,600 bought, 10 + 20 + 50 used, 20 of them back in a lot of their own.
    assert [row[5:7] for row in lots[1:]] == [["20", "20"], ["6,600", "6,520"], ["", "6,540"]]


def test_an_address_is_masked(boss: Client) -> None:
    html = boss.get(cells.page(Customer, READER)).content.decode()

    assert "a•••@example.com" in html
    assert "lovelace" not in html


def test_the_body_of_a_webhook_needs_a_right_of_its_own(boss: Client, staff: ClientOf) -> None:
    event = cells.page_of(WebhookEvent.objects.get())

    assert "bo-text" in boss.get(event).content.decode()
    html = staff("payments.view_webhookevent").get(event).content.decode()
    assert "Failed" in html
    assert "bo-text" not in html


def test_every_card_of_the_overview_leads_to_the_rows_it_counts(boss: Client) -> None:
    cards = boss.get(reverse("admin:index")).context["cards"]

    counted = {card.title: len(boss.get(card.href).context["cl"].result_list) for card in cards}

    shown = {card.title: card.figure for card in cards}
    for title in ("Quarantined purchases", "Purchases awaiting payment", "Failed webhooks"):
        assert shown[title] == str(counted[title]) == "1", title
    assert counted["Owed in reading"] == 1


def test_the_overview_keeps_currencies_apart(boss: Client) -> None:
    html = boss.get(reverse("admin:index")).content.decode()

    sold = tables_of(html)["Settled purchases, last 30 days"]
    assert sold[1:] == [
        ["NGN", "1", "100", "1,400.00 NGN", "21.00 NGN"],
        ["USD", "5", "8,700", "59.95 USD", "3.26 USD"],
    ]
    assert "As of " in html


def test_staff_are_shown_and_found_by_their_login(boss: Client, superuser: User) -> None:
    package = factories.package("Reader Pack")
    packages.change(
        package_id=package.pk,
        expected_version=package.versions.count(),
        is_active=False,
        actor=f"staff:{superuser.pk}",
        now=clock.now(),
    )

    shown = boss.get(cells.page_of(package)).content.decode()
    found_by = boss.get(cells.listing(AuditEntry), {"q": superuser.username})

    assert tables_of(shown)["Audit"][1][2] == superuser.username
    assert f"staff:{superuser.pk}" not in shown
    rows = found_by.context["cl"].result_list
    assert {row.actor for row in rows} == {f"staff:{superuser.pk}"}


def test_what_waits_for_a_person_says_what_to_do(boss: Client) -> None:
    paid = Purchase.objects.get(user_id=READER)
    quarantined = Purchase.objects.get(status=Purchase.Status.QUARANTINED)
    failed = WebhookEvent.objects.get(status=WebhookEvent.Status.FAILED)

    for row in (quarantined, failed):
        assert "What to do" in boss.get(cells.page_of(row)).content.decode(), row
    html = boss.get(cells.page_of(paid)).content.decode()
    assert "What to do" not in html
    assert cells.page_of(CoinBalance.objects.get(user_id=READER)) in html
