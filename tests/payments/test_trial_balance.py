"""manage.py trial_balance"""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command, execute_from_command_line
from django.db import connection

from access.services import content
from payments.ledger import sealing
from payments.models import AccountDay
from tests import databases, factories
from tests.factories import READER

pytestmark = pytest.mark.django_db

OCTOBER = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
NOVEMBER = OCTOBER + timedelta(minutes=1)


@pytest.fixture
def two_months() -> None:
    """Coins in October, of which ten open a chapter one minute later, in November."""
    factories.buy_coins(name="Starter Pack", now=OCTOBER)
    factories.put_content("chapter-4", price=10, now=OCTOBER)
    sealing.seal_all(now=NOVEMBER)
    content.buy(user_id=READER, content_id="chapter-4", now=NOVEMBER, actor="user:reader-1")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("trial_balance", *arguments, stdout=out)
    return out.getvalue()


def as_json(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("--format", "json", *arguments))
    return answer


def test_lists_every_account_and_what_each_unit_comes_to(two_months: None) -> None:
    lines = [line.split() for line in run().splitlines()]

    assert lines[0] == ["Trial", "balance", "of", "all", "that", "was", "posted"]
    assert lines[1] == ["account", "unit", "debit", "credit"]
    assert ["coins_deferred", "USD", "0.891000"] in lines
    assert ["coins_issued", "COIN", "90"] in lines
    assert ["wallet", "reader-1", "COIN", "90"] in lines
    assert ["total", "of", "these", "COIN", "90", "90"] in lines
    assert ["total", "of", "these", "USD", "0.990000", "0.990000"] in lines
    assert " ".join(lines[-1]) == "All accounts: debits equal credits."


def test_a_day_counts_what_was_posted_on_it_and_before(two_months: None) -> None:
    october, november = as_json("--as-of", "2026-10-31"), as_json("--as-of", "2026-11-01")

    def held(answer: dict[str, Any]) -> dict[str, str]:
        return {row["account"]: row["credit"] for row in answer["accounts"]}

    assert (october["as_of"], november["as_of"]) == ("2026-10-31", "2026-11-01")
    assert (held(october)["wallet"], held(november)["wallet"]) == ("100", "90")
    assert held(october)["coins_deferred"] == "0.990000"
    assert "writer" not in held(october)
    assert held(november)["writer"] == "0.064350"
    assert as_json("--as-of", "2026-10-30")["accounts"] == []
    assert as_json()["accounts"] == november["accounts"]


def test_shows_some_accounts_and_judges_all(two_months: None) -> None:
    answer = as_json("--account", "coins_", "--unit", "USD")

    assert answer["accounts"] == [
        {
            "account": "coins_deferred",
            "owner": "",
            "unit": "USD",
            "debit": "0.000000",
            "credit": "0.891000",
        }
    ]
    assert answer["totals"] == [{"unit": "USD", "debit": "0.000000", "credit": "0.891000"}]
    assert answer["differences"] == {"COIN": "0", "USD": "0.000000"}


def test_a_spreadsheet_reads_it(two_months: None) -> None:
    rows = list(csv.DictReader(StringIO(run("--format", "csv"))))

    [wallet] = [row for row in rows if row["account"] == "wallet"]
    assert wallet == {
        "account": "wallet",
        "owner": "reader-1",
        "unit": "COIN",
        "debit": "0",
        "credit": "90",
    }
    assert {row["account"] for row in rows} >= {"gateway:sandbox", "platform:content", "writer"}


def test_empty_books_are_in_balance() -> None:
    assert run().splitlines()[-1] == "All accounts: debits equal credits."


@pytest.mark.parametrize("shown", [[], ["--account", "wallet"], ["--unit", "COIN"]])
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_fails_when_debits_and_credits_differ_whatever_is_shown(
    two_months: None, form: str, shown: list[str]
) -> None:
    day = AccountDay.objects.get(account__code="coins_deferred")
    AccountDay.objects.filter(pk=day.pk).update(credits=day.credits + 7)
    out, err = StringIO(), StringIO()

    with pytest.raises(SystemExit) as stopped:
        call_command("trial_balance", "--format", form, *shown, stdout=out, stderr=err)

    assert stopped.value.code == 1
    assert err.getvalue() == "Out of balance by -0.000007 USD: see verify_ledger.\n"
    assert out.getvalue()


@pytest.mark.parametrize(
    "arguments", [["--as-of", "31.10.2026"], ["--unit", "EUR"], ["--format", "xml"]]
)
def test_wrong_use_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute_from_command_line(["manage.py", "trial_balance", *arguments])

    assert stopped.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_no_entry_of_what_is_sealed_is_read() -> None:
    factories.buy_coins(name="Starter Pack", now=OCTOBER)
    sealing.seal_all(now=NOVEMBER)
    before = run()

    with databases.connect(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("ALTER TABLE payments_entry DISABLE TRIGGER USER")
        superuser.execute("UPDATE payments_entry SET amount = amount * 2")
        for name in ("no_update", "no_delete", "no_truncate", "balanced"):
            superuser.execute(
                f"ALTER TABLE payments_entry ENABLE ALWAYS TRIGGER payments_entry_{name}"
            )

    assert run() == before
