"""What became of the coins of a purchase, counted: each coin once, where it is now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from payments.models import CoinLot, DisputeLoss, LotUse, Purchase

Kind = LotUse.Kind


@dataclass(frozen=True, slots=True)
class Coins:
    """The coins of one purchase.

    Args:
        used: By what used them, without those that came back or went to another reader.
        left: Unused coins of the buyer; ``frozen`` of them cannot be spent.
        elsewhere: Unused coins that other readers have from the buyer.
    """

    used: Mapping[Kind, int]
    left: int
    frozen: int
    elsewhere: int

    @property
    def total(self) -> int:
        """All coins that the purchase brought."""
        return sum(self.used.values()) + self.left + self.elsewhere


def of_purchase(purchase: Purchase) -> Coins:
    """Count the lots of a purchase and their uses, in three queries."""
    lots = list(CoinLot.objects.filter(purchase=purchase).select_related("transaction", "wallet"))
    mine = [lot for lot in lots if lot.wallet.user_id == purchase.user_id]
    return Coins(
        used=_used(lots),
        left=sum(map(_left, mine)),
        frozen=sum(_left(lot) for lot in mine if lot.frozen_by),
        elsewhere=sum(map(_left, lots)) - sum(map(_left, mine)),
    )


def _used(lots: Iterable[CoinLot]) -> dict[Kind, int]:
    by_id = {lot.pk: lot for lot in lots}
    uses = LotUse.objects.filter(lot__in=by_id).order_by("id")
    kinds = {(use.lot_id, use.transaction_id): Kind(use.kind) for use in uses}
    found: dict[Kind, int] = {}
    for use in uses:
        kind = Kind(use.kind)
        found[kind] = found.get(kind, 0) + use.to_coin - use.from_coin
    undone = _undone(by_id.values())
    for lot in by_id.values():
        if lot.parent_id is None:
            continue
        # It holds what one use of its parent took, and brings it back or carries it on.
        kind = next(kinds[key] for key in _causes(lot, undone) if key in kinds)
        found[kind] -= lot.coins
    return {kind: coins for kind, coins in found.items() if coins}


def _causes(lot: CoinLot, undone: Mapping[UUID, UUID]) -> Iterable[tuple[int, UUID]]:
    made = lot.transaction
    causes = (made.pk, made.reverses_id, undone.get(made.pk), made.relates_to)
    assert lot.parent_id is not None, lot
    return [(lot.parent_id, cause) for cause in causes if cause is not None]


def _undone(lots: Iterable[CoinLot]) -> dict[UUID, UUID]:
    """Transactions that undid the loss of a dispute, and those that had booked it."""
    made = {lot.transaction_id for lot in lots if lot.parent_id}
    losses = DisputeLoss.objects.filter(undone_by__in=made)
    return {row.undone_by_id: row.transaction_id for row in losses if row.undone_by_id}


def _left(lot: CoinLot) -> int:
    return lot.coins - lot.next_coin
