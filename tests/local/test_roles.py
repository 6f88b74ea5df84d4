"""The application's and the reader's roles are held to limits by the database itself."""

import psycopg
import pytest
from django.conf import settings

from legato_payments.lib import db_roles
from legato_payments.local import paths
from tests import databases

pytestmark = pytest.mark.django_db


def as_role(role: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        paths.database_url(role, settings.TEST_DATABASE), autocommit=True, connect_timeout=5
    )


@pytest.mark.parametrize("role", [paths.APP_ROLE, paths.READ_ROLE])
def test_a_session_starts_with_its_limits(role: str) -> None:
    with as_role(role) as connection:
        for name, value in db_roles.ROLE_SETTINGS[role].items():
            found = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert found in {(value,), ("1min",)}


def test_the_reader_writes_nothing() -> None:
    refusal = pytest.raises(psycopg.errors.ReadOnlySqlTransaction)

    with as_role(paths.READ_ROLE) as connection, refusal:
        connection.execute("CREATE TABLE mine ()")


def test_the_application_makes_no_tables() -> None:
    refusal = pytest.raises(psycopg.errors.InsufficientPrivilege)

    with as_role(paths.APP_ROLE) as connection, refusal:
        connection.execute("CREATE TABLE mine ()")


def test_making_the_roles_again_changes_nothing() -> None:
    query = "SELECT rolname, rolconfig FROM pg_roles WHERE rolname LIKE 'legato%' ORDER BY 1"
    with databases.connect(settings.TEST_DATABASE) as connection:
        before = connection.execute(query).fetchall()

        db_roles.apply(connection, database=settings.TEST_DATABASE)

        assert connection.execute(query).fetchall() == before
        assert not db_roles.create_database(connection, database=settings.TEST_DATABASE)
