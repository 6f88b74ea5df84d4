"""The six roles of staff: what each may see, propose and decide"""

import io

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import ApprovalRequest, ApprovalRule, AuditEntry, CoinPackage, Purchase
from tests.backoffice.conftest import logged_in

pytestmark = pytest.mark.django_db

OPERATOR, APPROVER, SUPPORT = "Operator", "Approver", "Support"
AUDITOR, FINANCE, STAFF = "Auditor", "Finance manager", "Staff admin"
ALL_BUT_STAFF = {OPERATOR, APPROVER, SUPPORT, AUDITOR, FINANCE}

TABLE: dict[str, set[str]] = {
    "payments.view_transaction": ALL_BUT_STAFF,
    "payments.view_account": ALL_BUT_STAFF,
    "payments.view_purchase": ALL_BUT_STAFF,
    "payments.view_coinbalance": ALL_BUT_STAFF,
    "payments.view_refund": ALL_BUT_STAFF,
    "payments.add_refund": {OPERATOR, SUPPORT},
    "payments.change_refund": {OPERATOR, FINANCE},
    "payments.view_dispute": ALL_BUT_STAFF,
    "payments.change_dispute": {OPERATOR, FINANCE},
    "payments.add_disputeloss": {APPROVER, FINANCE},
    "payments.change_coinbalance": {APPROVER, FINANCE},
    "payments.view_paymentmethod": ALL_BUT_STAFF,
    "payments.change_paymentmethod": {OPERATOR, SUPPORT, FINANCE},
    "payments.view_attempt": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.change_attempt": {OPERATOR, FINANCE},
    "revenue.view_earning": ALL_BUT_STAFF,
    "payments.view_webhookevent": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.view_settlement": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.view_bankstatement": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.view_bankreceipt": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.add_bankstatement": {OPERATOR, FINANCE},
    "payments.change_bankreceipt": {OPERATOR, FINANCE},
    "payments.view_difference": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.view_reconciliationday": {OPERATOR, APPROVER, AUDITOR, FINANCE},
    "payments.change_difference": {OPERATOR, FINANCE},
    "payments.change_reconciliationday": {OPERATOR, FINANCE},
    "payments.decide_payments_correct_gateway": {APPROVER, FINANCE},
    "payments.view_coinpackage": {SUPPORT, AUDITOR, FINANCE},
    "payments.view_currencyrate": {AUDITOR, FINANCE},
    "payments.view_policy": {AUDITOR, FINANCE},
    "payments.view_approvalrule": {AUDITOR, FINANCE},
    "payments.view_taxrule": {AUDITOR, FINANCE},
    "payments.view_taxregistration": {AUDITOR, FINANCE},
    "payments.add_taxrule": {FINANCE},
    "payments.change_taxrule": {FINANCE},
    "payments.add_taxregistration": {FINANCE},
    "revenue.view_splitrule": {AUDITOR, FINANCE},
    "payments.view_auditentry": {AUDITOR, FINANCE},
    "payments.add_coinpackage": {FINANCE},
    "payments.change_coinpackage": {FINANCE},
    "payments.add_currencyrate": {FINANCE},
    "payments.add_policy": {FINANCE},
    "payments.add_approvalrule": {FINANCE},
    "revenue.add_splitrule": {FINANCE},
    "payments.add_campaign": {FINANCE},
    "payments.add_adjustment": {OPERATOR, SUPPORT},
    "payments.view_approvalrequest": ALL_BUT_STAFF,
    "payments.add_approvalrequest": {OPERATOR, APPROVER, SUPPORT, FINANCE},
    "payments.change_approvalrequest": {APPROVER, FINANCE},
    "payments.decide_payments_adjust_wallet": {APPROVER, FINANCE},
    "payments.decide_payments_refund_purchase": {APPROVER, FINANCE},
    "payments.decide_payments_change_package": {FINANCE},
    "payments.decide_payments_set_rate": {FINANCE},
    "payments.decide_payments_change_policy": {FINANCE},
    "payments.decide_payments_change_approval_rule": {FINANCE},
    "payments.decide_payments_create_campaign": {FINANCE},
    "payments.decide_payments_change_tax_rule": {FINANCE},
    "payments.decide_payments_change_tax_registration": {FINANCE},
    "payments.decide_revenue_change_split_rule": {FINANCE},
    "auth.view_user": {AUDITOR, STAFF},
    "auth.add_user": {STAFF},
    "auth.change_user": {STAFF},
    "auth.delete_user": set(),
    "auth.change_group": set(),
    "payments.change_staffprofile": {STAFF},
}
"""backoffice.md, part 5, for the tables there are."""


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


def member(*names: str) -> User:
    """A member of staff with these roles."""
    user = User.objects.create_user("-".join(names), password="unused", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=names))
    return user


def test_the_groups_are_the_table() -> None:
    members = {name: member(name) for name in roles.ROLES}

    found = {
        right: {name for name, user in members.items() if user.has_perm(right)} for right in TABLE
    }

    assert set(members) == {*ALL_BUT_STAFF, STAFF}
    assert found == TABLE


def test_staff_admin_has_no_right_to_money() -> None:
    rights = member("Staff admin").get_all_permissions()

    assert {r for r in rights if not r.startswith("auth.")} == {
        "payments.view_staffprofile",
        "payments.add_staffprofile",
        "payments.change_staffprofile",
    }


def test_an_auditor_only_looks() -> None:
    assert {r.split(".")[1][:5] for r in member("Auditor").get_all_permissions()} == {"view_"}


def test_nobody_deletes_and_nobody_writes_the_books() -> None:
    given = {right for rights in roles.ROLES.values() for right in rights}

    assert not {right for right in given if ".delete_" in right}
    assert not {
        right
        for right in given
        for model in ("transaction", "entry", "account", "coinlot", "purchase", "earning")
        if right.endswith((f".add_{model}", f".change_{model}"))
    }


def test_every_action_that_has_a_rule_can_be_decided_by_a_role() -> None:
    given = {right for rights in roles.ROLES.values() for right in rights}

    for action in ApprovalRule.objects.values_list("action", flat=True):
        assert f"payments.decide_{action.replace('.', '_')}" in given, action


def test_again_changes_nothing() -> None:
    written = AuditEntry.objects.count()
    out = io.StringIO()

    call_command("sync_roles", stdout=out)

    assert out.getvalue() == "Changed: nothing.\n"
    assert AuditEntry.objects.count() == written


def test_a_role_that_somebody_widened_is_put_right() -> None:
    support = Group.objects.get(name="Support")
    support.permissions.set(Group.objects.get(name="Finance manager").permissions.all())
    friends = Group.objects.create(name="Friends")

    assert roles.sync(now=clock.now()) == ["Support"]

    assert not member("Support").has_perm("payments.add_coinpackage")
    assert Group.objects.filter(pk=friends.pk).exists()
    entry = AuditEntry.objects.filter(action="payments.role.synced").latest("id")
    assert entry.object_id == "Support"


def test_the_demo_logins_need_no_superuser() -> None:
    call_command("seed", stdout=io.StringIO())
    call_command("seed", stdout=io.StringIO())

    finance, approver = (User.objects.get(username=name) for name in ("finance", "approver"))
    assert (finance.is_superuser, approver.is_superuser) == (False, False)
    assert finance.check_password("legato-demo-finance")
    assert approver.check_password("legato-demo-approver")
    for user in (finance, approver):
        client = logged_in(user)
        for address in (
            reverse("admin:index"),
            cells.listing(CoinPackage),
            cells.listing(Purchase),
            cells.listing(ApprovalRequest),
            reverse("admin:payments_coinpackage_create"),
        ):
            assert client.get(address).status_code == 200, address
        assert client.get(reverse("admin:auth_user_changelist")).status_code == 403
