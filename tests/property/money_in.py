"""Steps that bring coins, and the clock and the night that take them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from legato_payments.lib.money import Money
from payments import approvals
from payments.enums import Currency
from payments.gateways.sandbox import books as sandbox
from payments.ledger import sealing
from payments.models import Adjustment, ApprovalRequest, PromoGrant, Purchase, WebhookEvent
from payments.services import adjustments, campaigns, events, expiry, purchases
from payments.webhooks import inbox
from tests import factories, second_person
from tests.property.machine import METHODS, Frame, readers, step
from tests.property.model import PACKAGES
from tests.property.model_rows import Campaign

MINUTE = timedelta(minutes=1)
PAUSES = [MINUTE, 20 * MINUTE, *(timedelta(hours=hours) for hours in (9, 25, 70, 200))]

packages = st.sampled_from(list(PACKAGES))
currencies = st.sampled_from(Currency)


def _confirmed(purchase: Purchase, now: datetime) -> None:
    purchases.confirm(purchase_id=purchase.pk, user_id=purchase.user_id, now=now)


def _polled(purchase: Purchase, now: datetime) -> None:
    purchases.poll(purchase_id=purchase.pk, now=now + 2 * MINUTE)


def _told(purchase: Purchase, now: datetime) -> None:
    event = factories.hear_of(purchase, now=now)
    inbox.process(event_id=event.pk, now=now)
    event.refresh_from_db()
    assert event.status == WebhookEvent.Status.PROCESSED, event.error


def _applied(purchase: Purchase, now: datetime) -> None:
    purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=now)


NEWS = {"confirmed": _confirmed, "polled": _polled, "told": _told, "applied": _applied}
"""The ways to learn what became of a payment."""


def _refused(order: Callable[..., Purchase], now: datetime) -> str:
    with pytest.raises(purchases.PaymentDeclined):
        order(saved_method="pm_declined")
    return "refused"


def _declined(order: Callable[..., Purchase], now: datetime) -> str:
    purchase = order()
    sandbox.decline(charge_id=factories.charge_of(purchase).pk, now=now)
    _told(purchase, now)
    return _ended(purchase, Purchase.Status.FAILED)


def _expired(order: Callable[..., Purchase], now: datetime) -> str:
    purchase = order()
    purchases.poll(purchase_id=purchase.pk, now=now + 61 * MINUTE)
    return _ended(purchase, Purchase.Status.EXPIRED)


def _short(order: Callable[..., Purchase], now: datetime) -> str:
    purchase = order()
    paid = Money(purchase.total_micros - 10_000, purchase.currency)
    state = factories.state(purchase, amount=paid)
    purchases.apply(purchase_id=purchase.pk, state=state, now=now)
    return _ended(purchase, Purchase.Status.QUARANTINED)


def _ended(purchase: Purchase, status: Purchase.Status) -> str:
    purchase.refresh_from_db()
    assert purchase.status == status
    return status.lower()


ENDS = {"refused": _refused, "declined": _declined, "expired": _expired, "short": _short}
"""The ways of a purchase to bring no coins."""


class MoneyIn(Frame):
    """Purchases, campaigns, coins by hand, expiry."""

    def __init__(self) -> None:
        super().__init__()
        self.rates_of: datetime | None = None
        self.paid: list[Purchase] = []
        self.second_person = second_person.person()
        self.grants: list[PromoGrant] = []

    @step(pause=st.sampled_from(PAUSES))
    def wait(self, pause: timedelta) -> None:
        self.now += pause

    @step(reader=readers, name=packages, currency=currencies,
          method=st.sampled_from(["", *METHODS]),
          end=st.sampled_from([*NEWS, *NEWS, *ENDS]))  # fmt: skip
    def buy_coins(self, reader: str, name: str, currency: str, method: str, end: str) -> None:
        if currency != Currency.USD and self.rates_of != self.now:
            factories.rates(self.now)
            self.rates_of = self.now
        order = partial(factories.start_purchase, reader, name, currency=currency, now=self.now)
        if end in ENDS:
            self.tally[f"no purchase: {ENDS[end](order, self.now)}"] += 1
            return
        # With a saved card it is paid at once, and whoever tells of it comes too late.
        purchase = order(saved_method=method or None)
        sandbox.pay(charge_id=factories.charge_of(purchase).pk, now=self.now)
        paid = self.model.pay(reader, name, currency, name=str(purchase.pk), method=method)
        self.tally["debt paid"] += paid.debt > 0
        self.tally["debt paid in part"] += bool(paid.debt and self.model.debts[reader])
        self.hear(purchase, end)
        self.paid.append(purchase)
        self.tally[f"buy coins: {end}"] += 1
        self.tally[f"buy coins: {currency}"] += 1

    @precondition(lambda self: self.paid)
    @step(at=st.integers(0, 9), news=st.sampled_from(list(NEWS)))
    def hear_old_news(self, at: int, news: str) -> None:
        self.hear(self.paid[at % len(self.paid)], news)
        self.tally["old news"] += 1

    @precondition(lambda self: len(self.state.campaigns) < 5)
    @step(budget=st.integers(50, 300), cap=st.integers(20, 120), days=st.integers(1, 12),
          per_coin=st.sampled_from([0, 1, 7_001]), lasts=st.sampled_from([1, 3, 30]))  # fmt: skip
    def found_a_campaign(self, budget: int, cap: int, days: int, per_coin: int, lasts: int) -> None:
        ends = self.now + timedelta(days=lasts)
        terms = Campaign(budget, cap, per_coin, days, self.now, ends)
        self.state.found(terms, now=self.now)
        self.tally["campaign"] += 1

    @step(reader=readers, coins=st.integers(1, 60), at=st.integers(0, 4))
    def grant(self, reader: str, coins: int, at: int) -> None:
        campaign_id, campaign = self.state.campaigns[at % len(self.state.campaigns)]
        row = self.attempt(
            "grant",
            lambda: self.model.grant(reader, campaign, coins, self.now),
            partial(self.grant_coins, reader, campaign_id, coins, key=f"{self.steps}"),
        )
        if row:
            self.grants.append(row)
            self.tally[f"grant at {campaign.per_coin}"] += 1

    @precondition(lambda self: self.grants)
    @step(more=st.integers(0, 1))
    def grant_again(self, more: int) -> None:
        row = self.grants[-1]
        key = row.transaction.idempotency_key.rpartition(":")[2]
        again = partial(self.grant_coins, row.user_id, row.campaign_id, row.coins + more, key=key)
        if more:
            with pytest.raises(campaigns.GrantKeyReused):
                again()
        else:
            assert again() == row
        self.tally["grant again"] += 1

    @step(reader=readers, coins=st.one_of(st.integers(1, 300), st.integers(-300, -1)),
          value=st.sampled_from([0, 1, 99_999, 1_234_567]),
          is_agreed=st.sampled_from([True, True, False]))  # fmt: skip
    def adjust(self, reader: str, coins: int, value: int, is_agreed: bool) -> None:
        value = value if coins > 0 else 0
        kind = "take" if coins < 0 else "give value" if value else "give promo"
        if is_agreed:
            self.attempt(
                f"by hand: {kind}",
                lambda: self.model.adjust(reader, coins, value, self.now),
                lambda: self.carry_out(self.propose(reader, coins, value)),
            )
        elif coins > 0:
            self.reject(self.propose(reader, coins, value))
            self.tally["by hand: rejected"] += 1

    @step(job=st.sampled_from(["publish", "seal", "expire", "expire"]))
    def run_a_job(self, job: str) -> None:
        if job == "expire":
            lots = self.model.expire(self.now)
            assert expiry.sweep(now=self.now).lots == lots
            assert expiry.sweep(now=self.now).lots == 0
            self.tally["lots expired"] += lots
        elif job == "seal":
            self.tally["sealed on the way"] += sealing.seal(now=self.now)
        else:
            self.tally["published on the way"] += events.publish(now=self.now)

    def hear(self, purchase: Purchase, news: str) -> None:
        """We learn of a payment, and then again."""
        for _ in range(2):
            NEWS[news](purchase, self.now)

    def grant_coins(self, reader: str, campaign_id: UUID, coins: int, *, key: str) -> PromoGrant:
        """Coins of a campaign."""
        return campaigns.grant(
            user_id=reader,
            campaign_id=campaign_id,
            coins=coins,
            key=key,
            actor="staff:7",
            now=self.now,
        )

    def propose(self, reader: str, coins: int, value: int) -> ApprovalRequest:
        """Somebody asks for coins by hand."""
        request = adjustments.propose(
            user_id=reader,
            coins=coins,
            value_micros=value,
            actor="staff:999",
            reason=f"step {self.steps}",
            now=self.now,
        )
        assert isinstance(request, ApprovalRequest)
        return request

    def reject(self, request: ApprovalRequest) -> None:
        """Another person refuses; a job that comes nevertheless does nothing."""
        approvals.reject(
            request_id=request.pk,
            approver=self.second_person,
            payload_hash=request.payload_hash,
            reason="no",
            now=self.now,
        )
        approvals.run(approval_id=request.pk, effect=adjustments.carry_out, now=self.now)

    def carry_out(self, request: ApprovalRequest) -> None:
        """Another person agrees, and the job runs, twice."""
        approvals.approve(
            request_id=request.pk,
            approver=self.second_person,
            payload_hash=request.payload_hash,
            now=self.now,
        )
        for _ in range(2):
            approvals.run(approval_id=request.pk, effect=adjustments.carry_out, now=self.now)
        assert Adjustment.objects.filter(approval=request).count() == 1
