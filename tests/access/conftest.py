"""People and chapters of the access tests."""

import pytest

from tests import factories
from tests.factories import READER


@pytest.fixture
def reader() -> str:
    """A reader with an Ultimate Pack: 6,600 coins worth 39.99 dollars."""
    factories.buy_coins(READER, "Ultimate Pack")
    return READER


@pytest.fixture
def poor_reader() -> str:
    """A reader with a Starter Pack: 100 coins worth 0.99 dollars."""
    factories.buy_coins(READER, "Starter Pack")
    return READER
