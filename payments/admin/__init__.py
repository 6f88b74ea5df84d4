"""The back office of ``payments``. Django imports this module; it imports those that register."""

from payments.admin import (
    accounts,
    adjustments,
    approval_rules,
    approvals,
    audit,
    currency_rates,
    customers,
    policies,
    promotions,
    purchases,
    sandbox,
    staff,
    transactions,
    wallets,
    webhooks,
)

__all__ = [
    "accounts",
    "adjustments",
    "approval_rules",
    "approvals",
    "audit",
    "currency_rates",
    "customers",
    "policies",
    "promotions",
    "purchases",
    "sandbox",
    "staff",
    "transactions",
    "wallets",
    "webhooks",
]
