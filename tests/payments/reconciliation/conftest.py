"""What every run here starts from."""

import pytest

from tests import factories
from tests.payments.reconciliation import scenes


@pytest.fixture(autouse=True)
def _neighbours(request: pytest.FixtureRequest) -> None:
    """Healthy traffic in three currencies around what a test plants: it must stay silent."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or marker.kwargs.get("transaction"):
        return  # tests that commit count all there is
    request.getfixturevalue("rates")
    scenes.sale("neighbour-1")
    scenes.sale("neighbour-2", currency="NGN")
    scenes.refund(scenes.sale("neighbour-3", currency="CAD"))
    scenes.dispute(scenes.sale("neighbour-4"))
    factories.start_purchase("neighbour-5")  # opened a page and went away
