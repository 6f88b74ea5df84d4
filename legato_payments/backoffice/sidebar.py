"""The sidebar: pages in the order of tasks, each for those who may see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import Purchase
from payments.queries import approvals, overview

QUARANTINED = f"status__exact={Purchase.Status.QUARANTINED}"
OPEN_RECEIPTS = "state=open"
OPEN = "queue=open"


@dataclass(frozen=True, slots=True)
class Entry:
    """A link to the list of a model.

    Args:
        model: For example ``payments.Purchase``.
        query: Filters of the list.
        badge: How many rows wait there for a person; nothing is shown for none.
        own_badge: The same, of rows that wait for the person who looks.
    """

    title: str
    icon: str
    model: str
    query: str = ""
    badge: Callable[[], int] | None = None
    own_badge: Callable[[HttpRequest], int] | None = None


def _waiting_for(request: HttpRequest) -> int:
    return approvals.waiting_for(request.user, now=clock.now()).count()


def _disputes_due() -> int:
    return overview.disputes_due(now=clock.now())


def _outcomes_unknown() -> int:
    return overview.outcomes_to_look_at(now=clock.now())


GROUPS: Mapping[str, Sequence[Entry]] = {
    "Work": [
        Entry("My approvals", "how_to_reg", "payments.ApprovalRequest", own_badge=_waiting_for),
    ],
    "Money in": [
        Entry("Purchases", "shopping_cart", "payments.Purchase"),
        Entry("Quarantined", "report", "payments.Purchase", QUARANTINED, overview.quarantined),
        Entry("Refunds", "undo", "payments.Refund", badge=overview.refunds_to_look_at),
        Entry("Disputes", "policy_alert", "payments.Dispute", badge=_disputes_due),
        Entry("Debts", "money_off", "payments.Debt", "view=open"),
        Entry("Webhook inbox", "inbox", "payments.WebhookEvent"),
        Entry("Sandbox payments", "science", "payments.SandboxCharge"),
    ],
    "Revenue": [
        Entry("Earnings", "payments", "revenue.Earning"),
        Entry("Split rates", "percent", "revenue.SplitRule"),
        Entry("Stream terms", "gavel", "revenue.StreamTerms"),
        Entry("Writers", "edit_note", "revenue.Writer"),
    ],
    "Ledger": [
        Entry("Transactions", "receipt_long", "payments.Transaction"),
        Entry("Accounts & balances", "account_balance", "payments.Account"),
        Entry("Reconciliation", "rule_settings", "payments.Difference", OPEN, overview.differences),
        Entry("Gateway days", "calendar_month", "payments.ReconciliationDay"),
        Entry("Settlements", "move_down", "payments.Settlement"),
        Entry("Bank statements", "description", "payments.BankStatement"),
        Entry("Bank lines", "compare_arrows", "payments.BankReceipt", OPEN_RECEIPTS),
        Entry(
            "Unknown outcomes",
            "question_mark",
            "payments.Attempt",
            "view=waiting",
            _outcomes_unknown,
        ),
    ],
    "Users": [
        Entry("Coin accounts", "account_balance_wallet", "payments.CoinBalance"),
        Entry("Coin lots", "stacks", "payments.CoinLot"),
        Entry("Customers", "person", "payments.Customer"),
        Entry("Payment methods", "credit_card", "payments.PaymentMethod"),
        Entry("Campaigns", "campaign", "payments.Campaign"),
        Entry("Promotional coins", "redeem", "payments.PromoGrant"),
        Entry("Adjustments", "tune", "payments.Adjustment"),
    ],
    "Access": [
        Entry("Content", "menu_book", "access.Content"),
        Entry("Entitlements", "key", "access.Entitlement"),
        Entry("Tips", "volunteer_activism", "access.Tip"),
        Entry("Chapters given back", "assignment_return", "access.ContentRefund"),
        Entry("Gifts of coins", "featured_seasonal_and_gifts", "access.CoinGift"),
    ],
    "Setup": [
        Entry("Coin packages", "sell", "payments.CoinPackage"),
        Entry("Exchange rates", "currency_exchange", "payments.CurrencyRate"),
        Entry("Limits", "speed", "payments.Policy"),
        Entry("Tax rules", "policy", "payments.TaxRule"),
        Entry("Tax registrations", "assured_workload", "payments.TaxRegistration"),
        Entry("Approval rules", "rule", "payments.ApprovalRule"),
    ],
    "Control": [
        Entry("Audit log", "history", "payments.AuditEntry"),
        Entry("Staff", "badge", "auth.User"),
        Entry("Roles", "group", "auth.Group"),
    ],
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups and links that this person may use, as the theme takes them."""
    home = reverse("admin:index")
    overview_link = {
        "title": "Overview",
        "icon": "dashboard",
        "link": home,
        "active": request.path == home,
    }
    groups: list[dict[str, Any]] = [{"items": [overview_link]}]
    for title, entries in GROUPS.items():
        if items := [_item(entry, request) for entry in entries if _may_see(entry, request)]:
            groups.append({"title": title, "items": items})
    return groups


def _may_see(entry: Entry, request: HttpRequest) -> bool:
    model = apps.get_model(entry.model)
    may_see: bool = admin.site.get_model_admin(model).has_view_permission(request)
    return may_see


def _item(entry: Entry, request: HttpRequest) -> dict[str, Any]:
    model = apps.get_model(entry.model)
    item: dict[str, Any] = {
        "title": entry.title.replace("&", "&amp;"),
        "icon": entry.icon,
        "link": cells.listing(model, entry.query),
        "active": _is_active(entry, cells.listing(model), request),
    }
    if entry.badge:
        item |= {"badge": entry.badge(), "badge_variant": "warning"}
    if entry.own_badge:
        item |= {"badge": entry.own_badge(request), "badge_variant": "warning"}
    return item


def _is_active(entry: Entry, address: str, request: HttpRequest) -> bool:
    if not request.path.startswith(address):
        return False
    # Two entries lead to the list of purchases: the filter tells which one this is.
    is_quarantined = QUARANTINED in request.GET.urlencode()
    return is_quarantined == (entry.query == QUARANTINED)
