"""Customers."""

from tests.peers.store import Json
from tests.peers.stripe import lists
from tests.peers.stripe.calls import Call, new_id, routes

GIVEN = ("email", "name", "description", "phone", "address", "shipping")


@routes.add("POST", "/v1/customers", "customers.create")
def create(call: Call) -> Json:
    """A new customer; the same e-mail may have several, as at Stripe."""
    return make(call, call.params)


def make(call: Call, params: Json) -> Json:
    """Keep a customer."""
    customer = {
        "id": new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **{name: params[name] for name in GIVEN if name in params},
    }
    call.save(customer)
    call.tell("customer.created", customer)
    return customer


@routes.add("GET", "/v1/customers/{customer}", "customers.retrieve")
def retrieve(call: Call) -> Json:
    """One customer."""
    return call.load("customer", call.ids["customer"], "customer")


@routes.add("POST", "/v1/customers/{customer}", "customers.update")
def update(call: Call) -> Json:
    """Change what is given; metadata is merged."""
    customer = retrieve(call)
    customer.update({name: call.params[name] for name in GIVEN if name in call.params})
    merge_metadata(customer, call.params)
    call.save(customer)
    call.tell("customer.updated", customer)
    return customer


@routes.add("GET", "/v1/customers", "customers.list")
def listing(call: Call) -> Json:
    """Customers, by e-mail."""
    return lists.page(call, "/v1/customers", "customer", email=call.params.get("email"))


def merge_metadata(body: Json, params: Json) -> None:
    """Names with an empty value are removed; an empty text removes all."""
    if "metadata" not in params:
        return
    merged = {**body["metadata"], **params["metadata"]} if params["metadata"] else {}
    body["metadata"] = {name: value for name, value in merged.items() if value != ""}
