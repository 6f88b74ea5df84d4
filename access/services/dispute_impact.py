"""What a dispute costs whom: computed for the preview and for the loss by the same code.

The coins of the disputed purchase that nobody has used are taken back first. What they do not
cover was spent; the spends are looked at newest first, as these earnings are the least likely to
have been paid out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Sum

from legato_payments.lib.money import divide_down
from payments.enums import BOOK_CURRENCY
from payments.ledger import Slice, holds
from payments.models import CoinLot, Dispute, DisputeLoss, LotUse, Purchase, Transaction
from payments.services import refund_amounts
from revenue.services import clawbacks
from revenue.services.clawbacks import Part

SPENDS = (LotUse.Kind.SPEND, LotUse.Kind.TIP)

Policy = Dispute.Policy


@dataclass(frozen=True, slots=True)
class Spent:
    """What one sale or tip used of the disputed purchase's coins.

    Args:
        value_micros: USD micros these coins released, as far as the dispute covers them.
        taken: What can be taken back from writers: earnings that are not available yet.
        kept_micros: USD micros of writers' earnings that are available, so they stay.
    """

    transaction_id: UUID
    kind: str
    content_id: str
    reader_id: str
    coins: int
    value_micros: int
    taken: tuple[Part, ...]
    kept_micros: int


@dataclass(frozen=True, slots=True)
class Impact:
    """What a lost dispute comes to, in USD micros.

    Args:
        value_micros: Of the disputed money, without tax.
        taxes: In it, by the office we do not owe it any more: micros of the paid currency.
        unused: Coins to be taken, by the reader who holds them.
        is_covered: More unused coins are left. What those taken do not cover is less than one coin
            and nobody's but ours; no spend is looked at.
    """

    value_micros: int
    taxes: dict[str, int]
    unused: dict[str, list[Slice]]
    spent: tuple[Spent, ...]
    is_covered: bool

    @property
    def coins(self) -> dict[str, int]:
        """Unused coins, by the reader who holds them."""
        return {reader: sum(p.coins for p in parts) for reader, parts in self.unused.items()}

    @property
    def unused_micros(self) -> int:
        """What the unused coins are worth."""
        return sum(part.value_micros for parts in self.unused.values() for part in parts)

    @property
    def uncovered_micros(self) -> int:
        """What the unused coins do not cover: somebody bears it."""
        return max(self.value_micros - self.unused_micros, 0)

    @property
    def spent_micros(self) -> int:
        """Of that, what is looked for in spends."""
        return 0 if self.is_covered else self.uncovered_micros

    def parts(self, policy: str) -> list[Part]:
        """What is taken back from writers under a policy."""
        if policy != Policy.WRITERS:
            return []
        return [part for spent in self.spent for part in spent.taken]

    def writers_micros(self, policy: str) -> int:
        """What writers bear."""
        return sum(part.amount_micros for part in self.parts(policy))

    def reader_micros(self, policy: str) -> int:
        """What the buyer owes."""
        is_theirs = policy == Policy.READER and not self.is_covered
        return self.uncovered_micros if is_theirs else 0

    def platform_micros(self, policy: str) -> int:
        """What we bear."""
        return self.uncovered_micros - self.writers_micros(policy) - self.reader_micros(policy)


def of(dispute: Dispute, *, now: datetime) -> Impact:
    """The impact of losing a dispute now. Exact under the locks of its wallets and purchase."""
    purchase = dispute.purchase
    taxes = refund_amounts.taxes_left_in(purchase, dispute.amount_micros)
    value = value_of(purchase, dispute.amount_micros - sum(taxes.values()))
    unused: dict[str, list[Slice]] = {}
    rest, is_covered = value, False
    for lot in _unused_lots(purchase):
        parts = holds.worth_at_most([lot], rest)
        if parts:
            unused.setdefault(lot.wallet.user_id, []).extend(parts)
            rest -= parts[0].value_micros
        is_covered = not parts or parts[0].to_coin < lot.coins
        if is_covered:
            break
    borne = _borne_before(dispute)
    spent = () if is_covered else tuple(_spent(purchase, borne, borne + max(rest, 0), now=now))
    return Impact(value, taxes, unused, spent, is_covered)


def value_of(purchase: Purchase, price: int) -> int:
    """Disputed money without tax in USD micros, at the rate of the purchase.

    A whole purchase is its value to the micro, whatever the rate would round.
    """
    if purchase.currency == BOOK_CURRENCY:
        return price
    if price == purchase.price_micros:
        return purchase.value_micros
    assert purchase.fx_rate is not None, purchase
    return min(divide_down(price, purchase.fx_rate), purchase.value_micros)


def _unused_lots(purchase: Purchase) -> Iterable[CoinLot]:
    lots = CoinLot.objects.filter(purchase=purchase, is_used_up=False)
    return lots.select_related("wallet").order_by("pk")


def _borne_before(dispute: Dispute) -> int:
    """What other losses of the purchase looked at of its spends, newest first, USD micros."""
    others = DisputeLoss.objects.filter(dispute__purchase=dispute.purchase_id, undone_by=None)
    return others.exclude(dispute=dispute).aggregate(all=Sum("spent_micros"))["all"] or 0


def _spent(purchase: Purchase, start: int, end: int, *, now: datetime) -> Iterable[Spent]:
    """Who got what the purchase's spends released, from ``start`` to ``end`` micros, newest first.

    An earning's part up to ``end`` less that up to ``start``: two disputes of one purchase look at
    different coins, and together take what one of both would.
    """
    mine = _uses_of(purchase) if end > start else []
    transactions = sorted({use.transaction_id for use in mine}, reverse=True)
    everything = _all_uses(transactions)
    claims = clawbacks.claims_on(transaction_ids=transactions)
    for transaction_id in transactions:
        uses = [use for use in mine if use.transaction_id == transaction_id]
        worth = sum(use.value_micros for use in uses)
        low, high = min(worth, start), min(worth, end)
        start, end = start - low, end - high
        if low == high:
            continue
        parts, kept = [], 0
        for claim in claims.get(transaction_id, []):
            earned, whole = claim.earning.amount_micros, everything[transaction_id]
            share = _share_of(earned, uses, whole, high) - _share_of(earned, uses, whole, low)
            amount = min(share, claim.left_micros)
            if claim.is_mature(now):
                kept += amount
            elif amount:
                parts.append(Part(claim.earning, amount))
        yield _describe(uses, high - low, tuple(parts), kept)


def _uses_of(purchase: Purchase) -> list[LotUse]:
    reversal = Transaction.objects.filter(reverses=OuterRef("transaction"))
    uses = LotUse.objects.filter(lot__purchase=purchase, kind__in=SPENDS)
    found = uses.exclude(Exists(reversal)).select_related("transaction", "lot__wallet")
    return list(found.order_by("lot_id", "from_coin"))


def _all_uses(transaction_ids: Sequence[UUID]) -> dict[UUID, list[LotUse]]:
    found: dict[UUID, list[LotUse]] = {}
    for use in LotUse.objects.filter(transaction__in=transaction_ids).order_by("lot_id"):
        found.setdefault(use.transaction_id, []).append(use)
    return found


def _share_of(amount: int, mine: Sequence[LotUse], everything: Sequence[LotUse], value: int) -> int:
    """The part of an earning that some of a sale's coins paid (ledger.md, section 4).

    By cumulative floor over all its lot uses in lot order, so the parts sum to the earning; scaled
    down where the dispute covers only ``value`` of these coins.
    """
    total = sum(use.value_micros for use in everything)
    if not total:
        return 0
    ours = {use.pk for use in mine}
    before = share = worth = 0
    for use in everything:
        after = before + use.value_micros
        if use.pk in ours:
            share += amount * after // total - amount * before // total
            worth += use.value_micros
        before = after
    return share if value >= worth else share * value // worth


def _describe(uses: Sequence[LotUse], value: int, taken: tuple[Part, ...], kept: int) -> Spent:
    first = uses[0]
    return Spent(
        transaction_id=first.transaction_id,
        kind=first.transaction.kind,
        content_id=first.transaction.metadata.get("content_id") or "",
        reader_id=first.lot.wallet.user_id,
        coins=sum(use.to_coin - use.from_coin for use in uses),
        value_micros=value,
        taken=taken,
        kept_micros=kept,
    )
