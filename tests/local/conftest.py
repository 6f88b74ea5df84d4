"""Stacks in processes of their own, with their own folders and ports."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from legato_payments.local import accounts
from legato_payments.local.processes import User
from tests.local.stacks import ORDINARY, OURSELVES, Account, Stack, ordinary_account


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may pass through, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="legato-local-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=[OURSELVES, ORDINARY] if os.geteuid() == 0 else [OURSELVES])
def account(request: pytest.FixtureRequest) -> Account:
    """Whom the stack runs as: us, and when we are root also an ordinary user."""
    if request.param == OURSELVES:
        return Account(prefix=[], user=None)
    found = ordinary_account()
    if found is None:
        pytest.skip("no other account of this machine can run our Python")
    return found


@pytest.fixture
def stack(folder: Path, account: Account) -> Iterator[Stack]:
    """A small stack that is not started yet; whatever is left of it is ended afterwards."""
    made = Stack(folder, account)
    yield made
    made.end()


@pytest.fixture
def our_stack(folder: Path) -> Iterator[Stack]:
    """The same, run by whoever runs the tests."""
    made = Stack(folder, Account(prefix=[], user=None))
    yield made
    made.end()


@pytest.fixture
def only_as_root() -> User:
    """The account PostgreSQL steps down to, for what happens to root alone."""
    user = accounts.for_postgres()
    if user is None:
        pytest.skip("only root steps down to another account")
    return user
