"""The back office of ``payments``. Django imports this module; it imports those that register."""

from payments.admin import (
    accounts,
    audit,
    currency_rates,
    customers,
    policies,
    purchases,
    sandbox,
    staff,
    transactions,
    wallets,
    webhooks,
)

__all__ = [
    "accounts",
    "audit",
    "currency_rates",
    "customers",
    "policies",
    "purchases",
    "sandbox",
    "staff",
    "transactions",
    "wallets",
    "webhooks",
]
