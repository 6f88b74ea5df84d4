"""The roles of staff: which rights each has (backoffice.md, part 5), and how they get into groups.

A right is one of Django's permissions. ``add`` and ``change`` let a person propose to a service;
nobody edits a row of money in place. Deciding on an action of the approvals has a right of its own.
Superusers are for emergencies: they have every right, and decide on nothing they propose.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.transaction import atomic

from payments import approvals, audit
from payments.models import ApprovalRequest, ApprovalRule


class RightUnknown(LookupError):
    """The table names a permission that no migration made: a mistake in it, or an old database."""


def _rights(right: str, *models: str) -> frozenset[str]:
    labels = (model.split(".") for model in models)
    return frozenset(f"{app}.{right}_{name}" for app, name in labels)


def _decide(*actions: str) -> frozenset[str]:
    return frozenset(approvals.right_to_decide(action) for action in actions)


_BOOKS = _rights(
    "view",
    "payments.account",
    "payments.transaction",
    "payments.coinbalance",
    "payments.coinlot",
)
_SALES = _rights(
    "view",
    "payments.purchase",
    "payments.refund",
    "payments.dispute",
    "payments.disputeloss",
    "payments.debt",
    "payments.customer",
    "payments.paymentmethod",
    "payments.campaign",
    "payments.promogrant",
    "payments.adjustment",
    "access.content",
    "access.entitlement",
    "access.tip",
    "access.contentrefund",
    "access.coingift",
)
_WRITERS = _rights("view", "revenue.earning", "revenue.writer")
_GATEWAYS = _rights("view", "payments.webhookevent", "payments.sandboxcharge", "payments.attempt")
_BANK = _rights("view", "payments.settlement", "payments.bankstatement", "payments.bankreceipt")
_BANKING = (
    _BANK | _rights("add", "payments.bankstatement") | _rights("change", "payments.bankreceipt")
)
_RECONCILIATION = _rights("view", "payments.difference", "payments.reconciliationday")
_RECONCILES = _RECONCILIATION | _rights(
    "change", "payments.difference", "payments.reconciliationday"
)
_PACKAGES = _rights("view", "payments.coinpackage")
_SETTINGS = _PACKAGES | _rights(
    "view",
    "payments.currencyrate",
    "payments.policy",
    "payments.approvalrule",
    "payments.taxrule",
    "payments.taxregistration",
    "revenue.splitrule",
    "revenue.streamterms",
)
_AUDIT = _rights("view", "payments.auditentry")
_REQUESTS = _rights("view", "payments.approvalrequest")
_ASKS = _REQUESTS | _rights("add", "payments.approvalrequest")
_DECIDES = _ASKS | _rights("change", "payments.approvalrequest")
_GOODWILL = _rights("add", "payments.adjustment", "payments.refund")
_CARE = _rights("change", "payments.refund", "payments.dispute", "payments.attempt")
"""Asking a gateway again, giving up what is stuck, evidence, explaining: no money is given away."""
_METHODS = _rights("change", "payments.paymentmethod")
"""Removing a reader's payment method: nobody is charged by it."""
_DEBTS = _rights("add", "payments.debtreduction")
"""Asking another person to write off what a reader owes."""
_LOSSES = _rights("add", "payments.disputeloss") | _rights("change", "payments.coinbalance")
"""Giving a dispute up, saying who bears its loss, letting its reader spend again."""

ROLES: Mapping[str, frozenset[str]] = {
    "Operator": (
        _BOOKS
        | _SALES
        | _WRITERS
        | _GATEWAYS
        | _BANKING
        | _RECONCILES
        | _ASKS
        | _GOODWILL
        | _CARE
        | _METHODS
        | _DEBTS
    ),
    "Approver": (
        _BOOKS
        | _SALES
        | _WRITERS
        | _GATEWAYS
        | _BANK
        | _RECONCILIATION
        | _DECIDES
        | _LOSSES
        | _decide("payments.adjust_wallet", "payments.refund_purchase", "payments.correct_gateway")
        | _decide("payments.close_refund", "payments.write_off_debt")
    ),
    "Support": _BOOKS | _SALES | _WRITERS | _PACKAGES | _ASKS | _GOODWILL | _METHODS,
    "Auditor": (
        _BOOKS
        | _SALES
        | _WRITERS
        | _GATEWAYS
        | _BANK
        | _RECONCILIATION
        | _SETTINGS
        | _AUDIT
        | _REQUESTS
        | _rights("view", "auth.user", "auth.group", "payments.staffprofile")
    ),
    "Finance manager": (
        _BOOKS
        | _SALES
        | _WRITERS
        | _GATEWAYS
        | _BANKING
        | _RECONCILES
        | _SETTINGS
        | _AUDIT
        | _DECIDES
        | _CARE
        | _METHODS
        | _DEBTS
        | _LOSSES
        | _rights("add", "payments.coinpackage", "payments.currencyrate", "payments.policy")
        | _rights("add", "payments.approvalrule", "revenue.splitrule", "payments.campaign")
        | _rights("add", "payments.taxrule", "payments.taxregistration")
        | _rights("change", "payments.coinpackage", "payments.campaign", "payments.taxrule")
        | _decide(
            "payments.adjust_wallet",
            "payments.refund_purchase",
            "payments.close_refund",
            "payments.write_off_debt",
            "payments.change_package",
            "payments.correct_gateway",
            "payments.set_rate",
            "payments.change_policy",
            "payments.change_approval_rule",
            "payments.change_tax_rule",
            "payments.change_tax_registration",
            "payments.create_campaign",
            "revenue.change_split_rule",
        )
    ),
    "Staff admin": (
        _rights("view", "auth.user", "auth.group", "payments.staffprofile")
        | _rights("add", "auth.user", "payments.staffprofile")
        | _rights("change", "auth.user", "payments.staffprofile")
    ),
}


@atomic
def sync(*, now: datetime) -> list[str]:
    """Make the six groups say what the table says; the names of those that changed.

    Other groups, and who is in which, are left alone.

    Raises:
        RightUnknown: The database has no such permission.
    """
    _make_rights_to_decide()
    known = {
        f"{row.content_type.app_label}.{row.codename}": row
        for row in Permission.objects.select_related("content_type")
    }
    if missing := sorted(frozenset().union(*ROLES.values()) - known.keys()):
        raise RightUnknown(", ".join(missing))
    return [
        name
        for name, rights in ROLES.items()
        if _put(name, [known[right] for right in sorted(rights)], now=now)
    ]


def _make_rights_to_decide() -> None:
    kind = ContentType.objects.get_for_model(ApprovalRequest)
    for action in ApprovalRule.objects.order_by("action").values_list("action", flat=True):
        Permission.objects.get_or_create(
            content_type=kind,
            codename=approvals.decision_codename(action),
            defaults={"name": f"Can decide on {action}"},
        )


def _put(name: str, rights: Iterable[Permission], *, now: datetime) -> bool:
    group, is_new = Group.objects.get_or_create(name=name)
    wanted = {right.pk: right.codename for right in rights}
    had = dict(group.permissions.values_list("pk", "codename"))
    if not is_new and had.keys() == wanted.keys():
        return False
    group.permissions.set(wanted)
    audit.record(
        actor="system:sync-roles",
        action="payments.role.synced",
        object_type="role",
        object_id=name,
        now=now,
        before=None if is_new else {"rights": ", ".join(sorted(had.values()))},
        after={"rights": ", ".join(sorted(wanted.values()))},
    )
    return True
