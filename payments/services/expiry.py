"""Coins that were not used in time: what is left of them becomes our income."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models import QuerySet
from django.db.transaction import atomic

from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from payments import ledger, outbox
from payments.ledger import Slice, balances, templates
from payments.models import CoinBalance, CoinLot
from payments.services import wallets

ACTOR = "system:expire-coins"

BATCH = 200
"""Wallets that are looked up at once; each is then swept in a transaction of its own."""


@dataclass(slots=True)
class Swept:
    """What a sweep took, or would take.

    Args:
        is_done: Nothing that was due is left.
    """

    wallets: int = 0
    lots: int = 0
    coins: int = 0
    value_micros: int = 0
    is_done: bool = True

    def add(self, slices: Sequence[Slice]) -> None:
        """Count what one wallet lost."""
        self.wallets += bool(slices)
        self.lots += len(slices)
        self.coins += sum(part.coins for part in slices)
        self.value_micros += sum(part.value_micros for part in slices)


def sweep(*, now: datetime, most: int = 5_000) -> Swept:
    """Take every expired lot out of the wallets.

    Safe to run twice, and while readers spend: each wallet is locked, then looked at again.

    Args:
        most: Wallets of one run; the caller goes on when the sweep is not done.
    """
    swept = Swept()
    due = _wallets_due(now)
    for user_id in islice(due, most):
        swept.add(expire_wallet(user_id=user_id, now=now))
    swept.is_done = next(due, None) is None
    return swept


def preview(*, now: datetime) -> Swept:
    """What a sweep would take now; nothing changes."""
    swept, seen = Swept(), set()
    for lot in _expired(now).iterator():
        swept.add([balances.rest_of(lot)])
        seen.add(lot.wallet_id)
    swept.wallets = len(seen)
    return swept


@atomic
def expire_wallet(*, user_id: str, now: datetime) -> list[Slice]:
    """Take the expired lots out of one wallet, with a ledger transaction for each.

    Returns:
        What was taken; nothing when somebody was faster.
    """
    wallet = balances.lock(user_id=user_id)
    taken = []
    for lot in _expired(now).filter(wallet=wallet).order_by("pk"):
        part, event = _expire(wallet, lot, now)
        taken.append(part)
    if taken:
        # One event, of the last: it says what the wallet holds once all of them are gone.
        outbox.emit_all([event])
        failpoint("expiry.told")
    return taken


def _expire(wallet: CoinBalance, lot: CoinLot, now: datetime) -> tuple[Slice, outbox.Event]:
    assert lot.expires_at is not None, lot
    transaction_id = uuid7()
    part = balances.expire(wallet=wallet, lot=lot, transaction_id=transaction_id)
    failpoint("expiry.used")
    ledger.post(
        templates.coin_expiry(user_id=wallet.user_id, coins=part.coins, value=part.value_micros),
        ledger.Header(
            id=transaction_id,
            key=f"lot:{lot.pk}:expiry",
            # The moment they could no longer be spent, not the night that noticed.
            occurred_at=lot.expires_at,
            source_type="lot",
            source_id=str(lot.pk),
            actor=ACTOR,
        ),
    )
    failpoint("expiry.posted")
    changed = wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)
    return part, changed


def _expired(now: datetime) -> QuerySet[CoinLot]:
    # Frozen ones wait until the dispute is over.
    return CoinLot.objects.filter(
        expires_at__lte=now, expires_at__isnull=False, is_used_up=False, frozen_by=""
    )


def _wallets_due(now: datetime) -> Iterator[str]:
    last = 0
    while True:
        due = CoinBalance.objects.filter(pk__gt=last, pk__in=_expired(now).values("wallet"))
        found = list(due.order_by("pk").values_list("pk", "user_id")[:BATCH])
        yield from (user_id for _, user_id in found)
        if len(found) < BATCH:
            return
        last = found[-1][0]
