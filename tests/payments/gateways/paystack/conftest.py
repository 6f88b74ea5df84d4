"""A test key, and somebody who answers in Paystack's place."""

from collections.abc import Iterator
from typing import Any

import pytest
import responses

from payments.gateways.paystack.gateway import PaystackGateway
from tests import specs
from tests.payments.gateways.paystack.rows import KEY
from tests.payments.gateways.paystack.wire import DESCRIPTION, Wire


@pytest.fixture(autouse=True)
def _our_key(settings: Any) -> None:
    settings.PAYSTACK_SECRET_KEY = KEY
    settings.PAYSTACK_OLD_SECRET_KEY = ""


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Paystack, as far as its official description goes; whatever is asked has an answer."""
    specs.path(DESCRIPTION)
    with responses.RequestsMock() as mock:
        yield Wire(mock)


@pytest.fixture
def gateway() -> PaystackGateway:
    """The gateway, with a test key."""
    return PaystackGateway()
