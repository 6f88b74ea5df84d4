"""Every table of the app, one module per noun."""

from payments.models.audit import AuditEntry
from payments.models.balances import CoinBalance
from payments.models.currency_rates import CurrencyRate
from payments.models.customers import Customer, StaffProfile
from payments.models.idempotency import IdempotencyKey
from payments.models.ledger import Account, Entry, Transaction
from payments.models.lots import CoinLot, LotUse
from payments.models.packages import CoinPackage, CoinPackageVersion, PackagePrice
from payments.models.policies import Policy
from payments.models.purchases import Purchase
from payments.models.sandbox import SandboxCharge, SandboxDelivery
from payments.models.webhooks import WebhookEvent

__all__ = [
    "Account",
    "AuditEntry",
    "CoinBalance",
    "CoinLot",
    "CoinPackage",
    "CoinPackageVersion",
    "CurrencyRate",
    "Customer",
    "Entry",
    "IdempotencyKey",
    "LotUse",
    "PackagePrice",
    "Policy",
    "Purchase",
    "SandboxCharge",
    "SandboxDelivery",
    "StaffProfile",
    "Transaction",
    "WebhookEvent",
]
