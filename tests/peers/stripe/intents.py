"""Payment intents, and what happens when one is confirmed."""

from tests.peers.store import Json
from tests.peers.stripe import charges, disputes, lists, methods
from tests.peers.stripe.calls import ApiError, Call, invalid, new_id, public, routes
from tests.peers.stripe.customers import merge_metadata

MINIMUM = 50
MAXIMUM = 99_999_999
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")

GIVEN = (
    "customer",
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


def check_amount(amount: int, currency: str) -> None:
    """Refuse what Stripe refuses.

    Raises:
        ApiError: Too small or too large.
    """
    if amount < MINIMUM:
        raise invalid(f"Amount must be at least 0.50 {currency}.", "amount", "amount_too_small")
    if amount > MAXIMUM:
        raise invalid("Amount must be no more than 999,999.99.", "amount", "amount_too_large")


def make(call: Call, params: Json) -> Json:
    """Keep a new intent that waits for a payment method."""
    check_amount(params["amount"], params["currency"])
    if params.get("customer"):
        call.load("customer", params["customer"], "customer")
    intent_id = new_id("pi_")
    automatic = params.get("automatic_payment_methods")
    intent = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        # Allowed to redirect is what Stripe assumes: a confirmation then wants a return_url.
        "automatic_payment_methods": {"allow_redirects": "always", **automatic}
        if automatic
        else {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{new_id('', 25)}",
        "confirmation_method": "automatic",
        "created": call.now,
        "currency": params["currency"],
        "customer_account": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "shipping": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        **{name: params.get(name) for name in GIVEN},
        **({"hooks": params["hooks"]} if "hooks" in params else {}),
    }
    call.save(intent)
    call.tell("payment_intent.created", intent)
    return intent


@routes.add("POST", "/v1/payment_intents", "payment_intents.create")
def create(call: Call) -> Json:
    """A new intent, confirmed at once when asked to."""
    params = call.params
    if params.get("off_session") and not params.get("confirm"):
        raise invalid("You can only use off_session when confirm=true.", "off_session")
    if params.get("confirm") and not params.get("payment_method"):
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    intent = make(call, params)
    if params.get("payment_method"):
        method = methods.use(call, params["payment_method"])
        intent.update(payment_method=method["id"], status="requires_confirmation")
        call.save(intent)
    return _confirm(call, intent) if params.get("confirm") else intent


@routes.add("GET", "/v1/payment_intents/{intent}", "payment_intents.retrieve")
def retrieve(call: Call) -> Json:
    """One intent."""
    return call.load("payment_intent", call.ids["intent"], "intent")


@routes.add("GET", "/v1/payment_intents", "payment_intents.list")
def listing(call: Call) -> Json:
    """Intents, by customer and time."""
    return lists.page(
        call, "/v1/payment_intents", "payment_intent", customer=call.params.get("customer")
    )


@routes.add("POST", "/v1/payment_intents/{intent}", "payment_intents.update")
def update(call: Call) -> Json:
    """Change what is given, before it is paid."""
    intent = retrieve(call)
    if "amount" in call.params:
        _must_be(intent, OPEN, "amount cannot be changed")
        check_amount(call.params["amount"], intent["currency"])
        intent["amount"] = call.params["amount"]
    intent.update({name: call.params[name] for name in GIVEN if name in call.params})
    merge_metadata(intent, call.params)
    return call.save(intent)


@routes.add("POST", "/v1/payment_intents/{intent}/confirm", "payment_intents.confirm")
def confirm(call: Call) -> Json:
    """Take the money."""
    intent = retrieve(call)
    _must_be(intent, OPEN, "You cannot confirm this PaymentIntent")
    if call.params.get("payment_method"):
        intent["payment_method"] = methods.use(call, call.params["payment_method"])["id"]
    if intent["payment_method"] is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    return _confirm(call, intent)


@routes.add("POST", "/v1/payment_intents/{intent}/cancel", "payment_intents.cancel")
def cancel(call: Call) -> Json:
    """Close an unpaid intent."""
    intent = retrieve(call)
    _must_be(intent, (*OPEN, "processing"), "You cannot cancel this PaymentIntent")
    return close(call, intent, call.params.get("cancellation_reason"))


def close(call: Call, intent: Json, reason: str | None) -> Json:
    """Nothing can be paid any more."""
    intent.update(
        status="canceled", canceled_at=call.now, cancellation_reason=reason, next_action=None
    )
    call.save(intent)
    call.tell("payment_intent.canceled", intent)
    return intent


def _must_be(intent: Json, allowed: tuple[str, ...], message: str) -> None:
    if intent["status"] not in allowed:
        raise ApiError(
            400,
            f"{message} because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
            payment_intent=public(intent),
        )


def _confirm(call: Call, intent: Json) -> Json:
    params = call.params
    automatic = intent["automatic_payment_methods"]
    if automatic["allow_redirects"] == "always" and not params.get("return_url"):
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard."
            " Because some of these payment methods might redirect your customer off of your page,"
            " you must provide a `return_url`. If you don't want to accept redirect-based payment"
            " methods, set `automatic_payment_methods[enabled]` to `true` and"
            " `automatic_payment_methods[allow_redirects]` to `never`.",
            "return_url",
        )
    method = call.load("payment_method", intent["payment_method"], "payment_method")
    if method["_gone"] or (method["customer"] and method["customer"] != intent["customer"]):
        raise invalid(
            "The provided PaymentMethod cannot be used with this customer.", "payment_method"
        )
    attempt(
        call,
        intent,
        method,
        is_off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
    )
    if intent["last_payment_error"] is not None:
        raise _card_error(intent)
    return intent


def attempt(
    call: Call,
    intent: Json,
    method: Json,
    *,
    is_off_session: bool = False,
    return_url: str | None = None,
    is_authenticated: bool = False,
) -> Json:
    """Charge a method once. The intent says afterwards how it went; nothing is raised."""
    card = methods.behaviour(method)
    if card.code:
        return _declined(call, intent, method, card.code, card.decline)
    if card.authenticate and is_off_session:
        required = "authentication_required"
        return _declined(call, intent, method, required, required)
    if card.authenticate and not is_authenticated:
        return _must_authenticate(call, intent, method, return_url)
    charge = charges.succeed(call, intent, method)
    intent.update(
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=method["id"],
        status="succeeded",
    )
    call.save(intent)
    call.tell("payment_intent.succeeded", intent)
    if intent["customer"] and intent["setup_future_usage"]:
        methods.keep_for(call, method, intent["customer"])
    if card.dispute:
        disputes.open_dispute(call, charge, is_inquiry=card.dispute == "inquiry")
    return intent


def _declined(call: Call, intent: Json, method: Json, code: str, decline: str) -> Json:
    charge = charges.fail(call, intent, method, code, decline)
    error = {
        "charge": charge["id"],
        "code": code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": charge["failure_message"],
        "payment_method": public(method),
        "type": "card_error",
    }
    if decline:
        error["decline_code"] = decline
    intent.update(
        last_payment_error=error,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    call.save(intent)
    call.tell("payment_intent.payment_failed", intent)
    return intent


def _card_error(intent: Json) -> ApiError:
    error = {
        name: value
        for name, value in intent["last_payment_error"].items()
        if name not in {"message", "type"}
    }
    message = intent["last_payment_error"]["message"]
    return ApiError(402, message, kind="card_error", payment_intent=public(intent), **error)


def _must_authenticate(call: Call, intent: Json, method: Json, return_url: str | None) -> Json:
    page = {"return_url": return_url, "url": f"{call.base}/pay/{intent['id']}"}
    intent.update(
        last_payment_error=None,
        next_action={"redirect_to_url": page, "type": "redirect_to_url"}
        if return_url
        else {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}},
        payment_method=method["id"],
        status="requires_action",
    )
    call.save(intent)
    call.tell("payment_intent.requires_action", intent)
    return intent
