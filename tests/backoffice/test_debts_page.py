"""Debts in the back office: who owes what, and asking another person to give it up"""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from access.services import content
from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import (
    ApprovalRequest,
    CoinBalance,
    Debt,
    DebtReduction,
    Dispute,
    Transaction,
)
from tests import factories, money_back, second_person
from tests.backoffice.conftest import EVIL
from tests.backoffice.members import ROLES, error_of, member, send, user_of
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


@pytest.fixture
def debt() -> Debt:
    """0.10 USD: ten coins that came back of a refund were spent, and the refund was paid."""
    return money_back.owing(READER, now=clock.now())


def of_wallet(debt: Debt) -> str:
    return reverse("admin:payments_coinbalance_write_off", args=[debt.wallet_id])


def of_debt(debt: Debt) -> str:
    return reverse("admin:payments_debt_write_off", args=[debt.pk])


def assert_untouched() -> None:
    assert not DebtReduction.objects.exists()
    assert not Transaction.objects.filter(kind="DEBT_WRITTEN_OFF").exists()
    assert CoinBalance.objects.get(user_id=READER).debt_micros == 100_000


def test_the_list_says_who_owes_how_much_since_when_and_what_for(debt: Debt) -> None:
    paid = money_back.owing("reader-2", now=clock.now())
    factories.buy_coins("reader-2", "Starter Pack", now=clock.now())
    auditor = member("Auditor")

    answer = auditor.get(cells.listing(Debt), {"view": "open"})

    shown = answer.context["cl"]
    assert [row.pk for row in shown.result_list] == [debt.pk]
    assert [(link.title, link.number) for link in shown.saved_views] == [
        ("Open", 1),
        ("Over", None),
        ("All", None),
    ]
    html = answer.content.decode()
    for words in (READER, "0.10 USD", "Refund paid after it had failed"):
        assert words in html
    everything = auditor.get(cells.listing(Debt)).context["cl"].result_list
    assert [row.pk for row in everything] == [paid.pk, debt.pk]


def test_its_page_shows_all_debts_of_the_reader_and_what_covered_them(debt: Debt) -> None:
    html = member("Auditor").get(cells.page_of(debt)).content.decode()

    tables = tables_of(html)
    assert tables["Debts"][1][1:] == [
        "Refund paid after it had failed",
        "Open",
        "0.10 USD",
        "0.10 USD",
    ]
    assert "Nothing was paid or written off yet." in html
    assert str(debt.transaction_id) not in html.replace(cells.page_of(debt.transaction), "")


@pytest.mark.parametrize("page", [of_wallet, of_debt])
def test_a_write_off_waits_for_another_person(debt: Debt, page: Callable[[Debt], str]) -> None:
    html = send(member("Operator"), page(debt), amount="", reason="too small to ask for")

    assert "Waiting for another person" in html
    assert_untouched()
    request = second_person.agree(by=user_of("Approver"))
    assert request.status == ApprovalRequest.Status.EXECUTED, request.error
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.debt_micros, wallet.blocked_by) == (0, "")
    shown = tables_of(member("Auditor").get(cells.page_of(wallet)).content.decode())
    assert shown["What covered them"][1][1:] == [
        "Written off",
        "too small to ask for",
        "0.10 USD",
        "0.00 USD",
    ]


def test_a_part_can_be_written_off(debt: Debt) -> None:
    send(member("Operator"), of_debt(debt), amount="0.04", reason="half of it")
    request = cells.page_of(ApprovalRequest.objects.get())
    html = member("Finance manager").get(request).content.decode()
    shown = {what: rest for what, *rest in tables_of(html)["Before and after"][1:]}
    assert shown["Owed"] == ["0.10", "0.06", "changed"]
    assert (shown["Reader"], shown["Currency"]) == ([READER, READER, ""], ["USD", "USD", ""])
    assert cells.page_of(debt.wallet) in html
    second_person.agree(by=user_of("Finance manager"))

    debt.refresh_from_db()
    assert debt.open_micros == 60_000
    html = member("Operator").get(cells.page_of(debt)).content.decode()
    assert "Open in part" in html


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"amount": "0.11", "reason": "x"}, "amount", "0.10 USD are owed."),
        ({"amount": "0", "reason": "x"}, "amount", "greater than or equal to"),
        ({"amount": "-1", "reason": "x"}, "amount", "greater than or equal to"),
        ({"amount": "0.05", "reason": " "}, "reason", "This field is required."),
    ],
)
def test_a_refusal_stands_beside_its_field(
    debt: Debt, typed: dict[str, str], field: str, words: str
) -> None:
    html = send(member("Operator"), of_debt(debt), **typed)

    assert words in error_of(html, field)
    assert_untouched()
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("role", ROLES)
def test_operators_and_managers_ask_for_write_offs(debt: Debt, role: str) -> None:
    client = member(role)
    may = role in ("Operator", "Finance manager")

    for page in (of_wallet(debt), of_debt(debt)):
        answer = client.post(page, {"reason": " "})
        assert answer.status_code == (200 if may else 403)
    if role != "Staff admin":
        assert (of_debt(debt) in client.get(cells.page_of(debt)).content.decode()) == may
    assert_untouched()


def test_who_owes_nothing_any_more_has_no_button(debt: Debt) -> None:
    factories.buy_coins(name="Reader Pack", now=clock.now())
    operator = member("Operator")

    for row, page in ((debt, of_debt(debt)), (debt.wallet, of_wallet(debt))):
        assert page not in operator.get(cells.page_of(row)).content.decode()


def test_the_wallet_names_the_refund_that_blocks_it(debt: Debt) -> None:
    assert debt.closing is not None
    html = member("Auditor").get(cells.page_of(debt.wallet)).content.decode()

    assert cells.page_of(debt.closing.refund) in html
    assert "paid after it failed" in html


def test_a_lost_dispute_leads_to_its_debt_and_to_the_coins_of_the_reader() -> None:
    now = clock.now()
    factories.put_content("chapter-4", price=10, now=now)
    purchase = factories.buy_coins(name="Reader Pack", now=now)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:x")
    case = money_back.dispute(purchase, now=now)
    Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
    lost = money_back.lose(case, now=now)

    html = member("Auditor").get(cells.page_of(lost)).content.decode()

    debt = Debt.objects.get()
    assert tables_of(html)["Debt of the reader"][1][1:3] == ["Lost dispute", "Open"]
    assert cells.page_of(debt) in html
    assert cells.page_of(debt.wallet) in html


def test_hostile_words_are_words(boss: Client, busy: None) -> None:
    debt = Debt.objects.get(wallet__user_id="reader-14")
    assert debt.closing is not None
    for row in (debt, debt.wallet, debt.closing.refund):
        html = boss.get(cells.page_of(row)).content.decode()
        assert EVIL not in html
    assert "&lt;script&gt;" in html
