"""bank_statements.import_file(): a file of the bank comes in whole, once, or not at all"""

import hashlib
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError

from payments.gateways.bank.base import StatementUnreadable
from payments.models import AuditEntry, BankReceipt, BankStatement
from payments.services import bank_statements
from tests.ledger import books
from tests.payments.settlements import camt
from tests.payments.settlements.flows import PAID_OUT, STAFF, bring, csv_of, day, line

pytestmark = pytest.mark.django_db

Form = BankStatement.Form


def take(content: bytes, **facts: Any) -> bank_statements.Imported:
    facts = {"name": "statement", "form": "", "actor": STAFF, **facts}
    return bank_statements.import_file(content=content, now=PAID_OUT, **facts)


def test_the_file_is_kept_byte_by_byte_with_its_lines() -> None:
    content = csv_of(line(), line(amount="-12.50", reference="B-2", description="Fee"))

    done = take(content, name="C:\\bank\\november.csv", account="12345678")

    statement = BankStatement.objects.get()
    assert done.statement == statement
    assert bytes(statement.content) == content
    assert statement.sha256 == hashlib.sha256(content).hexdigest()
    assert (statement.name, statement.form) == ("november.csv", Form.CSV)
    assert (statement.account, statement.currency) == ("12345678", "USD")
    assert (statement.line_count, statement.duplicates) == (2, [])
    assert (statement.imported_by, statement.imported_at) == (STAFF, PAID_OUT)
    rows = BankReceipt.objects.order_by("line").values_list(
        "line", "booked_on", "amount_micros", "currency", "reference", "description"
    )
    assert list(rows) == [
        (2, date(2026, 11, 5), 38_530_000, "USD", "B-1", "SANDBOX PAYOUT"),
        (3, date(2026, 11, 5), -12_500_000, "USD", "B-2", "Fee"),
    ]
    assert BankReceipt.objects.open().count() == 2
    entry = AuditEntry.objects.get(action="payments.bank_statement.imported")
    assert (entry.actor, entry.object_id) == (STAFF, str(statement.pk))


def test_a_camt_file_is_known_by_itself_and_brings_account_and_balances() -> None:
    balances = [camt.balance("OPBD", "100.00"), camt.balance("CLBD", "138.53")]

    take(camt.document(camt.statement(camt.entry(), balances=balances)), account="ignored")

    statement = BankStatement.objects.get()
    assert (statement.form, statement.account) == (Form.CAMT_053, "GB33BUKB20201555555555")
    assert (statement.opening_micros, statement.closing_micros) == (100_000_000, 138_530_000)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/tmp/../etc/passwd", "passwd"),
        ("a\x00b\nc.csv", "abc.csv"),
        ("", "statement"),
        ("dir/", "statement"),
        ("x" * 300, "x" * 200),
    ],
)
def test_the_name_of_the_file_is_no_path(name: str, kept: str) -> None:
    assert take(csv_of(line()), name=name).statement.name == kept


def test_the_same_file_again_is_refused() -> None:
    take(csv_of(line()))
    before = books.fingerprint()

    with pytest.raises(bank_statements.StatementKnown, match=r"imported as statement\."):
        take(csv_of(line()), name="another name")

    assert books.fingerprint() == before


def test_a_file_with_one_wrong_line_brings_none() -> None:
    before = books.fingerprint()

    with pytest.raises(StatementUnreadable, match="line 3"):
        take(csv_of(line(), line(amount="1,00", reference="B-2")))

    assert books.fingerprint() == before


def test_a_file_in_another_form_than_was_said_is_refused() -> None:
    before = books.fingerprint()

    with pytest.raises(StatementUnreadable):
        take(csv_of(line()), form=Form.CAMT_053)
    with pytest.raises(StatementUnreadable):
        take(camt.document(camt.statement(camt.entry())), form=Form.CSV)

    assert books.fingerprint() == before


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    before = books.fingerprint()
    content = csv_of(line()) + b"x" * bank_statements.MAX_BYTES

    with pytest.raises(bank_statements.StatementTooLarge):
        take(content)

    assert books.fingerprint() == before


def test_a_line_of_the_future_is_refused() -> None:
    take(csv_of(line(date=day(6))))
    before = books.fingerprint()

    with pytest.raises(StatementUnreadable, match="lies in the future"):
        take(csv_of(line(date=day(7))))

    assert books.fingerprint() == before


class TestOverlap:
    def test_a_line_that_an_earlier_file_had_is_not_doubled(self) -> None:
        first = bring(line(reference="B-1"), line(reference="B-2"))

        second = bring(line(reference="B-2"), line(reference="B-3"), name="december.csv")

        assert BankReceipt.objects.count() == 3
        assert [receipt.reference for receipt in second.receipts] == ["B-3"]
        (earlier,) = second.duplicates.values()
        assert (earlier.statement, earlier.line) == (first.statement, 3)
        assert second.statement.duplicates == [{"line": 2, "receipt": str(earlier.pk)}]

    @pytest.mark.parametrize(
        "change", [{"reference": "B-9"}, {"date": day(4)}, {"amount": "38.54"}]
    )
    def test_another_reference_day_or_amount_is_another_line(self, change: dict[str, str]) -> None:
        bring(line())

        assert len(bring(line(**change)).receipts) == 1

    def test_the_words_of_a_line_may_differ_between_files(self) -> None:
        bring(line())

        assert bring(line(description="sandbox payout 2")).receipts == []

    def test_a_file_in_the_other_form_has_the_same_lines(self) -> None:
        bring(line())

        again = take(camt.document(camt.statement(camt.entry())))

        assert (again.receipts, list(again.duplicates)) == ([], [1])

    def test_a_file_that_brings_nothing_new_is_kept_all_the_same(self) -> None:
        bring(line(), line(reference="B-2"))

        bring(line(reference="B-2"))

        assert BankStatement.objects.count() == 2
        assert BankReceipt.objects.count() == 2

    def test_lines_that_another_import_brought_meanwhile_are_duplicates(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bring(line())
        known = bank_statements._known
        answers: list[dict[Any, BankReceipt]] = [{}]
        monkeypatch.setattr(
            bank_statements, "_known", lambda lines: answers.pop() if answers else known(lines)
        )

        late = bring(line(), line(reference="B-2"))

        assert answers == []
        assert [receipt.reference for receipt in late.receipts] == ["B-2"]
        assert list(late.duplicates) == [2]
        assert BankStatement.objects.count() == 2

    def test_the_file_itself_brought_meanwhile_is_known(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = csv_of(line())
        keep = bank_statements._keep

        def slow(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(bank_statements, "_keep", keep)
            take(content)
            return keep(*args, **kwargs)

        monkeypatch.setattr(bank_statements, "_keep", slow)

        with pytest.raises(bank_statements.StatementKnown):
            take(content)

        assert BankStatement.objects.count() == BankReceipt.objects.count() == 1


class TestDatabase:
    """What the database refuses, whoever asks."""

    @pytest.mark.parametrize(
        "change",
        [
            {"amount_micros": 1},
            {"booked_on": date(2026, 1, 1)},
            {"reference": "other"},
            {"description": "other"},
            {"currency": "CAD"},
            {"line": 9},
        ],
    )
    def test_what_the_bank_said_never_changes(self, change: dict[str, Any]) -> None:
        bring(line())

        with pytest.raises(IntegrityError, match="is forbidden"):
            BankReceipt.objects.update(**change)

    def test_no_line_is_deleted(self) -> None:
        bring(line())

        with pytest.raises(IntegrityError, match="is forbidden"):
            BankReceipt.objects.all().delete()

    @pytest.mark.parametrize(
        "change",
        [
            {"matched": "MANUAL"},
            {"explained_as": "OTHER"},
            {"decided_by": "staff:7"},
            {"is_return": True},
        ],
    )
    def test_half_a_decision_is_none(self, change: dict[str, Any]) -> None:
        bring(line())

        with pytest.raises(IntegrityError, match="bankreceipt_decided"):
            BankReceipt.objects.update(**change)
