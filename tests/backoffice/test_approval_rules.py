"""Approval rules in the back office: dated rows, changed by as many people as they ask for"""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments import approvals
from payments.models import ApprovalRequest, ApprovalRule
from payments.services import approval_rules, proposals
from tests import second_person
from tests.backoffice.conftest import logged_in
from tests.backoffice.test_transaction_page import tables_of

pytestmark = pytest.mark.django_db

ADDRESS = "admin:payments_approvalrule_change_rule"
TYPED = {
    "action": proposals.CHANGE_POLICY,
    "from_micros": "0",
    "needed": "2",
    "reason": "we are many now",
}


@pytest.fixture(autouse=True)
def finance(db: None) -> list[Client]:
    """Three finance managers."""
    roles.sync(now=clock.now())
    return [member(name, "Finance manager") for name in ("ada", "bob", "cyd")]


def member(name: str, role: str) -> Client:
    user = User.objects.create_user(name, password="unused", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return logged_in(user)


def needed() -> int:
    return approvals.needed_for(action=proposals.CHANGE_POLICY, amount=None, on=clock.now())


def test_one_proposes_and_another_agrees(finance: list[Client]) -> None:
    told = finance[0].post(reverse(ADDRESS), TYPED, follow=True).content.decode()
    assert "Waiting for another person" in told
    assert needed() == 1

    request = ApprovalRequest.objects.get()
    press = reverse("admin:payments_approvalrequest_approve", args=[request.pk])
    finance[0].post(press, {"payload_hash": request.payload_hash, "reason": ""})
    assert not request.decisions.exists()
    finance[1].post(press, {"payload_hash": request.payload_hash, "reason": ""})
    second_person.run(request)

    assert (request.status, needed()) == (ApprovalRequest.Status.EXECUTED, 2)
    rule = ApprovalRule.objects.get(action=proposals.CHANGE_POLICY, needed=2)
    page = tables_of(finance[2].get(cells.page_of(rule)).content.decode())
    assert page["Audit"][1][1] == "Approval rule changed"
    shown = finance[2].get(cells.listing(ApprovalRule)).content.decode()
    assert "Superseded" in shown


def test_the_form_stands_beside_the_rules_in_force(finance: list[Client]) -> None:
    html = finance[0].get(reverse(ADDRESS)).content.decode()

    rules = [row[:4] for row in tables_of(html)["Rules in force"]]
    assert rules[0] == ["Action", "From", "People needed", "May decide"]
    assert ["Adjust wallet", "500.00 USD", "2", "3"] in rules
    assert ["Change approval rule", "0.00 USD", "1", "3"] in rules
    assert ["Change split rule", "0.00 USD", "1", "3"] in rules


def test_a_change_that_waits_is_shown_with_the_rule(finance: list[Client]) -> None:
    finance[0].post(reverse(ADDRESS), TYPED)
    rule = ApprovalRule.objects.get(action=proposals.CHANGE_POLICY)

    html = finance[1].get(cells.page_of(rule)).content.decode()

    assert "1 → 2" in tables_of(html)["Waiting for another person"][1][0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"needed": "4"}, "needed"),
        ({"needed": "3"}, "needed"),  # three may decide, and one of them proposes
        ({"action": approval_rules.CHANGE_APPROVAL_RULE, "needed": "0"}, "needed"),
        ({"action": "payments.burn_it_all"}, "action"),
        ({"from_micros": "-1"}, "from_micros"),
        ({"valid_from": "2001-01-01 00:00"}, "valid_from"),
        ({"reason": ""}, "reason"),
    ],
)
def test_what_is_refused_is_told_beside_its_field(
    finance: list[Client], changes: dict[str, str], field: str
) -> None:
    html = finance[0].post(reverse(ADDRESS), {**TYPED, **changes}).content.decode()

    assert f'id="id_{field}_error"' in html
    assert not ApprovalRequest.objects.exists()
    assert ApprovalRule.objects.filter(created_by="system:migration").count() == (
        ApprovalRule.objects.count()
    )


def test_auditors_look_and_others_do_not_see_it() -> None:
    auditor, operator = member("aud", "Auditor"), member("op", "Operator")

    assert auditor.get(cells.listing(ApprovalRule)).status_code == 200
    assert "Propose a change" not in auditor.get(cells.listing(ApprovalRule)).content.decode()
    assert auditor.post(reverse(ADDRESS), TYPED).status_code == 403
    assert operator.get(cells.listing(ApprovalRule)).status_code == 403
    assert operator.post(reverse(ADDRESS), TYPED).status_code == 403
    assert not ApprovalRequest.objects.exists()
