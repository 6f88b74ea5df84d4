"""The role of the reports reads the books and nothing else; no role is special"""

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from psycopg import errors, sql

from legato_payments.local.paths import READ_ROLE
from payments.ledger.roles import HIDDEN_FROM_REPORTS
from tests import databases
from tests.ledger.database.roles import APP, Books


@pytest.fixture
def reports(django_db_setup: None) -> Iterator[Books]:
    """A connection of the read role."""
    parameters = connections[APP].get_connection_params()
    names = ("host", "port")
    given = {name: parameters[name] for name in names if name in parameters}
    with psycopg.connect(
        **given, user=READ_ROLE, dbname=settings.TEST_DATABASE, autocommit=True
    ) as connection:
        yield connection


def test_reports_read_the_books_and_write_nothing(reports: Books) -> None:
    assert reports.execute("SELECT count(*) FROM payments_entry").fetchone() == (0,)

    for read_only in ("on", "off"):
        reports.execute(f"SET default_transaction_read_only = {read_only}")
        for statement in (
            "INSERT INTO payments_policy SELECT * FROM payments_policy",
            "UPDATE payments_coinbalance SET promo = 1000000",
            "DELETE FROM payments_policy",
            "TRUNCATE payments_policy",
            "SELECT * FROM payments_coinbalance FOR UPDATE",
            "CREATE TABLE payments_shadow (id int)",
        ):
            with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
                reports.execute(statement)


def test_reports_see_no_stored_answers_deliveries_or_people(reports: Books) -> None:
    hidden = {
        "payments_idempotencykey",
        "payments_webhookevent",
        "payments_customer",
        "payments_gatewaycustomer",
        "payments_paymentmethod",
        "payments_bankstatement",
    }
    assert hidden == HIDDEN_FROM_REPORTS
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    foreign = {
        table
        for (table,) in reports.execute(query).fetchall()
        if not table.startswith(("payments_", "revenue_", "access_"))
    }
    assert {"auth_user", "django_session"} <= foreign

    for table in sorted(hidden | foreign):
        with pytest.raises(errors.InsufficientPrivilege):
            reports.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(table)))


def test_the_roles_are_no_superusers_and_members_of_nothing(django_db_setup: None) -> None:
    with databases.connect(settings.TEST_DATABASE) as connection:
        flags = connection.execute(
            """SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,
                      rolreplication FROM pg_roles WHERE rolname LIKE 'legato\\_%' ORDER BY 1"""
        ).fetchall()
        members = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member::regrole::text LIKE 'legato\\_%'"
        ).fetchone()

    names = ["legato_app", "legato_owner", "legato_read"]
    assert flags == [(name, False, False, False, False, False) for name in names]
    assert members == (0,)
