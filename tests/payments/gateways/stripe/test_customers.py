"""Customers, the methods they let us keep, and what a sale to them is taxed with."""

from dataclasses import replace

import pytest

from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.stripe.tax import Address
from payments.gateways.values import CustomerRef, SavedMethod
from tests.payments.gateways.stripe import objects
from tests.payments.gateways.stripe.peer import Refusal, StrictPeer

MAKE = "POST /v1/customers"
METHODS = "GET /v1/customers/{customer}/payment_methods"
DETACH = "POST /v1/payment_methods/{payment_method}/detach"
READ_METHOD = "GET /v1/payment_methods/{payment_method}"
TAX = "POST /v1/tax/calculations"

READER = CustomerRef("reader-1", email="reader@legato.example")
NOT_ATTACHED = Refusal(400, {"type": "invalid_request_error", "message": "not attached"})


def test_makes_a_customer_with_our_id(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(MAKE, objects.example("customer", id="cus_1"))

    assert gateway.ensure_customer(READER, key="customer:reader-1") == "cus_1"
    assert peer.only(MAKE).key == "customer:reader-1"
    assert peer.only(MAKE).params == {
        "email": "reader@legato.example",
        "metadata": {"legato_user_id": "reader-1"},
    }


def test_makes_no_customer_twice(gateway: StripeGateway, peer: StrictPeer) -> None:
    known = replace(READER, gateway_id="cus_1")

    assert gateway.ensure_customer(known, key="customer:reader-1") == "cus_1"
    assert peer.calls == []


def test_lists_saved_methods(gateway: StripeGateway, peer: StrictPeer) -> None:
    card = {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2030}
    peer.will_answer(
        METHODS,
        objects.page(
            objects.example("payment_method", id="pm_1", type="card", card=card),
            objects.example("payment_method", id="pm_2", type="link", link={"email": "x@y.z"}),
        ),
    )

    assert gateway.list_methods("cus_1") == [
        SavedMethod("pm_1", "cus_1", "card", "visa", "4242", "2030-08"),
        SavedMethod("pm_2", "cus_1", "link"),
    ]
    assert peer.only(METHODS).path == "/v1/customers/cus_1/payment_methods"


def test_forgets_a_method(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(DETACH, objects.example("payment_method", customer=None))

    gateway.detach_method("pm_1", key="method:1:detach")

    assert peer.names == [DETACH]
    assert peer.only(DETACH).key == "method:1:detach"


def test_forgets_a_method_that_is_forgotten(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(DETACH, NOT_ATTACHED)
    peer.will_answer(READ_METHOD, objects.example("payment_method", customer=None))

    gateway.detach_method("pm_1", key="method:1:detach")

    assert peer.names == [DETACH, READ_METHOD]


def test_forgets_a_method_that_was_never_there(gateway: StripeGateway, peer: StrictPeer) -> None:
    missing = Refusal(400, {"type": "invalid_request_error", "code": "resource_missing"})
    peer.will_answer(DETACH, missing)
    peer.will_answer(READ_METHOD, missing)

    gateway.detach_method("pm_1", key="method:1:detach")

    assert peer.names == [DETACH, READ_METHOD]


def test_does_not_call_a_method_forgotten_that_is_kept(
    gateway: StripeGateway, peer: StrictPeer
) -> None:
    peer.will_answer(DETACH, NOT_ATTACHED)
    peer.will_answer(READ_METHOD, objects.example("payment_method", customer="cus_1"))

    with pytest.raises(base.InvalidRequest):
        gateway.detach_method("pm_1", key="method:1:detach")


def test_the_tax_to_be_added_is_asked_for(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(TAX, objects.example("tax.calculation", tax_amount_exclusive=130))

    tax = gateway.calculate_tax(
        price=Money.from_minor(999, "CAD"),
        reference="p1",
        address=Address(
            "CA", state="ON", postal_code="M5V 2T6", city="Toronto", line1="1 Front St"
        ),
        tax_code="txcd_10000000",
        key="tax:p1",
    )

    assert tax == 130
    assert peer.only(TAX).key == "tax:p1"
    assert peer.only(TAX).params == {
        "currency": "cad",
        "line_items": [
            {
                "amount": 999,
                "reference": "p1",
                "tax_behavior": "exclusive",
                "tax_code": "txcd_10000000",
            }
        ],
        "customer_details": {
            "address": {
                "country": "CA",
                "state": "ON",
                "postal_code": "M5V 2T6",
                "city": "Toronto",
                "line1": "1 Front St",
            },
            "address_source": "billing",
        },
    }


def test_an_address_may_be_a_country_alone(gateway: StripeGateway, peer: StrictPeer) -> None:
    peer.will_answer(TAX, objects.example("tax.calculation", tax_amount_exclusive=0))

    tax = gateway.calculate_tax(
        price=Money.from_minor(999, "USD"), reference="p1", address=Address("FR"), key="tax:p1"
    )

    assert tax == 0
    assert peer.only(TAX).params["customer_details"]["address"] == {"country": "FR"}
