"""Buying a chapter with coins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection

from access.models import Entitlement
from access.services import catalogue, rights
from legato_payments.lib.errors import DomainError, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.metrics import COINS_SPENT, LEDGER_TRANSACTIONS
from payments.enums import LotOrigin, TransactionKind
from payments.ledger import Burned, Slice
from payments.models import CoinBalance
from payments.services import wallets

BUY = "SELECT access_buy(%s, %s, %s, %s, %s, %s, %s, %s)"
"""``migrations/sql/0004_buy.sql``."""

SLICES = ("lots", "origins", "are_purchased", "from_coins", "to_coins", "micros")
"""What it says of the coins used, one element per lot."""


class OwnWork(Refused):
    code = "own_work"
    title = "Writers do not buy their own work: it is open to them."


class FreeContent(Refused):
    code = "content_is_free"
    title = "This costs nothing: it is open to everybody."


@dataclass(frozen=True, slots=True)
class Bought:
    """The right to a chapter, and what was taken for it now; nothing when it was owned before."""

    entitlement: Entitlement
    burned: Burned | None
    wallet: CoinBalance

    @property
    def charged(self) -> bool:
        """Whether coins were taken now."""
        return self.burned is not None


def buy(
    *,
    user_id: str,
    content_id: str,
    now: datetime,
    actor: str,
    expected_price: int | None = None,
) -> Bought:
    """Open one chapter for its price in coins: both, or neither. Free of charge when owned already.

    One SQL call does all of it, and is a transaction of its own unless the caller has one: it locks
    the wallet, checks, burns, splits the value among the authors, posts, grants the right, writes
    down the earnings and tells other services (decision 0012).

    Args:
        expected_price: Coins the reader was shown; nothing to take any price.
        actor: The reader, or the service that buys for the reader.

    Raises:
        catalogue.ContentUnknown: No such content, or not published.
        catalogue.PriceChanged: It costs something else; nothing is charged.
        FreeContent: There is nothing to buy.
        OwnWork: The reader wrote it.
        wallets.WalletBlocked: A lost dispute of the reader's is not settled.
        wallets.InsufficientCoins: The reader holds fewer coins than the price.
    """
    entitlement_id, transaction_id = rights.new_id(), uuid7()
    trace_id = structlog.contextvars.get_contextvars().get("trace_id", "")
    values = [
        user_id, content_id, expected_price, entitlement_id, transaction_id, actor, trace_id, now,
    ]  # fmt: skip
    failpoint("spend.started")
    with connection.cursor() as cursor:
        cursor.execute(BUY, values)
        row = cursor.fetchone()
    assert row is not None
    found: dict[str, Any] = row[0]
    failpoint("spend.written")
    if found["result"] == "owned":
        return _owned(found["entitlement_id"], user_id)
    if found["result"] != "bought":
        raise _refusal(found, expected_price)
    right = Entitlement(
        id=entitlement_id,
        user_id=user_id,
        content_id=content_id,
        ground=Entitlement.Ground.PURCHASED,
        transaction_id=transaction_id,
        granted_at=now,
    )
    return _bought(right, found)


def _bought(right: Entitlement, found: dict[str, Any]) -> Bought:
    burned = Burned(
        right.user_id,
        tuple(
            Slice(lot_id, LotOrigin(origin), is_purchased, from_coin, to_coin, value)
            for lot_id, origin, is_purchased, from_coin, to_coin, value in zip(
                *(found[name] for name in SLICES), strict=True
            )
        ),
    )
    right.coins = burned.coins
    right._state.adding = False  # noqa: SLF001 - the row is there: SQL wrote it
    purchased, promo = found["purchased"], found["promo"]
    wallet = CoinBalance(
        id=found["wallet_id"],
        user_id=right.user_id,
        coins=purchased + promo,
        purchased=purchased,
        promo=promo,
        held=found["held"],
    )
    LEDGER_TRANSACTIONS.labels(kind=TransactionKind.CONTENT_PURCHASE.lower()).inc()
    COINS_SPENT.labels(stream="content").inc(burned.coins)
    return Bought(right, burned, wallet)


def _owned(entitlement_id: UUID, user_id: str) -> Bought:
    wallet = CoinBalance.objects.filter(user_id=user_id).first()
    right = Entitlement.objects.get(pk=entitlement_id)
    return Bought(right, burned=None, wallet=wallet or CoinBalance(user_id=user_id))


def _refusal(found: dict[str, Any], expected_price: int | None) -> DomainError:
    match found.pop("result"):
        case "unknown":
            return catalogue.ContentUnknown()
        case "price_changed":
            return catalogue.PriceChanged(
                f"It costs {found['price_coins']} coins.", expected_price=expected_price, **found
            )
        case "free":
            return FreeContent()
        case "own_work":
            return OwnWork()
        case "blocked":
            return wallets.WalletBlocked()
        case "insufficient":
            needed, available = found["required_coins"], found["available_coins"]
            return wallets.InsufficientCoins(
                f"{needed} coins are needed, {available} are available.", **found
            )
    raise AssertionError(found)
