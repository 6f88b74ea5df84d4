"""Coin purchases: start, settle, fail, expire.

The row is committed before the gateway is called, and whatever brings the news of the payment (a
webhook, the reader's confirmation, the poller) goes through ``apply``, so that the same payment is
credited once whoever reports it, in whatever order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db.transaction import atomic

from legato_payments.lib import jobs
from legato_payments.lib.errors import Declined, Missing, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import gateway_reference
from legato_payments.lib.money import Money
from payments import audit
from payments.gateways import base, registry, values
from payments.gateways.tax.base import Place
from payments.models import Policy, Purchase
from payments.queries import policies
from payments.services import (
    attempts,
    gateway_customers,
    payment_methods,
    purchase_terms,
    quotes,
    taxes,
)
from payments.services import purchase_outcomes as outcomes

log = structlog.get_logger(__name__)

Status = Purchase.Status

POLL_LEASE = timedelta(seconds=60)

GIVE_UP = timedelta(hours=24)
"""How long after its time a payment page that cannot be closed is still asked about."""


class PurchaseUnknown(Missing):
    """The reader has no purchase with this id."""

    title = "There is no such purchase."


class EmailRequired(Refused):
    code = "email_required"
    title = "The payment gateway needs an e-mail address; write one into the profile."


class PaymentDeclined(Declined):
    """The saved method was refused; ``decline_code`` is the gateway's."""

    title = "The payment was declined."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a reader wants to buy, and what we know of the reader.

    Args:
        package_id: Either this,
        coins: or an exact number of coins at the undiscounted rate.
        country: Where the reader is, ISO 3166-1; the tax depends on it,
        region: and on the part of ISO 3166-2 after the dash.
        evidence: What says so, to be kept.
        email: Some gateways ask for it.
        consent: What the reader agreed to about the right of withdrawal.
        saved_method: A token of the gateway's own to charge, such as a test method.
        payment_method_id: A kept method of the reader's to charge.
        save_method: The reader agrees that the method is kept; nothing new where one is named.
        off_session: The reader is not here to answer the bank.
    """

    user_id: str
    currency: str
    package_id: UUID | None = None
    coins: int | None = None
    country: str = ""
    region: str = ""
    evidence: Sequence[taxes.Evidence] = ()
    email: str | None = None
    return_url: str = ""
    consent: dict[str, Any] | None = None
    preferred_gateway: str = ""
    saved_method: str | None = None
    payment_method_id: UUID | None = None
    save_method: bool = False
    off_session: bool = False

    @property
    def names_method(self) -> bool:
        """Whether it is charged at once to a method that it names."""
        return bool(self.saved_method or self.payment_method_id)

    @property
    def keeps_method(self) -> bool:
        """Whether what the reader pays with is to be kept."""
        return self.save_method and not self.names_method


def start(*, purchase_id: UUID, order: Order, now: datetime) -> Purchase:
    """Open a purchase at a gateway; the reader pays there.

    Call it outside a transaction. The same ``purchase_id`` again resumes: the gateway is asked
    with the same key and reference, so it cannot open a second payment.

    Raises:
        quotes.PackageUnavailable: No such package, or not on sale.
        quotes.BelowMinimum: The gateway does not take so small a payment.
        quotes.TooManyCoins: The top-up is larger than allowed.
        currency_rates.RateUnavailable: The price needs an exchange rate, and there is none.
        taxes.NoTaxRule: Tax is due where the reader is, and nothing says how much.
        taxes.TaxUnavailable: The tax service does not answer.
        payment_methods.MethodUnknown: The reader keeps no such method, or not any more.
        payment_methods.MethodElsewhere: It is kept at a gateway that does not take this purchase.
        EmailRequired: The gateway wants one, and the reader's is not known.
        attempts.GatewayUnavailable: No gateway, or no answer; nothing was charged for certain or
            it will be found out. Try again with the same key.
        PaymentDeclined: The saved method was refused.
    """
    purchase = Purchase.objects.filter(pk=purchase_id).first()
    if purchase is None:
        purchase = _create(purchase_id, order, now=now)
        return _open_at_gateway(purchase, order, now=now)
    purchase = _go_on(purchase, order, now=now)
    if purchase.status == Status.FAILED and order.names_method:
        raise PaymentDeclined(decline_code=purchase.failure_code)
    return purchase


def apply(*, purchase_id: UUID, state: values.ChargeState, now: datetime) -> Purchase:
    """Bring a purchase to what the gateway says of its payment. Safe to call again, in any order.

    A payment that does not match ours is quarantined for finance, never credited.
    """
    match state.outcome:
        case values.Outcome.SUCCEEDED:
            return outcomes.settle(purchase_id=purchase_id, state=state, now=now)
        case values.Outcome.FAILED:
            return outcomes.fail(purchase_id, state.failure_code, now=now)
        case values.Outcome.CANCELLED:
            return outcomes.expire(purchase_id, now=now)
        case _:
            return Purchase.objects.get(pk=purchase_id)


def confirm(*, purchase_id: UUID, user_id: str, now: datetime) -> Purchase:
    """Ask the gateway how a reader's purchase stands, and act on it.

    Raises:
        PurchaseUnknown: The reader has no such purchase.
        attempts.GatewayUnavailable: The gateway does not answer.
    """
    purchase = Purchase.objects.filter(pk=purchase_id, user_id=user_id).first()
    if purchase is None:
        raise PurchaseUnknown
    if purchase.status in (Status.SUCCEEDED, Status.QUARANTINED):
        return purchase
    try:
        state = read(purchase)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=5) from error
    return apply(purchase_id=purchase.pk, state=state, now=now) if state else purchase


def poll(*, purchase_id: UUID, now: datetime) -> None:
    """Find out what became of a purchase nobody reported on, and close it when its time is over.

    Does nothing when the purchase is not due or another worker has it.
    """
    purchase = Purchase.objects.claim(pk=purchase_id, now=now, lease=POLL_LEASE)
    if purchase is None:
        return
    try:
        purchase = _ask(purchase, now=now)
    except base.GatewayError as error:
        log.warning("purchase_poll_failed", purchase_id=str(purchase_id), error=str(error))
    _plan_next(purchase, now=now)


def read(purchase: Purchase) -> values.ChargeState | None:
    """What the gateway says of a purchase's payment; ``None``: it certainly has none.

    Raises:
        base.GatewayError: It does not answer.
    """
    return registry.charge_gateway(purchase.provider).get_charge(
        reference=purchase.reference,
        gateway_id=purchase.gateway_id,
        since=purchase.created_at,
    )


def _create(purchase_id: UUID, order: Order, *, now: datetime) -> Purchase:
    try:
        provider = registry.route(currency=order.currency, preferred=order.preferred_gateway)
        gateway = registry.charge_gateway(provider)
    except registry.NotConfigured as error:
        raise attempts.GatewayUnavailable(str(error), retry_after=60) from error
    if order.payment_method_id:
        payment_methods.find(
            method_id=order.payment_method_id, user_id=order.user_id, provider=provider
        )
    if gateway.needs_email and not order.email:
        raise EmailRequired
    quote = quotes.quote(
        place=Place(order.country, order.region),
        package_id=order.package_id,
        coins=order.coins,
        currency=order.currency,
        minimum_minor=gateway.minimum_minor.get(order.currency, 1),
        now=now,
    )
    lifetime = timedelta(minutes=policies.value(Policy.Name.PURCHASE_TTL_MINUTES, on=now))
    purchase = Purchase(
        id=purchase_id,
        user_id=order.user_id,
        package_version=quote.version,
        coins=quote.coins,
        bonus_coins=quote.bonus_coins,
        currency=order.currency,
        price_micros=quote.price.micros,
        fx_rate=quote.fx_rate,
        value_micros=quote.value_micros,
        tax_micros=quote.assessment.tax.micros,
        tax_ground=quote.assessment.ground,
        tax_reference=quote.assessment.reference,
        country=order.country,
        region=order.region,
        evidence=[{"source": piece.source, "value": piece.value} for piece in order.evidence],
        evidence_conflicts=taxes.conflicts(order.evidence),
        consent=order.consent,
        return_url=order.return_url,
        provider=provider,
        reference=gateway_reference(),
        created_at=now,
        expires_at=now + lifetime,
        next_attempt_at=now + jobs.backoff(1),
    )
    with atomic():
        purchase.save(force_insert=True)
        taxes.record(purchase, quote.assessment)
        if order.keeps_method:
            payment_methods.agree_to_keep(purchase, now=now)
    return purchase


def _go_on(purchase: Purchase, order: Order, *, now: datetime) -> Purchase:
    """Bring a purchase that was begun before as far as it can be."""
    if purchase.status == Status.CREATED:
        return _resume(purchase, order, now=now)
    if purchase.status == Status.PENDING and not purchase.action:
        # Charged at once, and cut short before that was read: there is no page to be sent to.
        return confirm(purchase_id=purchase.pk, user_id=purchase.user_id, now=now)
    return purchase


def _resume(purchase: Purchase, order: Order, *, now: datetime) -> Purchase:
    """Go on with a purchase whose first call was never answered, as far as we know."""
    try:
        state = read(purchase)
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=5) from error
    if state is not None:
        _resolve_attempt(purchase, state, now=now)
        if not _is_lost_page(state):
            _store_opened(purchase.pk, state)
            return apply(purchase_id=purchase.pk, state=state, now=now)
        purchase = _rename(purchase.pk, now=now)
    return _open_at_gateway(purchase, order, now=now)


def _is_lost_page(state: values.ChargeState) -> bool:
    """Whether its address was lost with the answer, where a gateway gives that only once."""
    return state.outcome is values.Outcome.ACTION_REQUIRED and state.action is None


@atomic
def _rename(purchase_id: UUID, *, now: datetime) -> Purchase:
    """A new reference, for a payment that nobody can make under the old one: no one knows where."""
    purchase = outcomes.lock(purchase_id)
    before = purchase.reference
    purchase.reference = gateway_reference()
    purchase.save(update_fields=["reference"])
    audit.record(
        actor="system:purchases",
        action="payments.purchase.renamed",
        object_type="purchase",
        object_id=purchase.pk,
        now=now,
        before={"reference": before},
        after={"reference": purchase.reference},
    )
    return purchase


def _open_at_gateway(purchase: Purchase, order: Order, *, now: datetime) -> Purchase:
    try:
        gateway = registry.charge_gateway(purchase.provider)
        failpoint("purchase.created")
        request = _request(purchase, order, now=now)
        state = _charge(purchase, gateway, request, now=now)
        failpoint("purchase.charged")
    except base.Declined as error:
        outcomes.fail(purchase.pk, error.code, now=now)
        raise PaymentDeclined(str(error), decline_code=error.code) from error
    except base.GatewayError as error:
        # Unavailable or ambiguous: the row stays CREATED, and the poller asks by our reference.
        log.warning("charge_not_opened", purchase_id=str(purchase.pk), error=repr(error))
        raise attempts.GatewayUnavailable(retry_after=5) from error
    except payment_methods.MethodUnknown:
        # The reader took it back after the purchase was written down.
        outcomes.fail(purchase.pk, "payment_method_removed", now=now)
        raise
    _store_opened(purchase.pk, state)
    failpoint("purchase.opened")
    return apply(purchase_id=purchase.pk, state=state, now=now)


def _request(purchase: Purchase, order: Order, *, now: datetime) -> values.ChargeRequest:
    saved_method, customer = order.saved_method, values.CustomerRef(order.user_id, order.email)
    if order.payment_method_id:
        # Looked for again at every try: it may have been removed since.
        method = payment_methods.find(
            method_id=order.payment_method_id,
            user_id=order.user_id,
            provider=purchase.provider,
        )
        saved_method, customer = method.token, payment_methods.payer(method, order.email)
    elif order.keeps_method:
        customer = gateway_customers.ensure(
            user_id=order.user_id, provider=purchase.provider, email=order.email, now=now
        )
    return values.ChargeRequest(
        reference=purchase.reference,
        amount=Money(purchase.total_micros, purchase.currency),
        customer=customer,
        description=f"{purchase.total_coins:,} Legato coins",
        metadata=purchase_terms.of(purchase),
        return_url=purchase.return_url or None,
        saved_method=saved_method,
        off_session=order.off_session,
        save_method=order.keeps_method,
        inline=settings.STRIPE_CHECKOUT == "inline",
        expires_at=purchase.expires_at,
    )


def _charge(
    purchase: Purchase,
    gateway: base.ChargeGateway,
    request: values.ChargeRequest,
    *,
    now: datetime,
) -> values.ChargeState:
    key = f"charge:{purchase.reference}"
    operation = attempts.Operation(
        provider=purchase.provider,
        name="charge",
        key=key,
        reference=purchase.reference,
        object_type="purchase",
        object_id=str(purchase.pk),
        request={"amount": request.amount.to_json()},
    )
    return attempts.send(
        operation, lambda: gateway.create_charge(request, key=key, now=now), now=now
    )


@atomic
def _store_opened(purchase_id: UUID, state: values.ChargeState) -> None:
    purchase = outcomes.lock(purchase_id)
    # A webhook may have been faster than the answer to our own call.
    if purchase.status == Status.CREATED:
        purchase.status = Status.PENDING
        purchase.gateway_id = state.gateway_id
        purchase.payment_id = state.payment_id
        purchase.action = state.action.to_json() if state.action else None
        purchase.save()


def _ask(purchase: Purchase, *, now: datetime) -> Purchase:
    gateway = registry.charge_gateway(purchase.provider)
    if now >= purchase.expires_at:
        # Closed at the gateway first: nobody can pay any more for what we give up.
        state = gateway.cancel_charge(
            reference=purchase.reference,
            gateway_id=purchase.gateway_id,
            since=purchase.created_at,
            now=now,
        )
    else:
        state = read(purchase)
    _resolve_attempt(purchase, state, now=now)
    if state is None:
        is_over = now >= purchase.expires_at
        return outcomes.expire(purchase.pk, now=now) if is_over else purchase
    # Nobody can pay on a lost page: the reader who comes back gets another one.
    if purchase.status == Status.CREATED and not _is_lost_page(state):
        _store_opened(purchase.pk, state)
    return _apply_late(purchase, state, now=now)


def _resolve_attempt(
    purchase: Purchase, state: values.ChargeState | None, *, now: datetime
) -> None:
    if purchase.status == Status.CREATED:
        attempts.resolve(
            object_type="purchase",
            object_id=purchase.pk,
            operation="charge",
            was_done=state is not None,
            now=now,
        )


def _apply_late(purchase: Purchase, state: values.ChargeState, *, now: datetime) -> Purchase:
    is_open = state.outcome in (values.Outcome.ACTION_REQUIRED, values.Outcome.PENDING)
    if is_open and now >= purchase.expires_at + GIVE_UP:
        # Not every gateway closes a page. Money that still comes turns EXPIRED into SUCCEEDED.
        return outcomes.expire(purchase.pk, now=now)
    return apply(purchase_id=purchase.pk, state=state, now=now)


@atomic
def _plan_next(purchase: Purchase, *, now: datetime) -> None:
    purchase = outcomes.lock(purchase.pk)
    if purchase.status not in Purchase.OPEN:
        return
    until = now + jobs.backoff(purchase.attempts)
    if now < purchase.expires_at:
        until = min(until, purchase.expires_at)
    purchase.postpone(until=until)
    purchase.save(update_fields=["next_attempt_at", "locked_until"])
