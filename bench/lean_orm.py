"""The same writes as ``content.buy()``, by Django's ORM as leanly as it goes.

What a careful team without SQL of its own would write: no signals, no full saves, bulk inserts,
``values`` for what is only read. Locks, checks, burns one lot, splits, posts, grants, earns, tells.
"""

import random
from datetime import datetime, timedelta
from functools import cache

from django.db.models import F
from django.db.transaction import atomic

from access.models import Content, Entitlement
from bench import data
from legato_payments.lib import clock
from legato_payments.lib.ids import uuid7
from payments.enums import TransactionKind
from payments.ledger import released_value
from payments.models import (
    Account,
    CoinBalance,
    CoinLot,
    Customer,
    Entry,
    LotUse,
    OutboxEvent,
    Transaction,
)
from revenue.models import Authorship, Earning, SplitRule, StreamTerms


def spend() -> None:
    """One random reader buys one random chapter."""
    reader = f"r-{random.randint(1, data.READERS)}"
    chapter = f"c-{random.randint(1, data.CHAPTERS)}"
    buy(reader, chapter, clock.now())


@cache
def account(code: str) -> int:
    """Of the platform; looked up once per process."""
    return Account.objects.values_list("pk", flat=True).get(code=code, owner_type="PLATFORM")


@atomic
def buy(user_id: str, content_id: str, now: datetime) -> None:
    """Open one chapter for its price."""
    wallet = CoinBalance.objects.select_for_update(no_key=True).get(user_id=user_id)
    rights = Entitlement.objects.filter(user_id=user_id, content_id=content_id)
    if rights.filter(revoked_at=None).exists():
        return
    price = Content.objects.values_list("price_coins", flat=True).get(
        pk=content_id, is_published=True
    )
    (author,) = Authorship.objects.filter(content_id=content_id, valid_to=None).values(
        "writer_id", "share_bps"
    )
    lot = CoinLot.objects.filter(wallet=wallet, is_used_up=False, frozen_by="").order_by(
        "priority", F("expires_at").asc(nulls_last=True), "id"
    )[0]
    upto = lot.next_coin + price
    value = released_value(
        value_micros=lot.value_micros, coins=lot.coins, from_coin=lot.next_coin, to_coin=upto
    )
    rule = SplitRule.objects.filter(stream="CONTENT", valid_from__lte=now).order_by(
        "-valid_from", "-id"
    )[0]
    terms = StreamTerms.objects.filter(stream="CONTENT", valid_from__lte=now).order_by(
        "-valid_from", "-id"
    )[0]
    writers_part = value * rule.rate_bps // 10_000
    _write(
        wallet, lot, upto, value, writers_part, author["writer_id"], content_id, price, rule,
        now, now + timedelta(days=terms.hold_days),
    )  # fmt: skip


def _write(
    wallet: CoinBalance, lot: CoinLot, upto: int, value: int, part: int, writer: str,
    content_id: str, price: int, rule: SplitRule, now: datetime, matures_at: datetime,
) -> None:  # fmt: skip
    key, right = uuid7(), uuid7()
    payee, _ = Account.objects.get_or_create(
        code="writer", owner_type="WRITER", owner_id=writer, unit="USD",
        defaults={"type": "LIABILITY", "normal_side": -1},
    )  # fmt: skip
    lines = [
        (wallet.account_id, "COIN", price),
        (account("coins_issued"), "COIN", -price),
        (account("coins_deferred"), "USD", value),
        (payee.pk, "USD", -part),
        (account("platform:content"), "USD", part - value),
    ]
    Transaction.objects.create(
        id=key, kind=TransactionKind.CONTENT_PURCHASE, source_type="entitlement",
        source_id=str(right), idempotency_key=f"entitlement:{right}", payload_hash=b"",
        occurred_at=now, recorded_at=now, posted_on=now.date(), line_count=len(lines),
        actor=f"user:{wallet.user_id}", metadata={"content_id": content_id},
    )  # fmt: skip
    Entry.objects.bulk_create(
        Entry(transaction_id=key, line=line, account_id=of, unit=unit, amount=amount)
        for line, (of, unit, amount) in enumerate(lines, 1)
    )
    LotUse.objects.create(
        lot=lot, transaction_id=key, kind="SPEND", from_coin=lot.next_coin, to_coin=upto,
        value_micros=value,
    )  # fmt: skip
    CoinLot.objects.filter(pk=lot.pk).update(next_coin=upto)
    CoinBalance.objects.filter(pk=wallet.pk).update(
        coins=F("coins") - price,
        purchased=F("purchased") - price,
        lifetime_spent=F("lifetime_spent") + price,
    )
    Entitlement.objects.create(
        id=right, user_id=wallet.user_id, content_id=content_id, ground="PURCHASED",
        transaction_id=key, coins=price, granted_at=now,
    )  # fmt: skip
    country = Customer.objects.filter(pk=wallet.user_id).values_list("country", flat=True).first()
    Earning.objects.create(
        transaction_id=key, writer_id=writer, stream="CONTENT", content_id=content_id,
        amount_micros=part, coins=price, promo_coins=0, rule=rule, rate_bps=rule.rate_bps,
        share_bps=10_000, reader_country=country or "", occurred_at=now, matures_at=matures_at,
    )  # fmt: skip
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            type=kind, subject=subject, payload={"transaction_id": str(key)}, occurred_at=now
        )
        for kind, subject in (
            ("payments.balance.changed", wallet.user_id),
            ("access.entitlement.granted", wallet.user_id),
            ("revenue.earning.accrued", writer),
        )
    )
