"""The event feed as a service follows it: from the first event to the last, each once."""

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import Sum

from access.models import Entitlement
from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from payments.models import CoinBalance, OutboxEvent, Purchase
from payments.outbox import EventType
from payments.services import events
from revenue.models import Earning
from tests.factories import NOW

type Earned = dict[tuple[str, str], int]
"""USD micros by writer and stream; nothing where it is zero."""


@dataclass
class Followed:
    """What a service knows once it has read the feed.

    Args:
        held: Purchased and promotional coins by reader.
        frozen: Coins by reader that a dispute holds.
        rights: Reader and chapter.
        settled: Purchases that were paid.
        paid_back: Purchase, coins and micros of every refund that went through.
        disputes: By id, the purchase and what was told of it, in order.
    """

    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    frozen: Counter[str] = field(default_factory=Counter)
    sums: Counter[tuple[str, str]] = field(default_factory=Counter)
    rights: set[tuple[str, str]] = field(default_factory=set)
    settled: list[str] = field(default_factory=list)
    paid_back: list[tuple[str, int, int]] = field(default_factory=list)
    disputes: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    @property
    def earned(self) -> Earned:
        """What writers earned, less what was taken back."""
        return {key: amount for key, amount in self.sums.items() if amount}

    def read(self, event: OutboxEvent) -> None:
        """Take in one event."""
        told = event.payload
        match event.type:
            case EventType.BALANCE_CHANGED:
                self.held[event.subject] = (told["purchased_coins"], told["promo_coins"])
                self.frozen[event.subject] = told["held_coins"]
            case EventType.EARNING_ACCRUED | EventType.EARNING_REVERSED:
                amount = Money.parse(told["amount"]["amount"], BOOK_CURRENCY)
                self.sums[event.subject, told["stream"].upper()] += amount.micros
            case EventType.ENTITLEMENT_GRANTED:
                assert (event.subject, told["content_id"]) not in self.rights
                self.rights.add((event.subject, told["content_id"]))
            case EventType.ENTITLEMENT_REVOKED:
                self.rights.remove((event.subject, told["content_id"]))
            case EventType.PURCHASE_SETTLED:
                self.settled.append(told["transaction_id"])
            case EventType.PURCHASE_REFUNDED:
                money = Money.parse(told["money"]["amount"], told["money"]["currency"])
                self.paid_back.append((told["transaction_id"], told["coins"], money.micros))
            case EventType.PURCHASE_DISPUTED:
                dispute_id, purchase_id = told["dispute_id"], told["transaction_id"]
                self.disputes.setdefault(dispute_id, (purchase_id, []))[1].append(told["status"])


def follow() -> Followed:
    """Read all of the feed, as far as it is published."""
    assert_no_gaps()
    followed = Followed()
    for event in OutboxEvent.objects.filter(sequence__isnull=False).order_by("sequence"):
        followed.read(event)
    return followed


def assert_no_gaps() -> None:
    """Published events are numbered from 1 on."""
    published = OutboxEvent.objects.filter(sequence__isnull=False).order_by("sequence")
    numbers = list(published.values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def assert_complete() -> None:
    """Publish what waits: who follows the feed knows every wallet, earning, right and purchase."""
    events.publish(now=NOW)
    assert not OutboxEvent.objects.filter(sequence=None).exists()
    followed = follow()
    wallets = CoinBalance.objects.values_list("user_id", "purchased", "promo")
    # Nobody is told of a wallet that nothing ever came into.
    held = {user_id: coins for user_id, *coins in wallets if any(coins)}
    assert {user_id: [*coins] for user_id, coins in followed.held.items() if any(coins)} == held
    assert followed.earned == earned()
    rights = Entitlement.objects.filter(revoked_at=None)
    assert followed.rights == set(rights.values_list("user_id", "content_id"))
    settled = Purchase.objects.filter(status=Purchase.Status.SUCCEEDED)
    assert sorted(followed.settled) == sorted(str(row.pk) for row in settled)


def earned() -> Earned:
    """What the rows say that writers earned, less what was taken back."""
    sums = Earning.objects.values_list("writer_id", "stream").annotate(sum=Sum("amount_micros"))
    return {(writer, stream): int(total) for writer, stream, total in sums.order_by() if total}
