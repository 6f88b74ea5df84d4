"""What most tests of this app start from."""

import pytest

from legato_payments.lib import clock
from payments.gateways.rates.fixed import FixedRates
from payments.services import currency_rates
from tests.factories import NOW


@pytest.fixture
def rates(db: None) -> None:
    """1 USD is 1.3706 CAD and 1371.8079 NGN, at the time of the tests that choose their own."""
    currency_rates.refresh(provider=FixedRates(), now=NOW)


@pytest.fixture
def rates_today(db: None) -> None:
    """The same rates as of now, for requests: a view reads the clock itself."""
    currency_rates.refresh(provider=FixedRates(), now=clock.now())
