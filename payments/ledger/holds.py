"""Coins of one purchase: taken by refunds and lost disputes, frozen while a dispute is open.

Everything here runs inside the caller's database transaction and under the locks of the wallets.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db.models import F, QuerySet

from payments.enums import LotOrigin
from payments.ledger.balances import Burned, Slice, released_value
from payments.models import CoinBalance, CoinLot, LotUse


def unused_lots(*, purchase_id: UUID, wallet: CoinBalance | None = None) -> QuerySet[CoinLot]:
    """Lots that descend from a purchase and hold coins, frozen ones included, oldest first.

    Args:
        wallet: Only this one's; coins given to other readers are in theirs.
    """
    lots = CoinLot.objects.filter(purchase_id=purchase_id, is_used_up=False)
    if wallet:
        lots = lots.filter(wallet=wallet)
    return lots.select_for_update(no_key=True, of=("self",)).order_by("pk")


def front_of(lot: CoinLot, coins: int) -> Slice:
    """The next ``coins`` coins of a lot."""
    end = lot.next_coin + coins
    assert end <= lot.coins, (lot, coins)
    return Slice(
        lot_id=lot.pk,
        origin=LotOrigin(lot.origin),
        is_purchased=lot.is_purchased,
        from_coin=lot.next_coin,
        to_coin=end,
        value_micros=released_value(
            value_micros=lot.value_micros, coins=lot.coins, from_coin=lot.next_coin, to_coin=end
        ),
    )


def worth_at_most(lots: Iterable[CoinLot], value_micros: int) -> list[Slice]:
    """As many whole coins from the front of these lots as are worth no more than a value."""
    parts = []
    for lot in lots:
        # The coins whose end lies at or below value: V*to//N <= taken + left.
        floor = lot.value_micros * lot.next_coin // lot.coins
        reach = ((floor + value_micros + 1) * lot.coins - 1) // lot.value_micros
        coins = min(reach, lot.coins) - lot.next_coin
        if coins <= 0:
            break
        part = front_of(lot, coins)
        parts.append(part)
        value_micros -= part.value_micros
        if coins < lot.coins - lot.next_coin:
            break
    return parts


def take(
    *,
    wallet: CoinBalance,
    lots: Mapping[int, CoinLot],
    parts: Sequence[Slice],
    kind: LotUse.Kind,
    transaction_id: UUID,
) -> Burned:
    """Use up the front coins of some lots of a locked wallet.

    Args:
        lots: By id; of this wallet, locked, as they are now.
        parts: From ``front_of``; at most one of each lot.
    """
    for part in parts:
        lot = lots[part.lot_id]
        assert lot.wallet_id == wallet.pk, lot
        assert lot.next_coin == part.from_coin, lot
        LotUse.objects.create(
            lot=lot,
            transaction_id=transaction_id,
            kind=kind,
            from_coin=part.from_coin,
            to_coin=part.to_coin,
            value_micros=part.value_micros,
        )
        lot.next_coin = part.to_coin
        lot.save(update_fields=["next_coin"])
        _count(wallet, lot, -part.coins)
    wallet.save()
    return Burned(wallet.user_id, tuple(parts))


def freeze(*, wallet: CoinBalance, lots: Iterable[CoinLot], by: str) -> int:
    """Take lots of a locked wallet out of reach; how many coins. Frozen ones stay as they are."""
    frozen = 0
    for lot in lots:
        if lot.frozen_by:
            continue
        left = lot.coins - lot.next_coin
        _count(wallet, lot, -left)
        lot.frozen_by = by
        _count(wallet, lot, left)
        lot.save(update_fields=["frozen_by"])
        frozen += left
    wallet.save()
    return frozen


def release(*, wallet: CoinBalance, lots: Iterable[CoinLot], by: str) -> int:
    """Give what ``by`` froze back into reach; how many coins."""
    released = 0
    for lot in lots:
        if lot.frozen_by != by:
            continue
        left = lot.coins - lot.next_coin
        _count(wallet, lot, -left)
        lot.frozen_by = ""
        _count(wallet, lot, left)
        lot.save(update_fields=["frozen_by"])
        released += left
    wallet.save()
    return released


def holders_of(*, purchase_id: UUID) -> list[str]:
    """Readers who hold unused coins of a purchase: the buyer, and whom the buyer gave some."""
    lots = CoinLot.objects.filter(purchase_id=purchase_id, is_used_up=False)
    return list(lots.values_list("wallet__user_id", flat=True).distinct().order_by(F("wallet")))


def _count(wallet: CoinBalance, lot: CoinLot, coins: int) -> None:
    if lot.frozen_by:
        wallet.held += coins
    elif lot.is_purchased:
        wallet.purchased += coins
    else:
        wallet.promo += coins
    wallet.coins = wallet.purchased + wallet.promo
