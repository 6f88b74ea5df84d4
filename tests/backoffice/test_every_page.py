"""What holds for every page of the back office, found by walking the registry"""

import re

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from legato_payments.lib import clock
from tests.backoffice import pages
from tests.backoffice.conftest import EVIL, ClientOf, sell_more

pytestmark = pytest.mark.django_db

READS = ("SELECT", "SAVEPOINT", "RELEASE", "WITH", "DECLARE", "FETCH")


def words_of(html: str) -> str:
    """What a person reads of a page."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", html)


@pytest.mark.parametrize(("model", "owner"), pages.of_money(), ids=lambda v: v.__class__.__name__)
def test_no_row_of_ours_is_added_changed_or_deleted_in_place(
    model: type[Model], owner: pages.Admin, boss: Client, busy: None
) -> None:
    names = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"{model.__name__} has a page and no row to test it with"
    counted = model._default_manager.count()
    key = [quote(str(row.pk))]

    answers = [
        boss.post(reverse(f"{names}_add"), {}),
        boss.post(reverse(f"{names}_change", args=key), {}),
        boss.post(reverse(f"{names}_delete", args=key), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert owner.actions is None
    assert model._default_manager.count() == counted


def test_getting_a_page_or_pressing_a_button_by_get_changes_nothing(
    boss: Client, busy: None
) -> None:
    addresses = [reverse("admin:index"), *pages.lists(), *pages.rows(), *pages.buttons()]

    with CaptureQueriesContext(
        connection,
    ) as asked:
        answers = {address: boss.get(address).status_code for address in addresses}

    assert set(answers.values()) == {200}, answers
    assert len(list(pages.buttons())) >= 6
    writes = [q["sql"] for q in asked if not q["sql"].lstrip("(\n ").upper().startswith(READS)]
    assert writes == []


def test_no_page_says_none_or_lets_markup_through(boss: Client, busy: None) -> None:
    for address in [reverse("admin:index"), *pages.lists(), *pages.rows(), *pages.buttons()]:
        html = boss.get(address).content.decode()

        assert EVIL not in html, address
        assert not re.search(r"\bNone\b|object \(\d", words_of(html)), address
        assert "a.m." not in html, address
        assert "p.m." not in html, address


def test_hostile_words_are_shown_as_words(boss: Client, busy: None) -> None:
    shown = sum(
        boss.get(address).content.decode().count("&lt;script&gt;alert(")
        for address in [*pages.lists(), *pages.rows()]
    )

    assert shown > 20


def test_staff_without_rights_get_no_page(staff: ClientOf, busy: None) -> None:
    clerk = staff()
    addresses = [*pages.lists(), *pages.rows(), *pages.buttons()]

    answers = {address: clerk.get(address).status_code for address in addresses}

    assert set(answers.values()) == {403}, answers
    refused = clerk.get(addresses[0]).content.decode()
    assert "You have no right to this page" in refused
    overview = clerk.get(reverse("admin:index")).content.decode()
    assert "no right to figures" in overview
    assert "Coin accounts" not in overview


def test_the_theme_gets_what_its_scripts_need_and_no_more(boss: Client, staff: ClientOf) -> None:
    for client in (boss, staff()):
        for address in (reverse("admin:index"), reverse("admin:auth_user_changelist")):
            policy = client.get(address)["Content-Security-Policy"]
            parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
            assert parts["default-src"] == "'self'"
            assert parts["script-src"] == "'self' 'unsafe-eval'"
            assert parts["style-src"] == "'self' 'unsafe-inline'"
            assert parts["frame-ancestors"] == "'none'"


def test_strangers_are_sent_to_the_login(client: Client, busy: None) -> None:
    for address in [reverse("admin:index"), *pages.lists(), *pages.rows(), *pages.buttons()]:
        answer = client.get(address)

        assert answer.status_code == 302, address
        assert answer["Location"].startswith(reverse("admin:login")), address


def test_who_may_only_look_sees_no_button_and_cannot_press_it(staff: ClientOf, busy: None) -> None:
    clerk = staff(
        "payments.view_coinpackage",
        "payments.view_currencyrate",
        "payments.view_policy",
        "payments.view_taxrule",
        "payments.view_taxregistration",
        "revenue.view_splitrule",
    )

    assert {clerk.post(address, {}).status_code for address in pages.buttons()} == {403}
    for address in [*pages.lists()]:
        assert "Change a" not in clerk.get(address).content.decode()


def test_a_login_that_is_no_staff_gets_nowhere(busy: None) -> None:
    reader = Client()
    reader.force_login(User.objects.create_user("reader", password="unused"))

    assert reader.get(reverse("admin:index")).status_code == 302


def test_lists_ask_as_often_however_many_rows_they_show(boss: Client, busy: None) -> None:
    sell_more(now=clock.now())  # a row by staff, for one: their logins are read
    before = {address: asked_for(boss, address) for address in pages.lists()}

    sell_more(now=clock.now())

    assert {address: asked_for(boss, address) for address in pages.lists()} == before
    # Six of them are badges of the sidebar.
    assert max(before.values()) <= 13


def asked_for(client: Client, address: str) -> int:
    """How many statements a page takes."""
    with CaptureQueriesContext(connection) as asked:
        client.get(address)
    return len(asked)
