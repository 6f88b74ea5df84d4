"""The books as each database role sees them"""

from collections.abc import Iterator

import pytest

from tests.ledger.database.roles import APP, OWNER, Books, connected


@pytest.fixture(params=[APP, OWNER])
def books(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Books]:
    """A connection of one of the two roles, in a transaction with one sale that is never kept."""
    yield from connected(request.param)


@pytest.fixture
def app_books(django_db_setup: None) -> Iterator[Books]:
    """As ``books``, of the application's role."""
    yield from connected(APP)
