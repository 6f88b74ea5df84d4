"""What the model keeps: lots, sales, payments, and what became of a payment afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

MINOR = 10_000
"""Micros in a cent or a kobo."""

PER_DOLLAR = {"USD": Fraction(1), "CAD": Fraction("1.3706"), "NGN": Fraction("1371.8079")}

UNDECIDED = ("NEEDS_RESPONSE", "UNDER_REVIEW")
WAITING = ("REQUESTED", "PENDING", "NEEDS_ATTENTION")


class No(Exception):
    """The rules refuse it: ``name`` is how the refusal is called, and nothing has changed."""

    def __init__(self, name: str, available: int | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.available = available


@dataclass(eq=False)
class Purchase:
    """A payment that became coins: ``paid`` in its currency, ``value`` in dollars.

    Args:
        name: What the books call it.
        coins: Ordered; a debt may have come first.
        first: How a refund of it stands at the gateway when it has just been made.
    """

    name: str
    reader: str
    currency: str
    paid: int
    value: int
    coins: int
    first: str
    debt: int = 0
    debt_coins: int = 0
    debt_back: int = 0
    """Of the debt it paid, what was none after all and came back as coins."""
    refunded: int = 0
    refunded_value: int = 0
    refunds: list["Refund"] = field(default_factory=list)
    given: list["Given"] = field(default_factory=list)
    disputes: list["Dispute"] = field(default_factory=list)

    @property
    def left(self) -> int:
        """What can still go back."""
        return self.paid - self.refunded

    @property
    def left_at_gateway(self) -> int:
        """What the gateway could still give back, by its own book."""
        return self.paid - sum(given.amount for given in self.given if given.status != "FAILED")

    @property
    def is_frozen(self) -> bool:
        """Whether its coins are out of reach, wherever they are."""
        return any(dispute.freezes for dispute in self.disputes)

    def money_for(self, value: int) -> int:
        """What coins worth so much come to, on top of those given back, in whole minor units."""
        before = self.refunded_value
        return self._whole(before + value) - self._whole(before)

    def dollars(self, micros: int) -> int:
        """A part of what was paid, at the rate it was paid at."""
        return int(micros / PER_DOLLAR[self.currency])

    def _whole(self, value: int) -> int:
        return self.paid * value // self.value // MINOR * MINOR


@dataclass(eq=False)
class Lot:
    """Coins that arrived together, used from the first on."""

    number: int
    coins: int
    value: int
    is_paid: bool
    ends: datetime | None
    purchase: Purchase | None
    used: int = 0

    @property
    def left(self) -> int:
        return self.coins - self.used

    @property
    def worth(self) -> int:
        """What the unused coins are still worth."""
        return self.worth_of(self.left)

    @property
    def is_frozen(self) -> bool:
        return self.purchase is not None and self.purchase.is_frozen

    def worth_of(self, coins: int) -> int:
        """What the next coins are worth."""
        before, after = self.used, self.used + coins
        return self.value * after // self.coins - self.value * before // self.coins

    def take(self, coins: int) -> "Part":
        worth = self.worth_of(coins)
        self.used += coins
        return Part(self.number, coins, worth, self.is_paid, self.ends, self.purchase)


class Part(NamedTuple):
    """Coins taken from one lot, and what they were worth."""

    lot: int
    coins: int
    worth: int
    is_paid: bool
    ends: datetime | None
    purchase: Purchase | None


@dataclass(eq=False)
class Sale:
    """A chapter or a tip that coins were used for.

    Args:
        matures: When each writer may be paid.
        taken: What lost disputes took back of each writer's share.
    """

    reader: str
    parts: list[Part]
    stream: str
    platform: str
    shares: dict[str, int]
    matures: dict[str, datetime]
    sold_at: datetime
    content: str = ""
    is_undone: bool = False
    taken: Counter[str] = field(default_factory=Counter)

    def paid_by(self, purchase: Purchase, writer: str) -> int:
        """Which part of a writer's share the coins of one purchase paid, lot by lot."""
        total = sum(part.worth for part in self.parts)
        upto = paid = 0
        for part in sorted(self.parts, key=lambda part: part.lot):
            before, upto = upto, upto + part.worth
            if part.purchase is purchase:
                share = self.shares[writer]
                paid += share * upto // total - share * before // total
        return paid


@dataclass(eq=False)
class Given:
    """A refund as the gateway's own book has it."""

    name: str
    amount: int
    status: str


@dataclass(eq=False)
class Refund:
    """A refund as we have it; ``given`` once the gateway has one for it."""

    name: str
    purchase: Purchase
    amount: int
    goodwill: int
    parts: list[Part]
    status: str = "REQUESTED"
    given: Given | None = None
    is_told: bool = False
    """Whether we know what the gateway calls it."""

    @property
    def coins(self) -> int:
        return sum(part.coins for part in self.parts)

    @property
    def value(self) -> int:
        return sum(part.worth for part in self.parts)


@dataclass(eq=False)
class Loss:
    """What a lost dispute took, from whom; ``kept``: earnings that writers may have been paid.

    Args:
        spent: What was looked for in the spends of the purchase.
    """

    unused: list[tuple[str, Part]]
    shares: list[tuple[Sale, str, int]]
    kept: int
    platform: int
    owed: int
    spent: int
    is_undone: bool = False


@dataclass(eq=False)
class Dispute:
    """A dispute: first as the gateway has it, then as far as we have heard.

    Args:
        takes: Whether the gateway took the money. No: the bank only asks.
        status: As far as we have heard; empty before.
    """

    name: str
    purchase: Purchase
    amount: int
    takes: bool
    fee: int
    theirs: str = "NEEDS_RESPONSE"
    fee_returned: int = 0
    status: str = ""
    is_inquiry: bool = False
    booked: str = "NONE"
    booked_fee: int = 0
    policy: str = "WRITERS"
    told: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Undecided as far as we have heard, and more than a question."""
        return self.status in UNDECIDED and not self.is_inquiry

    @property
    def freezes(self) -> bool:
        """Whether it keeps the coins out of reach: until it is decided, and that is booked."""
        undecided = self.is_open and self.booked != "LOST"
        return undecided or (self.status == "LOST" and self.booked == "HELD")

    @property
    def is_in_the_way(self) -> bool:
        """Whether it, and not a refund, decides what goes back."""
        return self.is_open or self.booked != "NONE"


@dataclass
class Campaign:
    """What is left to give, and who got what."""

    budget: int
    cap: int
    per_coin: int
    days: int
    starts: datetime
    ends: datetime
    given: Counter[str] = field(default_factory=Counter)


@dataclass
class Chapter:
    """Its price now, and its authors in basis points."""

    price: int
    shares: dict[str, int]
