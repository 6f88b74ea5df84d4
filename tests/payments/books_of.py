"""Reading the books, as an auditor would: rows only, none of the code that wrote them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from payments.models import (
    AuditEntry,
    CoinBalance,
    CoinLot,
    CoinPackage,
    CoinPackageVersion,
    CurrencyRate,
    Customer,
    Entry,
    GatewayCustomer,
    MethodConsent,
    PaymentMethod,
    Purchase,
    PurchaseTaxLine,
    SandboxCharge,
    SandboxDelivery,
    TaxRegistration,
    TaxRule,
    Transaction,
    WebhookEvent,
)

MONEY = (Transaction, Entry, CoinLot)
EVERYTHING = (
    *MONEY,
    AuditEntry,
    CoinBalance,
    CoinPackage,
    CoinPackageVersion,
    CurrencyRate,
    Customer,
    GatewayCustomer,
    MethodConsent,
    PaymentMethod,
    Purchase,
    PurchaseTaxLine,
    SandboxCharge,
    SandboxDelivery,
    TaxRegistration,
    TaxRule,
    WebhookEvent,
)
"""Keyed answers are left out: a refusal is stored, so that a repeat gets it again."""


def entries(transaction_id: UUID) -> dict[str, int]:
    """``{"gateway:sandbox USD": 39_990_000, ...}`` of one transaction; debits are positive."""
    rows = Entry.objects.filter(transaction_id=transaction_id).select_related("account")
    found = {f"{row.account.code} {row.unit}": row.amount for row in rows}
    assert len(found) == len(rows), "an account stands twice in one transaction"
    return found


def transaction(key: str) -> Transaction:
    """The transaction of one business event."""
    return Transaction.objects.get(idempotency_key=key)


def fee_entries(purchase: Purchase) -> dict[str, int]:
    """The entries of what the gateway kept of one purchase."""
    return entries(transaction(f"purchase:{purchase.pk}:fee").pk)


def coins(user_id: str) -> int:
    """What the reader can spend."""
    return CoinBalance.objects.filter(user_id=user_id).values_list("coins", flat=True).first() or 0


def audit(action: str) -> list[AuditEntry]:
    """The audit entries of one action, oldest first."""
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


@contextmanager
def nothing_credited() -> Iterator[None]:
    """No posting, no lot and no coin more or less than before."""
    before = _money()
    yield
    assert _money() == before


@contextmanager
def nothing_changed() -> Iterator[None]:
    """As ``nothing_credited``, and no row of anything else that these tests touch."""
    before = _rows()
    yield
    assert _rows() == before


def _money() -> list[Any]:
    balances = CoinBalance.objects.order_by("id").values_list("user_id", "coins", "held")
    return [*(model.objects.count() for model in MONEY), *balances.exclude(coins=0, held=0)]


def _rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in EVERYTHING]
