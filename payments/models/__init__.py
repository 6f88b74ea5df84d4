"""Every table of the app, one module per noun."""

from payments.models.approvals import ApprovalDecision, ApprovalRequest, ApprovalRule
from payments.models.attempts import Attempt
from payments.models.audit import AuditEntry
from payments.models.balances import CoinBalance
from payments.models.currency_rates import CurrencyRate
from payments.models.customers import Customer, StaffProfile
from payments.models.debts import Debt, DebtReduction
from payments.models.disputes import Dispute, DisputeLoss
from payments.models.idempotency import IdempotencyKey
from payments.models.ledger import Account, Entry, Transaction
from payments.models.lots import CoinLot, LotUse
from payments.models.outbox import OutboxEvent
from payments.models.packages import CoinPackage, CoinPackageVersion, PackagePrice
from payments.models.payment_methods import GatewayCustomer, MethodConsent, PaymentMethod
from payments.models.policies import Policy
from payments.models.promotions import Adjustment, Campaign, PromoGrant
from payments.models.purchases import Purchase
from payments.models.reconciliation import (
    Difference,
    DifferenceNote,
    ReconciliationDay,
    ReconciliationRun,
)
from payments.models.refunds import Refund, RefundClosing
from payments.models.sandbox import (
    SandboxCharge,
    SandboxDelivery,
    SandboxDispute,
    SandboxLine,
    SandboxMethod,
    SandboxRefund,
    SandboxSettlement,
)
from payments.models.seals import AccountDay, AuditSeal, Period, Seal, Unsealed
from payments.models.settlements import BankReceipt, BankStatement, Settlement
from payments.models.taxes import PurchaseTaxLine, TaxRegistration, TaxRule
from payments.models.webhooks import WebhookEvent

__all__ = [
    "Account",
    "AccountDay",
    "Adjustment",
    "ApprovalDecision",
    "ApprovalRequest",
    "ApprovalRule",
    "Attempt",
    "AuditEntry",
    "AuditSeal",
    "BankReceipt",
    "BankStatement",
    "Campaign",
    "CoinBalance",
    "CoinLot",
    "CoinPackage",
    "CoinPackageVersion",
    "CurrencyRate",
    "Customer",
    "Debt",
    "DebtReduction",
    "Difference",
    "DifferenceNote",
    "Dispute",
    "DisputeLoss",
    "Entry",
    "GatewayCustomer",
    "IdempotencyKey",
    "LotUse",
    "MethodConsent",
    "OutboxEvent",
    "PackagePrice",
    "PaymentMethod",
    "Period",
    "Policy",
    "PromoGrant",
    "Purchase",
    "PurchaseTaxLine",
    "ReconciliationDay",
    "ReconciliationRun",
    "Refund",
    "RefundClosing",
    "SandboxCharge",
    "SandboxDelivery",
    "SandboxDispute",
    "SandboxLine",
    "SandboxMethod",
    "SandboxRefund",
    "SandboxSettlement",
    "Seal",
    "Settlement",
    "StaffProfile",
    "TaxRegistration",
    "TaxRule",
    "Transaction",
    "Unsealed",
    "WebhookEvent",
]
