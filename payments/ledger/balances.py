"""Wallets and lots: coins in, coins out, by position.

Everything here runs inside the caller's database transaction and under the wallet's lock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, Sum
from django.db.transaction import atomic

from payments.enums import LotOrigin, Unit
from payments.ledger import chart
from payments.models import Account, CoinBalance, CoinLot, Dispute, LotUse

RESTORED_FOR = timedelta(days=7)
"""Promotional coins that come back do not end sooner than this (ledger.md, section 2)."""

BURN = "SELECT * FROM payments_burn(%s, %s::uuid, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Slice:
    """Coins ``from_coin`` (included) to ``to_coin`` (excluded) of one lot, and their USD micros."""

    lot_id: int
    origin: LotOrigin
    is_purchased: bool
    from_coin: int
    to_coin: int
    value_micros: int

    @property
    def coins(self) -> int:
        """How many coins it is."""
        return self.to_coin - self.from_coin


@dataclass(frozen=True, slots=True)
class Burned:
    """Coins taken out of a wallet, lot by lot, in the order they were used."""

    user_id: str
    slices: tuple[Slice, ...]

    @property
    def coins(self) -> int:
        """All coins taken."""
        return sum(part.coins for part in self.slices)

    @property
    def promo_coins(self) -> int:
        """Those that nobody paid for with money."""
        return sum(part.coins for part in self.slices if not part.is_purchased)

    @property
    def value_micros(self) -> int:
        """USD micros they release."""
        return sum(part.value_micros for part in self.slices)


def released_value(*, value_micros: int, coins: int, from_coin: int, to_coin: int) -> int:
    """USD micros that the coins of a position range release (ledger.md, section 2).

    Any split of a lot sums to its value exactly, and every part can be computed by itself.
    """
    return value_micros * to_coin // coins - value_micros * from_coin // coins


def open_wallet(*, user_id: str) -> CoinBalance:
    """The reader's wallet, made with its ledger account when this is the first time."""
    wallet = CoinBalance.objects.filter(user_id=user_id).first()
    if wallet:
        return wallet
    ref = chart.wallet(user_id)
    with atomic():
        account, _ = Account.objects.get_or_create(
            code=ref.code,
            owner_type=ref.chart.owner,
            owner_id=user_id,
            unit=Unit.COIN,
            defaults={
                "type": ref.chart.type,
                "normal_side": ref.chart.normal_side,
                "mode": ref.chart.mode,
            },
        )
        wallet, _ = CoinBalance.objects.get_or_create(
            user_id=user_id, defaults={"account": account}
        )
    return wallet


def lock(*, user_id: str) -> CoinBalance:
    """Hold the reader's wallet until the transaction ends: one movement at a time per reader."""
    locked = CoinBalance.objects.select_for_update(no_key=True)
    return locked.filter(user_id=user_id).first() or locked.get(pk=open_wallet(user_id=user_id).pk)


def lock_all(*, user_ids: Collection[str]) -> dict[str, CoinBalance]:
    """Hold several readers' wallets, by reader: opened first, then locked by primary key."""
    # Also opened in one order: a new wallet keeps others who open it waiting until we commit.
    for user_id in sorted(user_ids):
        open_wallet(user_id=user_id)
    locked = CoinBalance.objects.select_for_update(no_key=True).order_by("pk")
    return {wallet.user_id: wallet for wallet in locked.filter(user_id__in=user_ids)}


def burn(
    *,
    wallet: CoinBalance,
    coins: int,
    kind: LotUse.Kind,
    transaction_id: UUID,
    purchased_only: bool,
    now: datetime,
) -> Burned | None:
    """Take coins out of a wallet, in burn order: one SQL call that locks, walks lots and records.

    Returns:
        What was used, or ``None`` when the lots do not hold ``coins``; nothing changed then.
        ``wallet`` has the new balance.
    """
    with connection.cursor() as cursor:
        cursor.execute(BURN, [wallet.pk, transaction_id, kind, coins, purchased_only, now])
        rows = cursor.fetchall()
    if not rows:
        return None
    slices = tuple(
        Slice(lot_id, LotOrigin(origin), is_purchased, from_coin, to_coin, value)
        for lot_id, origin, is_purchased, from_coin, to_coin, value, *_ in rows
    )
    wallet.purchased, wallet.promo = rows[0][-2:]
    wallet.coins = wallet.purchased + wallet.promo
    return Burned(wallet.user_id, slices)


def spendable(*, wallet: CoinBalance, purchased_only: bool, now: datetime) -> int:
    """Coins that a burn could take now: neither expired nor frozen."""
    lots = wallet.lots.filter(is_used_up=False, frozen_by="").filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    )
    if purchased_only:
        lots = lots.filter(is_purchased=True)
    left = lots.aggregate(left=Sum(F("coins") - F("next_coin")))["left"]
    return left or 0


def issue(*, wallet: CoinBalance, lot: CoinLot, bonus_coins: int = 0) -> CoinLot:
    """Put a new lot into a locked wallet and count it.

    Args:
        bonus_coins: How many of the lot's coins are a bonus; for the lifetime totals only.
    """
    lot.wallet = wallet
    lot.save(force_insert=True)
    if lot.frozen_by:
        wallet.held += lot.coins
    elif lot.is_purchased:
        wallet.purchased += lot.coins
    else:
        wallet.promo += lot.coins
    wallet.coins = wallet.purchased + wallet.promo
    if lot.origin == LotOrigin.PURCHASE:
        wallet.lifetime_purchased += lot.coins - bonus_coins
        wallet.lifetime_bonus += bonus_coins
    elif lot.origin == LotOrigin.RESTORED:
        wallet.lifetime_refunded += lot.coins
    elif lot.origin == LotOrigin.TRANSFER:
        wallet.lifetime_received += lot.coins
    wallet.save()
    return lot


def restore(
    *,
    wallet: CoinBalance,
    uses: Sequence[LotUse],
    transaction_id: UUID,
    now: datetime,
    restored_for: timedelta = RESTORED_FOR,
) -> list[CoinLot]:
    """Give used coins back as child lots of the same value, priority, expiry and purchase.

    Positions are never used a second time, so the coins come back as new ones. Those that expire
    can be used for ``restored_for`` at least. Those of a disputed purchase come back frozen.
    """
    return [
        issue(
            wallet=wallet,
            lot=CoinLot(
                origin=LotOrigin.RESTORED,
                is_purchased=use.lot.is_purchased,
                coins=use.to_coin - use.from_coin,
                value_micros=use.value_micros,
                purchase_id=use.lot.purchase_id,
                transaction_id=transaction_id,
                parent=use.lot,
                priority=use.lot.priority,
                expires_at=use.lot.expires_at and max(use.lot.expires_at, now + restored_for),
                frozen_by=_freezer_of(use.lot),
                created_at=now,
            ),
        )
        for use in uses
    ]


def freezer_of(purchase_id: UUID) -> str:
    """What freezes coins of a purchase that come into a wallet now; empty: nothing."""
    dispute = Dispute.objects.freezing().filter(purchase=purchase_id).order_by("pk").first()
    return dispute.freezer if dispute else ""


def _freezer_of(lot: CoinLot) -> str:
    # Not the parent's: one that was used up before the dispute was not frozen by it.
    return freezer_of(lot.purchase_id) if lot.purchase_id else lot.frozen_by


def pass_on(
    *, wallet: CoinBalance, burned: Burned, transaction_id: UUID, now: datetime
) -> list[CoinLot]:
    """Put coins burned from another wallet into this locked one, slice by slice, as child lots.

    They keep their value, expiry, priority and purchase.
    """
    parents = CoinLot.objects.in_bulk([part.lot_id for part in burned.slices])
    return [
        issue(
            wallet=wallet,
            lot=CoinLot(
                origin=LotOrigin.TRANSFER,
                is_purchased=part.is_purchased,
                coins=part.coins,
                value_micros=part.value_micros,
                purchase_id=parents[part.lot_id].purchase_id,
                transaction_id=transaction_id,
                parent=parents[part.lot_id],
                priority=parents[part.lot_id].priority,
                expires_at=parents[part.lot_id].expires_at,
                created_at=now,
            ),
        )
        for part in burned.slices
    ]


def rest_of(lot: CoinLot) -> Slice:
    """The coins of a lot that are not used yet."""
    return Slice(
        lot_id=lot.pk,
        origin=LotOrigin(lot.origin),
        is_purchased=lot.is_purchased,
        from_coin=lot.next_coin,
        to_coin=lot.coins,
        value_micros=released_value(
            value_micros=lot.value_micros,
            coins=lot.coins,
            from_coin=lot.next_coin,
            to_coin=lot.coins,
        ),
    )


def expire(*, wallet: CoinBalance, lot: CoinLot, transaction_id: UUID) -> Slice:
    """Use up what is left of a lot of a locked wallet because its time is over.

    Args:
        lot: Of this wallet, promotional, neither frozen nor used up; read under the lock.
    """
    assert lot.wallet_id == wallet.pk, lot
    assert not lot.is_purchased, lot
    rest = rest_of(lot)
    LotUse.objects.create(
        lot=lot,
        transaction_id=transaction_id,
        kind=LotUse.Kind.EXPIRED,
        from_coin=rest.from_coin,
        to_coin=rest.to_coin,
        value_micros=rest.value_micros,
    )
    lot.next_coin = lot.coins
    lot.save(update_fields=["next_coin"])
    wallet.promo -= rest.coins
    wallet.coins = wallet.purchased + wallet.promo
    wallet.lifetime_expired += rest.coins
    wallet.save()
    return rest
