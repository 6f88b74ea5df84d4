"""Approvals in the back office: who proposes waits, another person decides"""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import ApprovalDecision, ApprovalRequest, CoinPackage
from payments.services import packages, proposals
from tests import factories, second_person
from tests.backoffice.conftest import logged_in
from tests.backoffice.test_transaction_page import tables_of
from tests.clients import PAYMENTS, api

pytestmark = pytest.mark.django_db

Status = ApprovalRequest.Status


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


def member(username: str, role: str = "Finance manager") -> Client:
    """A browser of somebody with one role."""
    user = User.objects.create_user(username, password="unused", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return logged_in(user)


@pytest.fixture
def ada(db: None) -> Client:
    """A finance manager."""
    return member("ada")


@pytest.fixture
def bob(db: None) -> Client:
    """Another finance manager."""
    return member("bob")


def raise_price(client: Client, **changes: Any) -> ApprovalRequest:
    """Propose 1.09 for the Starter Pack."""
    typed = {
        "name": "Starter Pack",
        "coins": "100",
        "bonus_percent": "0",
        "price_usd": "1.09",
        "price_cad": "1.39",
        "price_ngn": "1400.00",
        "is_active": "on",
        "reason": "gateway fees rose",
        "version": "1",
        **changes,
    }
    starter = factories.package("Starter Pack")
    address = reverse("admin:payments_coinpackage_change_terms", args=[starter.pk])
    answer = client.post(address, typed, follow=True)
    assert answer.status_code == 200
    return ApprovalRequest.objects.latest("id")


def press(client: Client, name: str, request: ApprovalRequest, **changes: Any) -> str:
    """Send one of the confirm pages; the page that answers."""
    address = reverse(f"admin:payments_approvalrequest_{name}", args=[request.pk])
    typed = {"payload_hash": request.payload_hash, "reason": "", **changes}
    html = client.post(address, typed, follow=True).content.decode()
    request.refresh_from_db()
    return html


def buttons(client: Client, request: ApprovalRequest) -> set[str]:
    """The buttons that a person is offered on the request's page."""
    html = client.get(cells.page_of(request)).content.decode()
    return {
        name
        for name in ("approve", "reject", "withdraw")
        if f'{reverse(f"admin:payments_approvalrequest_{name}", args=[request.pk])}"' in html
    }


def badge(client: Client) -> int:
    sidebar = client.get(reverse("admin:index")).context["sidebar_navigation"]
    items = [item for group in sidebar for item in group["items"]]
    return int(next(item["badge"] for item in items if item["title"] == "My approvals"))


def price() -> int:
    current = factories.package("Starter Pack").current
    assert current is not None
    return current.prices.get(currency="USD").price_micros


def test_a_price_change_needs_two_people(ada: Client, bob: Client) -> None:
    request = raise_price(ada)
    assert price() == 990_000
    assert (badge(ada), badge(bob)) == (0, 1)

    html = press(bob, "approve", request)

    assert "Approved: Starter Pack: USD 0.99 → 1.09" in html
    assert request.status == Status.APPROVED
    second_person.run(request)
    assert request.status == Status.EXECUTED
    assert price() == 1_090_000
    assert badge(bob) == 0
    maker = User.objects.get(username="ada")
    assert CoinPackage.objects.get(name="Starter Pack").versions.get(number=2).created_by == (
        f"staff:{maker.pk}"
    )


def test_a_service_proposes_and_a_person_decides(bob: Client) -> None:
    url = f"{PAYMENTS}/coin-packages/{factories.package('Starter Pack').pk}"
    shop = api(service="shop", scopes=["packages:write"])
    etag = shop.get(url)["ETag"]

    answer = shop.patch(url, {"prices": {"USD": "1.09"}}, headers={"If-Match": etag})

    assert answer.status_code == 202
    request = ApprovalRequest.objects.get(pk=answer.json()["approval_id"])
    press(bob, "approve", request)
    second_person.run(request)
    assert price() == 1_090_000


def test_the_maker_is_told_that_it_waits(ada: Client) -> None:
    starter = factories.package("Starter Pack")

    request = raise_price(ada)

    html = ada.get(cells.page_of(starter)).content.decode()
    assert tables_of(html)["Waiting for another person"][1][0] == request.summary
    assert cells.page_of(request) in html


def test_the_page_shows_what_would_change(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    for address in (
        cells.page_of(request),
        reverse("admin:payments_approvalrequest_approve", args=[request.pk]),
    ):
        html = bob.get(address).content.decode()
        changed = [row[:3] for row in tables_of(html)["Before and after"] if row[3] == "changed"]
        assert sorted(changed) == [["Prices USD", "0.99", "1.09"], ["Version", "1", "2"]]
        assert "gateway fees rose" in html


def test_buttons_are_for_those_who_can_use_them(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    assert buttons(ada, request) == {"withdraw"}
    assert buttons(bob, request) == {"approve", "reject"}
    assert buttons(member("carl", "Auditor"), request) == set()
    assert buttons(member("dora", "Approver"), request) == set()
    press(bob, "approve", request)
    assert buttons(ada, request) == buttons(bob, request) == set()


def test_the_maker_who_forges_the_address_is_refused(ada: Client) -> None:
    request = raise_price(ada)

    html = press(ada, "approve", request)

    assert "does not decide on it" in html
    assert request.status == Status.PENDING
    assert not ApprovalDecision.objects.exists()


def test_a_role_without_the_right_is_refused(ada: Client) -> None:
    request = raise_price(ada)

    assert "Your role does not decide on this." in press(
        member("dora", "Approver"), "approve", request
    )
    assert "You have no right" in press(member("carl", "Auditor"), "approve", request)
    assert request.status == Status.PENDING


def test_what_was_not_seen_is_not_approved(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    html = press(bob, "approve", request, payload_hash="0" * 64)

    assert "This is not what you saw" in html
    assert request.status == Status.PENDING


def test_a_rejection_needs_a_reason_and_ends_it(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    assert 'id="id_reason_error"' in press(bob, "reject", request)
    press(bob, "reject", request, reason="not before spring")

    assert request.status == Status.REJECTED
    assert "not before spring" in ada.get(cells.page_of(request)).content.decode()
    assert price() == 990_000


def test_the_maker_withdraws(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    assert "Only who proposed something withdraws it." in press(bob, "withdraw", request)
    press(ada, "withdraw", request)

    assert request.status == Status.WITHDRAWN


def test_looking_decides_nothing(ada: Client, bob: Client) -> None:
    request = raise_price(ada)

    for client in (ada, bob):
        for name in ("approve", "reject", "withdraw"):
            address = reverse(f"admin:payments_approvalrequest_{name}", args=[request.pk])
            assert client.get(address).status_code == 200

    request.refresh_from_db()
    assert request.status == Status.PENDING


def test_what_waits_for_oneself_comes_first(ada: Client, bob: Client) -> None:
    of_ada = raise_price(ada)
    of_bob = raise_price(bob, price_usd="1.19")

    html = ada.get(cells.listing(ApprovalRequest)).content.decode()

    assert html.index(str(of_bob.pk)) < html.index(str(of_ada.pk))
    html = bob.get(cells.listing(ApprovalRequest)).content.decode()
    assert html.index(str(of_ada.pk)) < html.index(str(of_bob.pk))


def test_the_views_above_the_list_say_what_waits_for_whom(ada: Client, bob: Client) -> None:
    raise_price(ada)

    def numbers(client: Client) -> dict[str, int]:
        views = client.get(cells.listing(ApprovalRequest)).context["cl"].saved_views
        return {view.title: view.number for view in views}

    assert numbers(ada) == {"Open": 1, "Waiting for me": 0, "Proposed by me": 1, "All": None}
    assert numbers(bob) == {"Open": 1, "Waiting for me": 1, "Proposed by me": 0, "All": None}
    mine = bob.get(cells.listing(ApprovalRequest, "view=mine"))
    assert len(mine.context["cl"].result_list) == 1
    assert len(ada.get(cells.listing(ApprovalRequest, "view=mine")).context["cl"].result_list) == 0


def test_a_proposal_leads_to_the_row_it_is_about_where_there_is_one(
    ada: Client, bob: Client
) -> None:
    request = raise_price(ada)
    link = f'href="{cells.page_of(CoinPackage.objects.get(name="Starter Pack"))}"'

    assert link in bob.get(cells.page_of(request)).content.decode()
    terms = packages.Terms(coins=10, bonus_percent=0, prices={"USD": 990_000})
    new = proposals.create_package(
        name="Novella Pack",
        terms=terms,
        is_active=True,
        reason="short reads",
        actor="staff:7",
        now=clock.now(),
    )
    assert isinstance(new, ApprovalRequest)
    assert "Coin package Novella Pack" in bob.get(cells.page_of(new)).content.decode()
