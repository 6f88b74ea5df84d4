"""What comes after purchases in the demo's months: money back, disputes, transfers to the bank."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from access.services import dispute_losses
from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox import bank
from payments.gateways.sandbox import disputes as sandbox_disputes
from payments.gateways.sandbox import settlements as sandbox_settlements
from payments.models import Dispute, Purchase, SandboxDispute
from payments.services import bank_statements, disputes, refunds, settlements

OPENS_AFTER = timedelta(days=4)
DECIDED_AFTER = timedelta(days=12)

REFUND_CHANCE = 0.04
DISPUTE_CHANCE = 0.02
WIN_CHANCE = 0.4

SETTLES_EVERY = 7
"""Days between two transfers to the bank."""


@dataclass
class Aftermath:
    """Who regrets a purchase, and whose bank does.

    Args:
        chance: Of the months it belongs to, so that the same seed tells the same story.
    """

    chance: random.Random
    refunds: int = 0
    disputes: int = 0
    _to_dispute: list[tuple[datetime, str]] = field(default_factory=list)
    _to_decide: list[tuple[datetime, str]] = field(default_factory=list)

    def bought(self, purchase: Purchase, *, now: datetime) -> None:
        """Somebody bought coins: some want their money back, some banks will."""
        dice = self.chance.random()
        if dice < REFUND_CHANCE:
            self._pay_back(purchase, now=now + timedelta(minutes=1))
        elif dice < REFUND_CHANCE + DISPUTE_CHANCE:
            self._to_dispute.append((now + OPENS_AFTER, purchase.payment_id))

    def evening(self, now: datetime) -> None:
        """A day is over: banks open disputes and decide others, the gateway pays us out."""
        self._to_dispute, due = _split(self._to_dispute, now)
        for payment_id in due:
            theirs = sandbox_disputes.open_one(charge_id=payment_id, now=now)
            self.disputes += 1
            self._to_decide.append((now + DECIDED_AFTER, theirs.pk))
            _follow(theirs.pk, now=now)
        self._to_decide, due = _split(self._to_decide, now)
        for dispute_id in due:
            decide = sandbox_disputes.lose
            if self.chance.random() < WIN_CHANCE:
                decide = sandbox_disputes.win
            decide(dispute_id=dispute_id, now=now)
            _follow(dispute_id, now=now)
        if now.day % SETTLES_EVERY == 0:
            sandbox_settlements.make(now=now)
            settlements.collect(provider="SANDBOX", now=now)

    def month_over(self, now: datetime) -> None:
        """Finance imports what the bank says of the month that ends with ``now``'s day."""
        first, until = now.date().replace(day=1), now.date() + timedelta(days=1)
        for currency in bank.currencies(since=first, until=until):
            bank_statements.import_file(
                content=bank.statement(currency=currency, since=first, until=until),
                name=f"{first:%Y-%m}-{currency}.csv",
                form="",
                actor="system:demo",
                now=now,
                account=f"Demo bank, {currency}",
            )

    def _pay_back(self, purchase: Purchase, *, now: datetime) -> None:
        wanted = refunds.Request(
            purchase_id=purchase.pk,
            reason="Bought the wrong package",
            actor=f"user:{purchase.user_id}",
        )
        try:
            refunds.start(refund_id=uuid7(), request=wanted, now=now)
        except DomainError:
            return
        self.refunds += 1


def _split(
    agenda: list[tuple[datetime, str]], now: datetime
) -> tuple[list[tuple[datetime, str]], list[str]]:
    later = [entry for entry in agenda if entry[0] > now]
    return later, [what for at, what in agenda if at <= now]


def _follow(dispute_id: str, *, now: datetime) -> None:
    theirs = SandboxDispute.objects.select_related("charge").get(pk=dispute_id)
    purchase = Purchase.objects.get(reference=theirs.charge.reference)
    disputes.read_again(
        provider=purchase.provider, purchase_id=purchase.pk, gateway_id=dispute_id, now=now
    )
    for dispute in Dispute.objects.filter(purchase=purchase):
        dispute_losses.settle(dispute_id=dispute.pk, now=now)
