"""Checkout sessions: the hosted page of one payment."""

from tests.peers.store import Json
from tests.peers.stripe import customers, intents, lists, methods
from tests.peers.stripe.calls import Call, invalid, new_id, routes

KIND = "checkout.session"
HALF_AN_HOUR, A_DAY = 1_800, 86_400
TEXTS = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
CLOCKS_APART = 60
"""Seconds that the caller's clock and ours may differ."""


@routes.add("POST", "/v1/checkout/sessions", "checkout.sessions.create")
def create(call: Call) -> Json:
    """Open a page. There is no payment intent before the customer pays."""
    params = call.params
    _check(call, params)
    items = [_item(call, item) for item in params["line_items"]]
    total = sum(item["amount_total"] for item in items)
    currency = items[0]["currency"]
    intents.check_amount(total, currency)
    session_id = new_id("cs_test_", 58)
    session = {
        "id": session_id,
        "object": KIND,
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": call.now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(TEXTS),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None
        if params.get("customer")
        else params.get("customer_creation", "if_required"),
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": params.get("expires_at", call.now + A_DAY),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": params.get("metadata") or {},
        "mode": params["mode"],
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{call.base}/pay/{session_id}",
        "wallet_options": None,
        "_line_items": items,
        "_intent": params.get("payment_intent_data") or {},
    }
    return call.save(session)


def _check(call: Call, params: Json) -> None:
    if params.get("mode") != "payment":
        raise invalid("This peer knows `mode=payment` only.", "mode")
    if not params.get("line_items"):
        raise invalid("`line_items` is required in payment mode.", "line_items")
    if not params.get("success_url"):
        raise invalid("Missing required param: success_url.", "success_url", "parameter_missing")
    if params.get("customer") and params.get("customer_email"):
        raise invalid("You may only specify one of these parameters: customer, customer_email.")
    if params.get("customer"):
        call.load("customer", params["customer"], "customer")
    if (expires_at := params.get("expires_at")) is not None:
        wait = expires_at - call.now
        if not HALF_AN_HOUR - CLOCKS_APART <= wait <= A_DAY + CLOCKS_APART:
            raise invalid(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
                "expires_at",
            )


def _item(call: Call, given: Json) -> Json:
    data = given.get("price_data")
    if not data or "unit_amount" not in data:
        raise invalid("This peer knows `price_data[unit_amount]` only.", "line_items")
    quantity = given.get("quantity", 1)
    amount = data["unit_amount"] * quantity
    name = data.get("product_data", {}).get("name", "")
    return {
        "id": new_id("li_"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": data["currency"],
        "description": name,
        "metadata": {},
        "price": {
            "id": new_id("price_"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": call.now,
            "currency": data["currency"],
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": data.get("product") or new_id("prod_", 14),
            "recurring": None,
            "tax_behavior": data.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": data["unit_amount"],
            "unit_amount_decimal": str(data["unit_amount"]),
        },
        "quantity": quantity,
    }


@routes.add("GET", "/v1/checkout/sessions/{session}", "checkout.sessions.retrieve")
def retrieve(call: Call) -> Json:
    """One session."""
    expire_due(call)
    return call.load(KIND, call.ids["session"], "session")


@routes.add("GET", "/v1/checkout/sessions", "checkout.sessions.list")
def listing(call: Call) -> Json:
    """Sessions, by time, customer, payment intent and status."""
    expire_due(call)
    params = call.params
    return lists.page(
        call,
        "/v1/checkout/sessions",
        KIND,
        customer=params.get("customer"),
        payment_intent=params.get("payment_intent"),
        status=params.get("status"),
    )


@routes.add("GET", "/v1/checkout/sessions/{session}/line_items", "checkout.sessions.line_items")
def line_items(call: Call) -> Json:
    """What is bought."""
    session = retrieve(call)
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return {"object": "list", "data": session["_line_items"], "has_more": False, "url": url}


@routes.add("POST", "/v1/checkout/sessions/{session}/expire", "checkout.sessions.expire")
def expire(call: Call) -> Json:
    """Close the page."""
    session = retrieve(call)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session'
            f" has a status of {session['status']}."
        )
    return _expire(call, session)


def expire_due(call: Call) -> None:
    """Close the pages whose time is over."""
    for session in call.store.find(KIND, status="open", at_most=("expires_at", call.now)):
        _expire(call, session)


def _expire(call: Call, session: Json) -> Json:
    session.update(status="expired", url=None)
    call.save(session)
    call.tell("checkout.session.expired", session)
    if session["payment_intent"]:
        intent = call.load("payment_intent", session["payment_intent"])
        intents.close(call, intent, "expired")
    return session


def pay(call: Call, session: Json, method_id: str, *, is_authenticated: bool = True) -> Json:
    """Do what a customer does on the page; a declined card leaves it open.

    Raises:
        ApiError: The page is closed.
    """
    if session["status"] != "open":
        raise invalid(f"This session is {session['status']}.")
    intent = _intent(call, session)
    method = methods.use(call, method_id)
    intents.attempt(
        call,
        intent,
        method,
        return_url=session["success_url"],
        is_authenticated=is_authenticated,
    )
    if intent["status"] == "succeeded":
        complete(call, session, intent)
    return session


def complete(call: Call, session: Json, intent: Json) -> None:
    """The payment of a page succeeded."""
    email = session["customer_email"]
    if session["customer"]:
        email = call.load("customer", session["customer"])["email"]
    session.update(
        customer_details={
            "address": None,
            "business_name": None,
            "email": email,
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        payment_status="paid",
        status="complete",
        url=None,
    )
    call.save(session)
    call.tell("checkout.session.completed", session)


def _intent(call: Call, session: Json) -> Json:
    """The session's payment intent, made at the first attempt."""
    if session["payment_intent"]:
        return call.load("payment_intent", session["payment_intent"])
    data = session["_intent"]
    if not session["customer"] and (
        session["customer_creation"] == "always" or data.get("setup_future_usage")
    ):
        details = {"email": session["customer_email"]} if session["customer_email"] else {}
        session["customer"] = customers.make(call, details)["id"]
    intent = intents.make(
        call,
        {
            **data,
            "amount": session["amount_total"],
            "currency": session["currency"],
            "customer": session["customer"],
        },
    )
    session["payment_intent"] = intent["id"]
    call.save(session)
    return intent
