"""What tests start from: made through the services, as everything else is."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from access.models import Content
from access.services import catalogue
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import books, signatures
from payments.gateways.values import ChargeState, Outcome
from payments.models import (
    CoinPackage,
    Purchase,
    SandboxCharge,
    SandboxDelivery,
    TaxRegistration,
    WebhookEvent,
)
from payments.services import currency_rates, purchases, tax_rules
from payments.webhooks import inbox
from tests.peers.faults import Fault

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

READER = "reader-1"
WRITER = "writer-1"


def package(name: str = "Ultimate Pack") -> CoinPackage:
    """One of the five packages."""
    return CoinPackage.objects.get(name=name)


def start_purchase(
    user_id: str = READER,
    name: str = "Ultimate Pack",
    *,
    currency: str = "USD",
    now: datetime = NOW,
    **order: Any,
) -> Purchase:
    """A purchase that the reader has not paid yet."""
    if "coins" not in order:
        order["package_id"] = package(name).pk
    return purchases.start(
        purchase_id=uuid7(),
        order=purchases.Order(user_id=user_id, currency=currency, **order),
        now=now,
    )


def charge_of(purchase: Purchase) -> SandboxCharge:
    """The sandbox's own row of a purchase's payment."""
    return SandboxCharge.objects.get(reference=purchase.reference)


def state_of(purchase: Purchase) -> ChargeState:
    """What the gateway says of a purchase's payment."""
    state = charge_gateway(purchase.provider).get_charge(reference=purchase.reference)
    assert state is not None
    return state


def pay(purchase: Purchase, *, now: datetime = NOW) -> Purchase:
    """The reader pays at the gateway, and we hear of it."""
    books.pay(charge_id=charge_of(purchase).pk, now=now)
    return purchases.apply(purchase_id=purchase.pk, state=state_of(purchase), now=now)


def hear_of(purchase: Purchase, *, now: datetime = NOW) -> WebhookEvent:
    """The webhook that the sandbox owes us for a purchase arrives, maybe once more."""
    of_the_purchase = SandboxDelivery.objects.filter(charge__reference=purchase.reference)
    delivery = of_the_purchase.earliest("id")  # the others are of its refunds and disputes
    body = bytes(delivery.body)
    signature = signatures.sign(body, secret=settings.SANDBOX_WEBHOOK_SECRET, now=now)
    inbox.receive(
        provider=purchase.provider, body=body, headers={signatures.HEADER: signature}, now=now
    )
    return WebhookEvent.objects.get(dedupe_key=delivery.event_id)


def fault_of(fault: Fault) -> base.GatewayError:
    """What an adapter makes of a fault of a peer."""
    kind = {
        Fault.REFUSE: base.Unavailable,
        Fault.RATE_LIMIT: base.RateLimited,
    }.get(fault, base.Ambiguous)
    return kind(f"{fault}", gateway="SANDBOX")


def hear_of_object(object_id: str, *, now: datetime = NOW) -> WebhookEvent:
    """The newest webhook that the sandbox owes us for a refund or a dispute arrives."""
    deliveries = SandboxDelivery.objects.order_by("-id")
    delivery = next(row for row in deliveries if object_id.encode() in bytes(row.body))
    body = bytes(delivery.body)
    signature = signatures.sign(body, secret=settings.SANDBOX_WEBHOOK_SECRET, now=now)
    inbox.receive(provider="SANDBOX", body=body, headers={signatures.HEADER: signature}, now=now)
    return WebhookEvent.objects.get(dedupe_key=delivery.event_id)


def process(event: WebhookEvent, *, now: datetime = NOW) -> WebhookEvent:
    """A worker acts on a stored webhook."""
    inbox.process(event_id=event.pk, now=now)
    event.refresh_from_db()
    return event


def buy_coins(
    user_id: str = READER,
    name: str = "Ultimate Pack",
    *,
    currency: str = "USD",
    now: datetime = NOW,
    **order: Any,
) -> Purchase:
    """A settled purchase: the reader has the coins of the package."""
    return pay(start_purchase(user_id, name, currency=currency, now=now, **order), now=now)


def put_content(
    content_id: str = "chapter-4",
    *,
    price: int | None = 10,
    shares: dict[str, int] | None = None,
    now: datetime = NOW,
    **description: Any,
) -> Content:
    """A published chapter of 10 coins by one writer, unless said otherwise."""
    described = catalogue.Description(
        content_id=content_id,
        title=description.pop("title", f"The {content_id}"),
        shares=shares or {WRITER: 10_000},
        price_coins=price,
        **description,
    )
    return catalogue.put(descriptions=[described], now=now)[0]


def state(purchase: Purchase, **changes: Any) -> ChargeState:
    """What a gateway could say of a purchase's payment: paid as it should, unless changed."""
    facts: dict[str, Any] = {
        "gateway_id": purchase.gateway_id,
        "reference": purchase.reference,
        "outcome": Outcome.SUCCEEDED,
        "amount": Money(purchase.total_micros, purchase.currency),
    }
    return ChargeState(**{**facts, **changes})


def register(office: str, *, is_inclusive: bool = False, now: datetime = NOW) -> TaxRegistration:
    """We collect sales tax for an office, ``CA`` or ``NG``, by the rules of the table."""
    tax_rules.load(now=now)
    registration = tax_rules.Registration(
        jurisdiction=office, is_registered=True, number=f"{office}-1234", is_inclusive=is_inclusive
    )
    return tax_rules.register(
        registration=registration, valid_from=now.date(), actor="staff:1", reason="", now=now
    )


def rates(now: datetime = NOW) -> None:
    """Exchange rates of this day, for purchases in other currencies."""
    currency_rates.refresh(provider=FixedRates(), now=now)
