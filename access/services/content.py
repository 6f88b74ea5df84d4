"""Buying a chapter with coins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from access.models import Content, Entitlement
from access.services import catalogue, rights
from legato_payments.lib.errors import Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.metrics import COINS_SPENT
from payments import ledger, outbox
from payments.enums import Stream
from payments.ledger import Burned, templates
from payments.models import CoinBalance, LotUse
from payments.services import customers, wallets
from revenue.queries import authors
from revenue.services import earnings


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


@atomic
def buy(
    *,
    user_id: str,
    content_id: str,
    now: datetime,
    actor: str,
    expected_price: int | None = None,
) -> Bought:
    """Open one chapter for its price in coins: both, or neither. Free of charge when owned already.

    Args:
        expected_price: Coins the reader was shown; nothing to take any price.
        actor: The reader, or the service that buys for the reader.

    Raises:
        catalogue.ContentUnknown: No such content, or not published.
        catalogue.PriceChanged: It costs something else; nothing is charged.
        FreeContent: There is nothing to buy.
        OwnWork: The reader wrote it.
        wallets.InsufficientCoins: The reader holds fewer coins than the price.
    """
    wallet = wallets.lock(user_id=user_id)
    if owned := rights.find(user_id=user_id, content_id=content_id, now=now):
        return Bought(owned, burned=None, wallet=wallet)
    item = _for_sale(user_id=user_id, content_id=content_id, expected_price=expected_price)

    entitlement_id, transaction_id = rights.new_id(), uuid7()
    burned = wallets.burn(
        wallet=wallet,
        coins=item.price_coins,
        kind=LotUse.Kind.SPEND,
        transaction_id=transaction_id,
        now=now,
    )
    failpoint("spend.burned")
    claims = earnings.content_claims(content_id=content_id, on=now)
    shares = earnings.split(value_micros=burned.value_micros, claims=claims)
    ledger.post(
        templates.content_spend(
            user_id=user_id,
            coins=burned.coins,
            value=burned.value_micros,
            shares=earnings.amounts(shares),
        ),
        _header(transaction_id, entitlement_id, content_id, actor=actor, now=now),
    )
    failpoint("spend.posted")
    entitlement = rights.grant_purchased(
        entitlement_id=entitlement_id,
        user_id=user_id,
        content_id=content_id,
        coins=burned.coins,
        transaction_id=transaction_id,
        now=now,
    )
    earned = earnings.accrue(
        shares=shares,
        transaction_id=transaction_id,
        stream=Stream.CONTENT,
        content_id=content_id,
        burned=burned,
        reader_country=customers.country_of(user_id=user_id),
        occurred_at=now,
    )
    changed = wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)
    outbox.emit_all([changed, rights.granted_event(entitlement), *earnings.events_of(earned)])
    COINS_SPENT.labels(stream="content").inc(burned.coins)
    return Bought(entitlement, burned, wallet)


def _for_sale(*, user_id: str, content_id: str, expected_price: int | None) -> Content:
    item = catalogue.get_published(content_id=content_id, expected_price=expected_price)
    if item.is_free:
        raise FreeContent
    if authors.is_author(user_id=user_id, content_id=content_id):
        raise OwnWork
    return item


def _header(
    transaction_id: UUID, entitlement_id: UUID, content_id: str, *, actor: str, now: datetime
) -> ledger.Header:
    return ledger.Header(
        id=transaction_id,
        key=f"entitlement:{entitlement_id}",
        occurred_at=now,
        source_type="entitlement",
        source_id=str(entitlement_id),
        actor=actor,
        metadata={"content_id": content_id},
    )
