"""Opens, finds, lists and closes payments."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import stripe
from django.conf import settings

from payments.gateways import base
from payments.gateways.stripe import charge_states, customers
from payments.gateways.stripe.answers import CODE, PAGE, Object, ask, find, walk
from payments.gateways.stripe.fields import REFERENCE, created, is_ours
from payments.gateways.values import ChargeRequest, ChargeState, Outcome, Window

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams
    from stripe.params.checkout import SessionCreateParams

OF_INTENT = ["latest_charge.balance_transaction"]
OF_SESSION = ["payment_intent.latest_charge.balance_transaction"]
IN_INTENTS = [f"data.{path}" for path in OF_INTENT]
IN_SESSIONS = [f"data.{path}" for path in OF_SESSION]

PAGE_OPEN_AT_LEAST = timedelta(minutes=31)
PAGE_OPEN_AT_MOST = timedelta(hours=23, minutes=59)
"""Stripe takes 30 minutes to 24 hours after it made the page; its clock is not ours."""

CLOCKS_DIFFER_BY = timedelta(minutes=5)
"""How much earlier than by our clock Stripe may have made what we asked for."""


def create(
    client: stripe.StripeClient, request: ChargeRequest, *, key: str, now: datetime
) -> ChargeState:
    """See ``ChargeGateway.create_charge``."""
    customer_id = request.customer.gateway_id
    if request.save_method and not customer_id:
        customer_id = customers.ensure(client, request.customer, key=f"{key}:customer")
    if request.saved_method:
        return _charge_saved_method(client, request, customer_id, key=key)
    if request.inline:
        return _send_intent(client, _intent(request, customer_id), key=key)
    return _open_page(client, request, customer_id, key=key, now=now)


def get(
    client: stripe.StripeClient,
    *,
    reference: str,
    gateway_id: str = "",
    since: datetime | None = None,
) -> ChargeState | None:
    """See ``ChargeGateway.get_charge``. Without an id, everything made since then is looked at."""
    if gateway_id.startswith("cs_"):
        return find(
            lambda: client.v1.checkout.sessions.retrieve(gateway_id, {"expand": OF_SESSION}),
            charge_states.of_session,
        )
    if gateway_id:
        return find(
            lambda: client.v1.payment_intents.retrieve(gateway_id, {"expand": OF_INTENT}),
            charge_states.of_intent,
        )
    made = {"gte": int((since - CLOCKS_DIFFER_BY).timestamp()) if since else 0}
    # The page first: its payment has the same reference, and not the id of what we opened.
    for state in chain(_pages(client, made), _intents(client, made)):
        if state.reference == reference:
            return state
    return None


def cancel(
    client: stripe.StripeClient,
    *,
    reference: str,
    now: datetime,
    gateway_id: str = "",
    since: datetime | None = None,
) -> ChargeState | None:
    """See ``ChargeGateway.cancel_charge``. What is paid, or on its way, stays as it is."""
    state = get(client, reference=reference, gateway_id=gateway_id, since=since)
    if state is None or not _can_be_paid(state):
        return state
    try:
        return _close(client, state.gateway_id, now=now)
    except base.InvalidRequest:
        # Paid, or closed, after we looked.
        after = get(client, reference=reference, gateway_id=state.gateway_id)
        if after is None or _can_be_paid(after):
            raise
        return after


def in_window(client: stripe.StripeClient, window: Window) -> Iterator[ChargeState]:
    """See ``ChargeGateway.list_charges``. A payment on a page counts when the page was opened."""
    # A payment made in the window may belong to a page opened before it.
    before = Window(window.start - timedelta(hours=24), window.start)
    of_pages = {state.payment_id for state in _pages(client, created(before))}
    for state in _pages(client, created(window)):
        of_pages.add(state.payment_id)
        yield state
    for state in _intents(client, created(window)):
        if state.payment_id not in of_pages:
            yield state


def _open_page(
    client: stripe.StripeClient,
    request: ChargeRequest,
    customer_id: str,
    *,
    key: str,
    now: datetime,
) -> ChargeState:
    metadata = _metadata(request)
    address = request.return_url or settings.PUBLIC_URL
    params: SessionCreateParams = {
        "mode": "payment",
        "client_reference_id": request.reference,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.amount.currency.lower(),
                    "unit_amount": request.amount.minor,
                    "product_data": {"name": request.description},
                },
            }
        ],
        "success_url": address,
        "cancel_url": address,
        "metadata": metadata,
        "payment_intent_data": {"description": request.description, "metadata": metadata},
        # We price in every currency ourselves: what is paid must be what was asked for.
        "adaptive_pricing": {"enabled": False},
    }
    if request.save_method:
        params["payment_intent_data"]["setup_future_usage"] = "off_session"
    if customer_id:
        params["customer"] = customer_id
    elif request.customer.email:
        params["customer_email"] = request.customer.email
    if request.expires_at:
        closes_at = max(request.expires_at, now + PAGE_OPEN_AT_LEAST)
        params["expires_at"] = int(min(closes_at, now + PAGE_OPEN_AT_MOST).timestamp())
    return ask(
        lambda: client.v1.checkout.sessions.create(params, {"idempotency_key": key}),
        charge_states.of_session,
    )


def _charge_saved_method(
    client: stripe.StripeClient, request: ChargeRequest, customer_id: str, *, key: str
) -> ChargeState:
    params = _intent(request, customer_id)
    params["payment_method"] = request.saved_method or ""
    params["confirm"] = True
    params["off_session"] = request.off_session
    # Nobody would come back from the page of a bank: only what our own page can show is allowed.
    params["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "never"}
    try:
        state = _send_intent(client, params, key=key)
    except base.InvalidRequest as error:
        # Detached, or another customer's: it will never be charged again.
        if getattr(error.__cause__, "param", "") == "payment_method":
            message, code = str(error), "payment_method_unusable"
            raise base.Declined(message, gateway=CODE, code=code) from error
        raise
    if request.off_session and state.outcome is Outcome.ACTION_REQUIRED:
        raise base.ActionRequired(
            "The bank wants to hear from the reader.", gateway=CODE, code="authentication_required"
        )
    return state


def _intent(request: ChargeRequest, customer_id: str) -> "PaymentIntentCreateParams":
    params: PaymentIntentCreateParams = {
        "amount": request.amount.minor,
        "currency": request.amount.currency.lower(),
        "description": request.description,
        "metadata": _metadata(request),
        "automatic_payment_methods": {"enabled": True},
        "expand": OF_INTENT,
    }
    if customer_id:
        params["customer"] = customer_id
    if request.save_method:
        params["setup_future_usage"] = "off_session"
    return params


def _send_intent(
    client: stripe.StripeClient, params: "PaymentIntentCreateParams", *, key: str
) -> ChargeState:
    return ask(
        lambda: client.v1.payment_intents.create(params, {"idempotency_key": key}),
        charge_states.of_intent,
    )


def _metadata(request: ChargeRequest) -> dict[str, str]:
    return {**request.metadata, REFERENCE: request.reference}


def _can_be_paid(state: ChargeState) -> bool:
    if state.outcome is Outcome.FAILED:
        # The reader's browser may hold the secret of a refused payment, and try another card.
        return state.gateway_id == state.payment_id
    return state.outcome is Outcome.ACTION_REQUIRED


def _close(client: stripe.StripeClient, gateway_id: str, *, now: datetime) -> ChargeState:
    # A key of the moment: a refusal that Stripe remembered must not meet a later attempt.
    key = f"{gateway_id}:cancel:{now.timestamp():.6f}"
    if gateway_id.startswith("cs_"):
        return ask(
            lambda: client.v1.checkout.sessions.expire(
                gateway_id, {"expand": OF_SESSION}, {"idempotency_key": key}
            ),
            charge_states.of_session,
        )
    return ask(
        lambda: client.v1.payment_intents.cancel(
            gateway_id, {"expand": OF_INTENT}, {"idempotency_key": key}
        ),
        charge_states.of_intent,
    )


def _pages(client: stripe.StripeClient, made: Any) -> Iterator[ChargeState]:
    return walk(
        lambda: client.v1.checkout.sessions.list(
            {"created": made, "expand": IN_SESSIONS, "limit": PAGE}
        ),
        _page_or_none,
    )


def _page_or_none(session: Object) -> ChargeState | None:
    # Others save a card, or open a subscription.
    is_payment = session["mode"] == "payment" and is_ours(session["currency"] or "")
    return charge_states.of_session(session) if is_payment else None


def _intents(client: stripe.StripeClient, made: Any) -> Iterator[ChargeState]:
    return walk(
        lambda: client.v1.payment_intents.list(
            {"created": made, "expand": IN_INTENTS, "limit": PAGE}
        ),
        lambda intent: charge_states.of_intent(intent) if is_ours(intent["currency"]) else None,
    )
