"""manage.py import_bank_statement and settlements"""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from legato_payments.lib import clock
from payments.gateways.sandbox import settlements as sandbox
from payments.gateways.values import SettlementStatus
from payments.models import BankReceipt, BankStatement, SandboxLine
from payments.services import settlements
from tests.ledger import books
from tests.payments.settlements import camt
from tests.payments.settlements.flows import (
    DAY,
    SANDBOX,
    bring,
    csv_of,
    line,
    record,
    sell,
    state,
)

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was printed on both streams."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


class TestImport:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A statement with one line of 100 USD."""
        path = tmp_path / "november.csv"
        path.write_bytes(csv_of(line(amount="100.00"), line(amount="-5.00", reference="B-2")))
        return path

    def test_imports_a_file_and_says_what_it_matched(self, file: Path) -> None:
        record()

        code, out, _ = run("import_bank_statement", str(file))

        assert code == 0
        statement = BankStatement.objects.get()
        assert out.splitlines() == [
            "matched       B-1 with settlement po_1",
            f"Lines: 2, new: 2, matched: 1 (SHA-256 {statement.sha256}).",
        ]
        assert (statement.name, statement.imported_by) == (
            "november.csv",
            "system:import-bank-statement",
        )

    def test_names_what_was_here_before(self, file: Path) -> None:
        bring(line(reference="A-1"), line(amount="-5.00", reference="B-2"), name="october.csv")

        code, out, _ = run("import_bank_statement", str(file))

        assert code == 0
        assert "already here  line 3, as line 3 of october.csv" in out
        assert "Lines: 2, new: 1, matched: 0" in out

    def test_takes_format_account_and_person(self, tmp_path: Path) -> None:
        person = User.objects.create_user("olga", password="unused", is_staff=True)
        path = tmp_path / "statement.xml"
        path.write_bytes(camt.document(camt.statement(camt.entry(), account="")))
        named = ("--format", "camt.053", "--account", "12345678", "--staff", "olga")

        assert run("import_bank_statement", str(path), *named)[0] == 0

        statement = BankStatement.objects.get()
        assert (statement.form, statement.account) == ("CAMT_053", "12345678")
        assert statement.imported_by == f"staff:{person.pk}"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (csv_of(line(amount="1e3")), "line 2: '1e3' is no amount such as 1234.50"),
            (b"\x00\xff", "line 1: this is not UTF-8"),
            (b"<Document/>", "this is no camt.053.001"),
        ],
    )
    def test_a_file_that_is_refused_is_a_failure(
        self, tmp_path: Path, content: bytes, words: str
    ) -> None:
        path = tmp_path / "statement"
        path.write_bytes(content)
        before = books.fingerprint()

        code, out, err = run("import_bank_statement", str(path))

        assert (code, out) == (1, "")
        assert words in err
        assert books.fingerprint() == before

    def test_the_same_file_again_is_a_failure(self, file: Path) -> None:
        run("import_bank_statement", str(file))
        before = books.fingerprint()

        code, _, err = run("import_bank_statement", str(file))

        assert code == 1
        assert "imported as november.csv" in err
        assert books.fingerprint() == before

    @pytest.mark.parametrize("extra", [["--staff", "nobody"], ["--format", "xlsx"]])
    def test_wrong_use_is_another_failure(self, file: Path, extra: list[str]) -> None:
        before = books.fingerprint()

        # From a command line argparse exits with 2; here Django raises.
        code, _, _ = run("import_bank_statement", str(file), *extra)

        assert code == (2 if "--staff" in extra else 1)
        assert books.fingerprint() == before

    def test_a_file_that_is_not_there_is_wrong_use(self, tmp_path: Path) -> None:
        code, _, err = run("import_bank_statement", str(tmp_path / "absent.csv"))

        assert code == 2
        assert "No such file" in err


class TestSettlements:
    @pytest.fixture
    def today(self) -> Any:
        """Sold three days ago and paid out today: 38.53 USD."""
        now = clock.now()
        sell(now=now - 3 * DAY)
        (made,) = sandbox.make(now=now)
        settlements.collect(provider=SANDBOX, now=now)
        return made

    def test_lists_each_with_its_lines_and_the_banks_word(self, today: Any) -> None:
        code, out, err = run("settlements", "--format", "json")

        (row,) = json.loads(out)["settlements"]
        assert (code, err) == (0, "")
        assert (row["provider"], row["gateway_id"], row["status"]) == ("SANDBOX", today.pk, "PAID")
        assert (row["amount"], row["currency"], row["bank"]) == ("38.53", "USD", "NOT_YET")
        assert (row["charges"], row["fees"]) == ("39.99", "-1.46")
        assert (row["lines_net"], row["difference"]) == ("38.53", "0.00")

    def test_lists_lines_that_nobody_has_placed(self, today: Any) -> None:
        bring(line(date=clock.now().date().isoformat(), amount="5.00"), now=clock.now())

        code, out, _ = run("settlements", "--format", "json")

        assert code == 0
        (row,) = json.loads(out)["open_lines"]
        assert (row["amount"], row["reference"], row["statement"]) == (
            "5.00",
            "B-1",
            "november.csv",
        )
        assert "Open lines of the bank: 1" in run("settlements")[1]

    def test_says_so_when_there_is_nothing(self) -> None:
        assert run("settlements") == (0, "No settlements, and no open line of the bank.\n", "")

    def test_one_that_the_bank_does_not_have_is_a_failure(self) -> None:
        record()

        code, out, err = run("settlements")

        assert code == 1
        assert "OVERDUE" in out
        assert err == "po_1 is overdue at the bank.\n"

    def test_one_that_differs_from_its_lines_is_a_failure(self, today: Any) -> None:
        SandboxLine.objects.update(gross_minor=3_990)
        sell("reader-2", now=clock.now() - 3 * DAY)
        sandbox.make(now=clock.now())
        SandboxLine.objects.filter(gross_minor=3_999).update(gross_minor=4_000)
        settlements.collect(provider=SANDBOX, now=clock.now())

        code, _, err = run("settlements")

        assert code == 1
        assert err.count("differs from its own lines by -0.01 USD") == 1

    def test_shows_a_provider_and_some_days(self, today: Any) -> None:
        settlements.record(provider="STRIPE", state=state(), now=clock.now())

        def ids(*arguments: str) -> set[str]:
            rows = list(csv.DictReader(StringIO(run("settlements", *arguments)[1])))
            return {row["gateway_id"] for row in rows}

        everything = {"po_1", today.pk}
        assert ids("--format", "csv") == everything
        assert ids("--format", "csv", "--provider", "stripe") == {"po_1"}
        assert ids("--format", "csv", "--from", "2026-11-05", "--to", "2026-11-05") == {"po_1"}
        assert ids("--format", "csv", "--to", "2026-11-04") == set()

    def test_words_of_a_gateway_are_no_formulas(self) -> None:
        record(gateway_id="=1+1", bank_reference="@SUM(A1)", amount=state().amount)

        _, out, _ = run("settlements", "--format", "csv")

        (row,) = csv.DictReader(StringIO(out))
        assert (row["gateway_id"], row["bank_reference"]) == ("'=1+1", "'@SUM(A1)")
        assert row["amount"] == "100.00"

    def test_what_the_bank_has_is_received(self) -> None:
        record()
        bring(line(amount="100.00"))
        record(status=SettlementStatus.FAILED)
        bring(line(amount="-100.00", reference="B-2"))

        code, out, _ = run("settlements", "--format", "json")

        assert code == 0
        (row,) = json.loads(out)["settlements"]
        assert (row["status"], row["bank"]) == ("RETURNED", "CAME_BACK")
        assert BankReceipt.objects.open().count() == 0
