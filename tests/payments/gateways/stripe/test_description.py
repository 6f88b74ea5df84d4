"""The judge of our requests: it must refuse, or it would prove nothing."""

import pytest

from tests.payments.gateways.stripe import description
from tests.payments.gateways.stripe.description import NotAsDescribed

OPEN_INTENT = "POST /v1/payment_intents"
OPEN_PAGE = "POST /v1/checkout/sessions"
LIST_INTENTS = "GET /v1/payment_intents"


def check(name: str, encoded: str) -> dict[str, object]:
    return description.operations()[name].check(encoded)


def test_text_becomes_what_the_schema_says_it_is() -> None:
    encoded = (
        "amount=999&currency=usd&off_session=true&automatic_payment_methods[enabled]=false"
        "&metadata[legato_reference]=42&expand[0]=latest_charge.balance_transaction"
    )

    assert check(OPEN_INTENT, encoded) == {
        "amount": 999,
        "currency": "usd",
        "off_session": True,
        "automatic_payment_methods": {"enabled": False},
        "metadata": {"legato_reference": "42"},
        "expand": ["latest_charge.balance_transaction"],
    }


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        pytest.param(OPEN_INTENT, "amount=999", id="required, left out"),
        pytest.param(OPEN_INTENT, "amount=9.99&currency=usd", id="no integer"),
        pytest.param(OPEN_INTENT, "amount=999&currency=USD", id="no currency"),
        pytest.param(OPEN_INTENT, "amount=999&currency=usd&reference=x", id="unknown"),
        pytest.param(
            OPEN_INTENT,
            "amount=999&currency=usd&automatic_payment_methods[enabled]=true"
            "&automatic_payment_methods[redirects]=never",
            id="unknown inside",
        ),
        pytest.param(
            OPEN_INTENT,
            "amount=999&currency=usd&automatic_payment_methods[enabled]=yes",
            id="no boolean",
        ),
        pytest.param(
            OPEN_INTENT,
            "amount=999&currency=usd&setup_future_usage=sometimes",
            id="not of the enumeration",
        ),
        pytest.param(
            OPEN_PAGE, "line_items[0][price_data][currency]=usd&line_items[0][amount]=9", id="old"
        ),
        pytest.param(OPEN_PAGE, "line_items[1][quantity]=1", id="list without a beginning"),
        pytest.param(OPEN_INTENT, "amount=1&amount=2&currency=usd", id="twice"),
        pytest.param(OPEN_INTENT, "amount[]=1&currency=usd", id="no key of a form"),
        pytest.param(LIST_INTENTS, "created[since]=1", id="unknown in a query"),
        pytest.param(LIST_INTENTS, "expand[0]=data.charges", id="expanded, gone"),
        pytest.param(LIST_INTENTS, "expand[0]=data.amount", id="expanded, no object"),
        pytest.param(
            LIST_INTENTS,
            "expand[0]=data.latest_charge.balance_transaction.source.payment_intent",
            id="expanded too deep",
        ),
    ],
)
def test_what_is_not_described_is_refused(name: str, encoded: str) -> None:
    with pytest.raises(NotAsDescribed):
        check(name, encoded)


@pytest.mark.parametrize(
    ("method", "path"),
    [("delete", "/v1/payment_intents"), ("get", "/v1/payment_intent"), ("post", "/v2/charges")],
)
def test_an_operation_that_does_not_exist_is_refused(method: str, path: str) -> None:
    with pytest.raises(NotAsDescribed):
        description.operation(method, path)
