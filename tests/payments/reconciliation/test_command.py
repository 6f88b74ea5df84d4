"""manage.py reconcile: a table per gateway and day, then what is open"""

import csv
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line

from legato_payments.lib import clock
from payments.gateways.base import Unavailable
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.models import Difference, ReconciliationRun, SandboxCharge, SandboxLine
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: scenes.LATER)


@pytest.fixture
def monthly_fee() -> SandboxLine:
    """9.90 USD that only the gateway knows."""
    return SandboxLine.objects.create(
        kind="FEE", source_id="monthly", gross_minor=-990, currency="USD", occurred_at=NOW
    )


def run(*arguments: str, code: int = 0) -> str:
    """What the command printed, which ended with ``code``."""
    out, err = StringIO(), StringIO()
    ended = 0
    try:
        call_command("reconcile", *arguments, stdout=out, stderr=err)
    except SystemExit as stopped:
        ended = int(stopped.code or 0)
    assert ended == code, out.getvalue()
    return out.getvalue()


def test_says_that_nothing_is_open() -> None:
    lines = run().splitlines()

    assert lines[0] == "SANDBOX, 2026-10-31 to before 2026-11-03 00:00 UTC"
    [usd] = [line for line in lines if "USD" in line]
    assert usd.split() == ["2026-11-02", "USD", "22.07", "22.07", "0.00", "0.00", "3", "0", "none"]
    assert lines[-1] == "6 matched, 0 repaired, nothing is open."


def test_lists_what_is_open_and_exits_with_1(monthly_fee: SandboxLine) -> None:
    lines = run(code=1).splitlines()

    [usd] = [line for line in lines if line.startswith("2026-11-02  USD ")]
    assert usd.split()[2:6] == ["12.17", "22.07", "0.00", "-9.90"]
    assert usd.endswith("MISSING_HERE 1")
    [told] = [line for line in lines if "LEDGER_LINE MISSING_HERE" in line]
    assert "-9.90 USD  ours: nothing; theirs: line sbl_" in told
    assert lines[-1] == "6 matched, 0 repaired, 1 open."


def test_again_it_says_what_is_gone(monthly_fee: SandboxLine) -> None:
    run(code=1)
    monthly_fee.delete()

    assert run().endswith("nothing is open, 1 gone by themselves.\n")


def test_other_programs_read_it(monthly_fee: SandboxLine) -> None:
    [report] = json.loads(run("--format", "json", code=1))

    [usd] = [day for day in report["days"] if day["currency"] == "USD"]
    assert (usd["gateway_net"], usd["ledger_net"], usd["difference"]) == ("12.17", "22.07", "-9.90")
    assert usd["open"]["MISSING_HERE"] == 1
    [found] = report["open"]
    assert (found["class"], found["ours"], found["theirs"]["kind"]) == ("MISSING_HERE", None, "FEE")
    assert found["gap"] == {"amount": "-9.90", "currency": "USD"}


def test_a_spreadsheet_reads_it(monthly_fee: SandboxLine) -> None:
    rows = list(csv.DictReader(StringIO(run("--format", "csv", code=1))))

    [usd] = [row for row in rows if row["currency"] == "USD"]
    assert (usd["provider"], usd["day"]) == ("SANDBOX", "2026-11-02")
    assert (usd["gateway_gross"], usd["gateway_fee"]) == ("30.09", "17.92")
    assert (usd["matched"], usd["MISSING_HERE"], usd["AMOUNT"]) == ("3", "1", "0")


def test_what_has_no_amount_has_a_row_too() -> None:
    purchase = scenes.sale()
    SandboxCharge.objects.filter(reference=purchase.reference).update(
        currency="CAD", fee_minor=None
    )

    lines = run(code=1).splitlines()

    [none] = [line for line in lines if line.startswith("2026-11-02  - ")]
    assert none.endswith("CURRENCY 1")


def test_writes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"

    assert run("--format", "csv", "--output", str(path)) == ""

    assert path.read_text().startswith("provider,day,currency,")


def test_a_dry_run_writes_nothing_down(monthly_fee: SandboxLine) -> None:
    scenes.paid_unheard("ann")
    before = books.fingerprint()

    told = run("--dry-run", code=1)

    assert books.fingerprint() == before
    assert "CHARGE MISSING_HERE" in told
    assert books_of.coins("ann") == 0


def test_progress_is_no_data() -> None:
    out, err = StringIO(), StringIO()

    call_command("reconcile", "--day", "2026-11-02", stdout=out, stderr=err)

    assert err.getvalue() == "SANDBOX 2026-11-02\n"
    assert "SANDBOX, 2026-11-02 to before 2026-11-03" in out.getvalue()


def test_a_gateway_that_does_not_answer_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> Any:
        raise Unavailable("connection refused", gateway="SANDBOX")

    monkeypatch.setattr(SandboxGateway, "list_charges", silent)

    with pytest.raises(CommandError, match="SANDBOX: connection refused") as failed:
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())

    assert failed.value.returncode == 1
    assert not Difference.objects.exists()


def test_a_run_under_way_exits_with_1() -> None:
    ReconciliationRun.objects.create(
        provider="SANDBOX",
        starts_at=NOW,
        ends_at=scenes.LATER,
        actor="system:x",
        started_at=scenes.LATER,
        locked_until=scenes.LATER + timedelta(hours=1),
    )

    with pytest.raises(CommandError, match="being compared right now") as failed:
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())

    assert failed.value.returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--day", "2026-11-02", "--from", "2026-11-01"],
        ["--from", "2026-11-02", "--to", "2026-11-01"],
        ["--day", "2027-01-01"],
        ["--provider", "PAYSTACK"],
    ],
)
def test_days_or_gateways_that_make_no_sense_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as failed:
        call_command("reconcile", *arguments, stdout=StringIO(), stderr=StringIO())

    assert failed.value.returncode == 2
    assert not ReconciliationRun.objects.exists()


@pytest.mark.parametrize(
    "arguments", [["--day", "2.11.2026"], ["--provider", "NOBODY"], ["--format", "xml"]]
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute_from_command_line(["manage.py", "reconcile", *arguments])

    assert stopped.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err
