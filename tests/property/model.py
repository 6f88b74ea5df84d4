"""What the books must say, computed a second time: lists and integers, from docs/ledger.md.

It knows nothing of SQL and nothing of the product's code, so that a mistake would have to be made
twice to stay unseen. Amounts are micros; in ``moved`` debits are positive, as in the ledger.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from tests.property.model_rows import (
    MINOR,
    PER_DOLLAR,
    Campaign,
    Chapter,
    Dispute,
    Lot,
    No,
    Part,
    Purchase,
    Sale,
)

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

PACKAGES = {
    "Starter Pack": (100, {"USD": 99, "CAD": 139, "NGN": 140_000}),
    "Reader Pack": (525, {"USD": 499, "CAD": 699, "NGN": 685_000}),
    "Ultimate Pack": (6_600, {"USD": 3_999, "CAD": 5_499, "NGN": 5_490_000}),
}
"""Coins with their bonus, and the price in minor units."""

FIRST = {"pm_refund_pending": "PENDING", "pm_refund_attention": "NEEDS_ATTENTION"}
"""How refunds of payments by these test methods begin; all others succeed at once."""

RATES_BPS = {"CONTENT": 6_500, "TIP": 7_000}

TIP_MIN = 10
TIP_DAILY = 900
GIFT_DAILY = 600
REFUND_DAILY = 1
REFUND_WINDOW = timedelta(hours=24)
REFUND_MAX_READ = 25
RESTORED_FOR = timedelta(days=7)
ADJUSTED_FOR = timedelta(days=90)
HOLD_DAYS = 1
NEW_HOLD_DAYS = 3
NEW_DAYS = 5


class Model:
    """Readers' lots, and what moved on every account that is not a wallet."""

    def __init__(self, *readers: str) -> None:
        self.wallets: dict[str, list[Lot]] = {reader: [] for reader in readers}
        self.moved: Counter[tuple[str, str, str]] = Counter()
        self.earned: Counter[tuple[str, str]] = Counter()
        self.chapters: dict[str, Chapter] = {}
        self.owned: dict[tuple[str, str], Sale] = {}
        self.purchases: list[Purchase] = []
        self.sales: list[Sale] = []
        self.debts: Counter[str] = Counter()
        self.blocks: dict[str, list[Dispute]] = {reader: [] for reader in readers}
        self.seen: dict[str, datetime] = {}
        self._done: Counter[tuple[str, str, date]] = Counter()
        self._issued = 0

    def describe(self, content: str, chapter: Chapter, now: datetime) -> None:
        """A chapter is told of, and its authors with it."""
        self.chapters[content] = chapter
        for writer in chapter.shares:
            self.seen.setdefault(writer, now)

    def pay(
        self, reader: str, package: str, currency: str, *, name: str = "", method: str = ""
    ) -> Purchase:
        """Money becomes coins, worth the price in US dollars; a debt is paid first."""
        coins, prices = PACKAGES[package]
        minor = prices[currency]
        price, fee = minor * MINOR, _fee_minor(minor, currency) * MINOR
        value = int(price / PER_DOLLAR[currency])
        self.moved["gateway:sandbox", "", currency] += price - fee
        self.moved["fees:gateway", "", currency] += fee
        if currency != "USD":
            self.moved["fx", "", currency] -= price
            self.moved["fx", "", "USD"] += value
        first = FIRST.get(method, "SUCCEEDED")
        purchase = Purchase(name, reader, currency, price, value, coins, first)
        self.purchases.append(purchase)
        purchase.debt = self._pay_debt(reader, value)
        if rest := value - purchase.debt:
            credited = coins * rest // value or 1
            self._issue(reader, credited, rest, is_paid=True, purchase=purchase)
            purchase.debt_coins = coins - credited
        else:
            purchase.debt_coins = coins
        return purchase

    def unblock(self, reader: str) -> None:
        """Finance lets a reader spend again."""
        self.blocks[reader].clear()

    def grant(self, reader: str, campaign: Campaign, coins: int, now: datetime) -> None:
        """Coins of a campaign, which pays for them if it is funded."""
        if not campaign.starts <= now < campaign.ends:
            raise No("CampaignNotRunning")
        if campaign.given.total() + coins > campaign.budget:
            raise No("BudgetExhausted")
        if campaign.given[reader] + coins > campaign.cap:
            raise No("ReaderCapReached")
        campaign.given[reader] += coins
        value = campaign.per_coin * coins
        self.moved["promo_cost", "", "USD"] += value
        self._issue(reader, coins, value, is_paid=False, ends=now + timedelta(campaign.days))

    def adjust(self, reader: str, coins: int, value: int, now: datetime) -> None:
        """Coins by hand: with a value like bought ones, without one promotional, or taken."""
        if coins > 0:
            ends = None if value else now + ADJUSTED_FOR
            self._issue(reader, coins, value, is_paid=value > 0, ends=ends)
        else:
            parts = self._burn(reader, -coins, now, is_by_hand=True)
            value = -sum(part.worth for part in parts)
        self.moved["adjustment", "", "USD"] += value

    def expire(self, now: datetime) -> int:
        """What was not used in time becomes income; how many lots."""
        over = [
            lot
            for lots in self.wallets.values()
            for lot in lots
            if lot.left and lot.ends and lot.ends <= now
        ]
        for lot in over:
            self.moved["breakage", "", "USD"] -= lot.take(lot.left).worth
        return len(over)

    def buy(self, reader: str, content: str, expected: int | None, now: datetime) -> Sale | None:
        """A chapter for coins; None when it is the reader's already."""
        if (reader, content) in self.owned:
            return None
        chapter = self.chapters[content]
        if expected not in (None, chapter.price):
            raise No("PriceChanged")
        if reader in chapter.shares:
            raise No("OwnWork")
        sale = self._sell(reader, chapter.price, "CONTENT", "content", chapter.shares, now)
        sale.content = content
        self.owned[reader, content] = sale
        return sale

    def tip(self, reader: str, writer: str, coins: int, now: datetime) -> Sale:
        """Coins that were paid for, to a writer."""
        if reader == writer:
            raise No("SelfTip")
        if coins < TIP_MIN:
            raise No("TipTooSmall")
        if self._done["tips", reader, now.date()] + coins > TIP_DAILY:
            raise No("DailyLimitReached")
        sale = self._sell(reader, coins, "TIP", "tips", {writer: 10_000}, now)
        self._done["tips", reader, now.date()] += coins
        return sale

    def give(self, reader: str, to: str, coins: int, now: datetime) -> None:
        """Coins that were paid for, to another reader, for whom they are worth the same."""
        if reader == to:
            raise No("SelfGift")
        if self._done["gifts", reader, now.date()] + coins > GIFT_DAILY:
            raise No("GiftLimitReached")
        parts = self._burn(reader, coins, now, paid_only=True)
        self._done["gifts", reader, now.date()] += coins
        for part in parts:
            self._issue(to, part.coins, part.worth, is_paid=True, purchase=part.purchase)

    def refund(self, sale: Sale, read_percent: int | None, now: datetime) -> None:
        """A chapter given back by its reader."""
        if sale.is_undone:
            raise No("AlreadyReversed")
        if now > sale.sold_at + REFUND_WINDOW:
            raise No("RefundWindowOver")
        if read_percent is not None and read_percent >= REFUND_MAX_READ:
            raise No("ReadTooMuch")
        today = "refunds", sale.reader, now.date()
        if read_percent is None and self._done[today] >= REFUND_DAILY:
            raise No("RefundLimitReached")
        self.undo(sale, now)
        self._done[today] += 1

    def undo(self, sale: Sale, now: datetime) -> None:
        """Every line mirrored, every coin back as a new lot of the same worth."""
        paid_with = [part.purchase for part in sale.parts if part.purchase]
        if any(each.booked == "LOST" for purchase in paid_with for each in purchase.disputes):
            raise No("PurchaseDisputed")
        if sale.is_undone:
            raise No("AlreadyReversed")
        sale.is_undone = True
        self.owned.pop((sale.reader, sale.content), None)
        self._earn(sale, -1)
        self._restore(sale.reader, sale.parts, now)

    def held(self, reader: str) -> tuple[int, int, int]:
        """Coins paid for, promotional ones, with those that are over but not swept; frozen ones."""
        lots = self.wallets[reader]
        frozen = sum(lot.left for lot in lots if lot.is_frozen)
        paid = sum(lot.left for lot in lots if lot.is_paid and not lot.is_frozen)
        return paid, sum(lot.left for lot in lots) - paid - frozen, frozen

    def balances(self) -> dict[tuple[str, str, str], int]:
        """Every account of the ledger that is not zero, by code, owner and unit."""
        coins = {reader: sum(lot.left for lot in lots) for reader, lots in self.wallets.items()}
        worth = sum(lot.worth for lots in self.wallets.values() for lot in lots)
        every = {
            **self.moved,
            ("coins_deferred", "", "USD"): -worth,
            ("coins_issued", "", "COIN"): sum(coins.values()),
            **{("wallet", reader, "COIN"): -held for reader, held in coins.items()},
        }
        return {account: amount for account, amount in every.items() if amount}

    def earnings(self) -> dict[tuple[str, str], int]:
        """What writers earned, less what was taken back, by writer and stream."""
        return {key: amount for key, amount in self.earned.items() if amount}

    def _sell(
        self,
        reader: str,
        coins: int,
        stream: str,
        platform: str,
        authors: Mapping[str, int],
        now: datetime,
    ) -> Sale:
        parts = self._burn(reader, coins, now, paid_only=stream == "TIP")
        value = sum(part.worth for part in parts)
        shares = _divide(value * RATES_BPS[stream] // 10_000, authors)
        matures = {writer: now + self._hold(writer, now) for writer in shares}
        sale = Sale(reader, parts, stream, platform, shares, matures, now)
        self.sales.append(sale)
        self._earn(sale, 1)
        return sale

    def _earn(self, sale: Sale, sign: int) -> None:
        for writer, part in sale.shares.items():
            self.moved["writer", writer, "USD"] -= sign * part
            self.earned[writer, sale.stream] += sign * part
        rest = sum(part.worth for part in sale.parts) - sum(sale.shares.values())
        self.moved[f"platform:{sale.platform}", "", "USD"] -= sign * rest

    def _hold(self, writer: str, now: datetime) -> timedelta:
        is_new = now - self.seen[writer] < timedelta(NEW_DAYS)
        return timedelta(NEW_HOLD_DAYS if is_new else HOLD_DAYS)

    def _pay_debt(self, reader: str, value: int) -> int:
        paid = min(self.debts[reader], value)
        self.debts[reader] -= paid
        self.moved["receivable:user", reader, "USD"] -= paid
        if paid and not self.debts[reader]:
            self.blocks[reader].clear()
        return paid

    def _restore(self, reader: str, parts: list[Part], now: datetime) -> None:
        for part in sorted(parts, key=lambda part: part.lot):
            ends = part.ends and max(part.ends, now + RESTORED_FOR)
            self._issue(
                reader,
                part.coins,
                part.worth,
                is_paid=part.is_paid,
                ends=ends,
                purchase=part.purchase,
            )

    def _issue(
        self,
        reader: str,
        coins: int,
        value: int,
        *,
        is_paid: bool,
        ends: datetime | None = None,
        purchase: Purchase | None = None,
    ) -> None:
        self._issued += 1
        self.wallets[reader].append(Lot(self._issued, coins, value, is_paid, ends, purchase))

    def _burn(
        self,
        reader: str,
        coins: int,
        now: datetime,
        *,
        paid_only: bool = False,
        is_by_hand: bool = False,
    ) -> list[Part]:
        if self.blocks[reader] and not is_by_hand:
            raise No("WalletBlocked")
        usable = [
            lot
            for lot in self.wallets[reader]
            if lot.left
            and not lot.is_frozen
            and (lot.is_paid or not paid_only)
            and (lot.ends or FOREVER) > now
        ]
        if (available := sum(lot.left for lot in usable)) < coins:
            raise No("InsufficientCoins", available)
        parts = []
        for lot in sorted(usable, key=lambda lot: (lot.is_paid, lot.ends or FOREVER, lot.number)):
            if coins:
                parts.append(lot.take(min(coins, lot.left)))
                coins -= parts[-1].coins
        return parts


def _divide(total: int, shares: Mapping[str, int]) -> dict[str, int]:
    # Largest remainder; equal remainders go to the smaller name.
    exact = {writer: Fraction(total * bps, 10_000) for writer, bps in shares.items()}
    parts = {writer: int(claim) for writer, claim in exact.items()}
    by_remainder = sorted(exact, key=lambda writer: (parts[writer] - exact[writer], writer))
    for writer in by_remainder[: total - sum(parts.values())]:
        parts[writer] += 1
    return parts


def _fee_minor(minor: int, currency: str) -> int:
    # The sandbox keeps what Stripe and Paystack list, rounded up to a minor unit.
    if currency == "NGN":
        flat = 10_000 if minor >= 250_000 else 0
        return min(-(minor * 15 // -1_000) + flat, 200_000)
    return -(minor * 29 // -1_000) + 30
