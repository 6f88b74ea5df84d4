"""What every run here starts from."""

import pytest

from tests import factories
from tests.payments.reconciliation import scenes


@pytest.fixture(autouse=True)
def _neighbours(rates: None) -> None:
    """Healthy traffic in three currencies around what a test plants: it must stay silent."""
    scenes.sale("neighbour-1")
    scenes.sale("neighbour-2", currency="NGN")
    scenes.refund(scenes.sale("neighbour-3", currency="CAD"))
    scenes.dispute(scenes.sale("neighbour-4"))
    factories.start_purchase("neighbour-5")  # opened a page and went away
