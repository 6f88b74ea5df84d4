"""GET /api/v1/payments/currency-rates"""

from datetime import timedelta
from decimal import Decimal

import pytest

from legato_payments.lib import clock
from payments.gateways.rates.base import Quote
from payments.services import currency_rates
from tests.clients import PAYMENTS, api

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/currency-rates"


@pytest.mark.usefixtures("rates_today")
def test_shows_the_newest_rate_of_each_currency_to_anybody() -> None:
    answer = api().get(URL)

    assert answer.status_code == 200
    row = {"base": "USD", "as_of": clock.now().date().isoformat(), "source": "fixed"}
    assert answer.json() == {
        "next": None,
        "previous": None,
        "results": [
            {**row, "quote": "CAD", "rate": "1.3706"},
            {**row, "quote": "NGN", "rate": "1371.8079"},
        ],
    }


def test_shows_nothing_before_the_first_rate() -> None:
    assert api().get(URL).json()["results"] == []


def test_shows_neither_history_nor_exponents() -> None:
    now = clock.now()
    for days, figure in ((2, "1300"), (1, "1400"), (0, "1500")):
        as_of = (now - timedelta(days=days)).date()
        quote = Quote("USD", "NGN", Decimal(figure), as_of, "manual")
        currency_rates.record(quote=quote, actor="staff:1", now=now)

    [row] = api().get(URL).json()["results"]

    assert row["rate"] == "1500"


def test_takes_no_parameters() -> None:
    assert api().get(URL, {"base": "USD"}).status_code == 400
