"""manage.py db_roles"""

import io
import os
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from legato_payments.lib.db_roles import ROLE_SETTINGS
from legato_payments.local import servers

pytestmark = pytest.mark.django_db(databases=["default", "owner"], transaction=True)


def run(*options: str) -> str:
    """What the command prints."""
    out = io.StringIO()
    call_command("db_roles", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def _superuser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The owner's address names a superuser, as on a server that is being set up."""
    if os.environ.get("DATABASE_URL"):
        pytest.skip("a given server keeps its roles")
    connections["owner"].close()
    monkeypatch.setitem(connections["owner"].settings_dict, "USER", servers.SUPERUSER)
    yield
    connections["owner"].close()


def test_shows_the_sql_without_running_it() -> None:
    printed = run("--dry-run", "--create")

    assert all(f'CREATE ROLE "{role}" LOGIN;' in printed for role in ROLE_SETTINGS)
    assert printed.rstrip().endswith(";")


@pytest.mark.usefixtures("_superuser")
def test_may_be_run_again_and_again() -> None:
    assert run("--create") == run("--create")
    assert all(role in run("--create") for role in ROLE_SETTINGS)


def test_does_nothing_unasked() -> None:
    with pytest.raises(CommandError, match="--create") as refusal:
        run()

    assert refusal.value.returncode == 2
