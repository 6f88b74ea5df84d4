"""Some believable months, lived through the services: what ``manage.py demo`` makes.

The same seed gives the same amounts. Time is the platform's, in order, so the books look as they
would have looked; only the ids carry the time of the run.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from access.management.aftermath import Aftermath
from access.services import catalogue, content, gifts, refunds, tips
from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import books
from payments.gateways.tax.base import Place
from payments.models import CoinBalance, Purchase, SandboxCharge, SandboxDelivery
from payments.queries import packages as package_queries
from payments.services import (
    campaigns,
    currency_rates,
    customers,
    expiry,
    purchases,
    tax_rules,
    taxes,
)

COUNTRIES = [
    ("US", "NY", "USD"),
    ("US", "TX", "USD"),
    ("CA", "QC", "CAD"),
    ("CA", "ON", "CAD"),
    ("NG", "LA", "NGN"),
    ("NG", "FC", "NGN"),
    ("NG", "LA", "NGN"),
    ("GB", "", "USD"),
]
TAX_NUMBERS = {"CA": "DEMO 12345 RT0001", "CA-QC": "DEMO 1234567890 TQ0001", "NG": "DEMO-00001234"}
"""Where the demo collects sales tax, with numbers that nobody takes for true ones."""

PACK_WEIGHTS = {
    "Starter Pack": 30,
    "Reader Pack": 40,
    "Enthusiast Pack": 18,
    "Premium Pack": 9,
    "Ultimate Pack": 3,
}
CHAPTERS_PER_SERIES = 14


@dataclass
class Tally:
    """What happened, for the one line at the end."""

    purchases: int = 0
    failed: int = 0
    chapters: int = 0
    tips: int = 0
    refunds: int = 0
    gifts: int = 0
    grants: int = 0
    refused: int = 0
    paid_back: int = 0
    disputes: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in vars(self).items())


@dataclass
class Months:
    """A platform of a size, from a day on.

    Args:
        start: The first day, at midnight UTC.
        days: How long.
    """

    start: datetime
    days: int
    readers: int
    writers: int
    seed: int
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a story, not a secret
        self.reader_ids = [f"reader-{number:03d}" for number in range(1, self.readers + 1)]
        self.writer_ids = [f"writer-{number:02d}" for number in range(1, self.writers + 1)]
        self.chapters: list[str] = []
        self.home: dict[str, tuple[str, str, str]] = {}
        self.aftermath = Aftermath(self.chance)

    def live(self) -> Iterator[datetime]:
        """Live through it, a day at a time; yields each day when it is over."""
        self._open_the_doors()
        for number in range(self.days):
            day = self.start + timedelta(days=number)
            currency_rates.refresh(provider=FixedRates(), now=day)
            if day.day == 1:
                self._welcome(day)
            # Readers come at all hours; each takes a few steps.
            for minute in sorted(self.chance.sample(range(30, 1_410), self._visits())):
                self._visit(day + timedelta(minutes=minute))
            expiry.sweep(now=day + timedelta(hours=23, minutes=45))
            self.aftermath.evening(day + timedelta(hours=23, minutes=50))
            if (day + timedelta(days=1)).day == 1:
                self.aftermath.month_over(day + timedelta(hours=23, minutes=55))
            self.tally.paid_back = self.aftermath.refunds
            self.tally.disputes = self.aftermath.disputes
            yield day
        # The sandbox owes us its webhooks; every payment was settled on the spot already.
        SandboxDelivery.objects.filter(delivered_at=None).update(
            delivered_at=self.start + timedelta(days=self.days), next_attempt_at=None
        )

    def _visits(self) -> int:
        return max(1, self.readers // 6 + self.chance.randint(-3, 3))

    def _open_the_doors(self) -> None:
        tax_rules.load(now=self.start)
        for office, tax_number in TAX_NUMBERS.items():
            self._register(office, tax_number)
        for reader in self.reader_ids:
            country, region, currency = self.home[reader] = self.chance.choice(COUNTRIES)
            if customers.find(user_id=reader) is None:
                customers.put(
                    user_id=reader,
                    profile=customers.Profile(country, region, currency, 1990, "", None),
                    expected_version=None,
                    actor=f"user:{reader}",
                    now=self.start,
                )
        for number, writer in enumerate(self.writer_ids):
            self._publish_series(number, writer)

    def _register(self, office: str, number: str) -> None:
        tax_rules.register(
            registration=tax_rules.Registration(
                jurisdiction=office, is_registered=True, number=number, is_inclusive=False
            ),
            valid_from=self.start.date(),
            actor="system:demo",
            reason="So that the demo has taxed purchases",
            now=self.start,
        )

    def _publish_series(self, number: int, writer: str) -> None:
        shares = {writer: 10_000}
        if number % 4 == 3:
            partner = self.writer_ids[number - 1]
            shares = {writer: 7_000, partner: 3_000}
        descriptions = [
            catalogue.Description(
                content_id=f"series-{number + 1:02d}-{position:02d}",
                title=f"Series {number + 1}, chapter {position}",
                shares=shares,
                word_count=self.chance.randint(700, 4_200),
                series_id=f"series-{number + 1:02d}",
                position=position,
            )
            for position in range(1, CHAPTERS_PER_SERIES + 1)
        ]
        catalogue.put(descriptions=descriptions, now=self.start)
        self.chapters += [d.content_id for d in descriptions]

    def _welcome(self, day: datetime) -> None:
        """A campaign at the start of each month, funded every other time."""
        campaign = campaigns.create(
            name=f"Welcome {day:%B %Y}",
            terms=campaigns.Terms(
                budget_coins=self.readers * 20,
                value_per_coin_micros=5_000 if day.month % 2 else 0,
                expires_after_days=30,
                per_user_coins=20,
                starts_at=day,
                ends_at=day + timedelta(days=28),
            ),
            actor="system:demo",
            reason="A welcome for every reader",
            now=day,
        )
        granted, _ = campaigns.grant_all(
            user_ids=self.chance.sample(self.reader_ids, self.readers // 3),
            campaign_id=campaign.pk,
            coins=20,
            key=f"demo:{day:%Y-%m}",
            actor="system:demo",
            now=day + timedelta(minutes=10),
        )
        self.tally.grants += len(granted)

    def _visit(self, now: datetime) -> None:
        reader = self.chance.choice(self.reader_ids)
        wallet = CoinBalance.objects.filter(user_id=reader).first()
        if wallet is None or wallet.coins < 40:
            self._buy_coins(reader, now)
        for step in range(self.chance.randint(1, 4)):
            self._step(reader, now + timedelta(minutes=3 * step + 1))

    def _step(self, reader: str, now: datetime) -> None:
        dice = self.chance.random()
        if dice < 0.80:
            self._try(lambda: self._open_chapter(reader, now))
        elif dice < 0.95:
            self._try(lambda: self._tip(reader, now))
        else:
            self._try(lambda: self._give(reader, now))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DomainError:
            self.tally.refused += 1

    def _buy_coins(self, reader: str, now: datetime) -> None:
        name = self.chance.choices(list(PACK_WEIGHTS), weights=list(PACK_WEIGHTS.values()))[0]
        package = package_queries.on_sale().get(name=name)
        country, region, currency = self.home[reader]
        purchase = purchases.start(
            purchase_id=uuid7(),
            order=purchases.Order(
                user_id=reader,
                currency=currency,
                package_id=package.pk,
                country=country,
                region=region,
                evidence=[taxes.Evidence("profile", str(Place(country, region)))],
            ),
            now=now,
        )
        charge = SandboxCharge.objects.get(reference=purchase.reference)
        if self.chance.random() < 0.07:
            books.decline(charge_id=charge.pk, code="card_declined", now=now)
            self.tally.failed += 1
        else:
            books.pay(charge_id=charge.pk, now=now)
            self.tally.purchases += 1
        state = charge_gateway(purchase.provider).get_charge(reference=purchase.reference)
        assert state is not None
        purchase = purchases.apply(purchase_id=purchase.pk, state=state, now=now)
        if purchase.status == Purchase.Status.SUCCEEDED:
            self.aftermath.bought(purchase, now=now)

    def _open_chapter(self, reader: str, now: datetime) -> None:
        # Some series are read far more than others.
        place = min(int(self.chance.expovariate(1 / 40)), len(self.chapters) - 1)
        bought = content.buy(
            user_id=reader, content_id=self.chapters[place], now=now, actor=f"user:{reader}"
        )
        if not bought.charged:
            return
        self.tally.chapters += 1
        if self.chance.random() < 0.04 and bought.entitlement.transaction_id:
            refunds.refund(
                transaction_id=bought.entitlement.transaction_id,
                reason="Not what I expected",
                actor=f"user:{reader}",
                now=now + timedelta(minutes=2),
            )
            self.tally.refunds += 1

    def _tip(self, reader: str, now: datetime) -> None:
        tips.send(
            sender_id=reader,
            recipient_id=self.chance.choice(self.writer_ids),
            coins=self.chance.choice([10, 10, 20, 25, 50]),
            now=now,
            actor=f"user:{reader}",
        )
        self.tally.tips += 1

    def _give(self, reader: str, now: datetime) -> None:
        gifts.send_coins(
            sender_id=reader,
            recipient_id=self.chance.choice(self.reader_ids),
            coins=self.chance.randint(5, 15),
            now=now,
            actor=f"user:{reader}",
        )
        self.tally.gifts += 1
