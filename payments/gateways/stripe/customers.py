"""Readers as Stripe knows them, and the methods they let us keep."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import stripe

from payments.gateways import base
from payments.gateways.stripe.answers import PAGE, Object, ask, find, walk
from payments.gateways.stripe.fields import id_of, method_of
from payments.gateways.values import CustomerRef, SavedMethod

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams

USER = "legato_user_id"
"""The metadata of a customer that holds our reader's id."""


def ensure(client: stripe.StripeClient, customer: CustomerRef, *, key: str) -> str:
    """Stripe's id of a reader, made when the reader has none. Keep it: it is not looked up."""
    if customer.gateway_id:
        return customer.gateway_id
    params: CustomerCreateParams = {"metadata": {USER: customer.user_id}}
    if customer.email:
        params["email"] = customer.email
    return ask(
        lambda: client.v1.customers.create(params, {"idempotency_key": key}),
        lambda made: str(made["id"]),
    )


def methods(client: stripe.StripeClient, customer_id: str) -> Iterator[SavedMethod]:
    """What a customer's payments can be made with."""
    return walk(
        lambda: client.v1.customers.payment_methods.list(customer_id, {"limit": PAGE}),
        lambda method: method_of(method["id"], customer_id, method),
    )


def detach(client: stripe.StripeClient, token: str, *, key: str) -> None:
    """Forget a saved method. One that is forgotten already, or was never there, is fine.

    Raises:
        base.InvalidRequest: It is still kept.
    """
    try:
        ask(
            lambda: client.v1.payment_methods.detach(token, {}, {"idempotency_key": key}),
            _owner,
        )
    except base.InvalidRequest:
        if find(lambda: client.v1.payment_methods.retrieve(token), _owner):
            raise


def _owner(method: Object) -> str:
    return id_of(method["customer"])
