"""gateways.bank.csv_file: plain CSV statements, or a refusal that names the line"""

import csv
import io
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato_payments.lib.money import Money
from payments.gateways.bank import csv_file
from payments.gateways.bank.base import Line, StatementUnreadable
from tests.payments.settlements.flows import COLUMNS, csv_of, line

type Row = tuple[date, int, str, str]

HEADER = b"date,amount,currency,reference,description\n"
GOOD = b"2026-11-02,10.00,USD,R-1,Payout\n"


def refused(content: bytes) -> StatementUnreadable:
    with pytest.raises(StatementUnreadable) as error:
        csv_file.read(content)
    return error.value


def test_reads_what_a_bank_writes() -> None:
    content = csv_of(
        line(), line(amount="-12.5", reference="B-2", description='Fee, "monthly"; für Mai ₦')
    )

    statement = csv_file.read(content)

    assert (statement.currency, statement.account) == ("USD", "")
    assert (statement.opening, statement.closing) == (None, None)
    first, second = statement.lines
    assert first == Line(
        number=2,
        booked_on=date(2026, 11, 5),
        amount=Money.parse("38.53", "USD"),
        reference="B-1",
        description="SANDBOX PAYOUT",
    )
    assert (second.number, second.amount) == (3, Money.parse("-12.50", "USD"))
    assert second.description == 'Fee, "monthly"; für Mai ₦'


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER + GOOD,
        (HEADER + GOOD).replace(b"\n", b"\r\n"),
        HEADER + GOOD.rstrip(b"\n"),
        HEADER + b'"2026-11-02","10.00","USD","R-1","Payout"\n',
    ],
    ids=["byte order mark", "lines of Windows", "no last line break", "all in quotes"],
)
def test_reads_what_spreadsheets_make_of_it(content: bytes) -> None:
    assert csv_file.read(content).lines == csv_file.read(HEADER + GOOD).lines


@pytest.mark.parametrize(
    "amount",
    [
        *("", " ", "-", "+1.00", "--1.00", "1-", "(1.00)", "1,00", "1.000,00", "1 000", "1_000"),
        *("1e3", "1E+3", "0x10", "NaN", "Infinity", "-inf", "1.", ".50", "1.001", "0.0000001"),
        *("$1.00", "1.00 USD", "١٢٣", "１２.00", "1/2", "=1+1", "=SUM(A1:A9)", "@SUM(1)"),
        *("1000000000000.00", "9" * 400, "1.00\x00", "None", "true", "−1.00"),
    ],
)
def test_an_amount_that_is_no_plain_decimal_is_refused(amount: str) -> None:
    error = refused(csv_of(line(), line(amount=amount, reference="B-2")))

    assert str(error).startswith("line 3: ")
    assert [one.pointer for one in error.errors] == ["/lines/3/amount"]


@pytest.mark.parametrize(
    "day",
    [
        *("", "today", "02.11.2026", "11/02/2026", "2026-11-31", "2026-2-1", "20261102"),
        *("2026-W45-1", "2026-11-02T00:00:00", " 2026-11-02", "٢٠٢٦-11-02", "=TODAY()"),
    ],
)
def test_a_day_in_another_order_is_refused(day: str) -> None:
    error = refused(csv_of(line(date=day)))

    assert str(error).startswith("line 2: ")
    assert [one.pointer for one in error.errors] == ["/lines/2/date"]


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"currency": "EUR"}, "currency", "we keep no books in 'EUR'"),
        ({"currency": "usd"}, "currency", "we keep no books in 'usd'"),
        ({"currency": ""}, "currency", "we keep no books in ''"),
        ({"currency": "COIN"}, "currency", "we keep no books in 'COIN'"),
        ({"reference": ""}, "reference", "the bank's reference is missing"),
        ({"reference": "x" * 101}, "reference", "the reference has more than 100 characters"),
        ({"reference": "B\x001"}, "reference", "there is a control character in the text"),
        ({"description": "a\x00b"}, "description", "there is a control character in the text"),
        ({"description": "a\nb"}, "description", "there is a control character in the text"),
        ({"description": "a\x1b[31mb"}, "description", "there is a control character in the text"),
        ({"description": "x" * 501}, "description", "the description has more than 500 characters"),
    ],
)
def test_a_wrong_cell_is_named(change: dict[str, str], pointer: str, words: str) -> None:
    error = refused(csv_of(line(), line(**{"reference": "B-2", **change})))

    assert str(error) == f"line 3: {words}"
    assert [one.pointer for one in error.errors] == [f"/lines/3/{pointer}"]
    assert error.members["place"] == "line 3"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: the header must be"),
        (b"\n", "line 1: the header must be"),
        (GOOD, "line 1: the header must be"),
        (HEADER.replace(b"date", b"Date"), "line 1: the header must be"),
        (HEADER.replace(b",", b";") + GOOD, "line 1: the header must be"),
        (HEADER, "there is no line below the header"),
        (HEADER + b"2026-11-02,10.00,USD,R-1\n", "line 2: a line has 5 cells, not 4"),
        (HEADER + GOOD.strip() + b",more\n", "line 2: a line has 5 cells, not 6"),
        (HEADER + GOOD + b"\n", "line 3: a line has 5 cells, not 0"),
        (HEADER + GOOD + b'2026-11-02,"10.00,USD,R-2,x\n', "line 3: this is no CSV"),
        (HEADER + b'2026-11-02,"1"0.00,USD,R-2,x\n', "line 2: this is no CSV"),
        (HEADER + GOOD + b"\xff\xfe\n", "line 3: this is not UTF-8"),
        ((HEADER + GOOD).decode().encode("utf-16"), "line 1: this is not UTF-8"),
        (b"PK\x03\x04" + bytes(range(256)), "line 2: this is not UTF-8"),
        (HEADER + b"2026-11-02,1,USD,R-1," + b"x" * 200_000, "line 2: this is no CSV"),
        (
            HEADER + GOOD + b"2026-11-02,10.00,CAD,R-2,Payout\n",
            "line 3: a statement is in one currency, and began in USD",
        ),
        (
            HEADER + GOOD + GOOD.replace(b"Payout", b"Again"),
            "line 3: reference, day and amount are those of line 2",
        ),
    ],
)
def test_a_file_that_is_no_such_statement_is_refused(content: bytes, words: str) -> None:
    assert str(refused(content)).startswith(words)


def test_a_formula_in_the_words_is_words() -> None:
    evil = '=HYPERLINK("http://x","y")|cmd\'!A0'

    assert csv_file.read(csv_of(line(description=evil))).lines[0].description == evil


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for given_bytes in (content, HEADER + content, HEADER + GOOD + content):
        with suppress(StatementUnreadable):
            assert csv_file.read(given_bytes).lines


WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=80)
ROWS = st.tuples(
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.integers(-(10**14) + 1, 10**14 - 1),
    WORDS.filter(bool),
    WORDS,
)
LINES = st.lists(ROWS, min_size=1, max_size=20, unique_by=lambda row: row[:3])


@given(LINES, st.sampled_from(["USD", "CAD", "NGN"]), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_what_is_read(rows: list[Row], unit: str, end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(COLUMNS)
    wanted = []
    for number, (booked_on, minor, *texts) in enumerate(rows, start=2):
        amount = Money.from_minor(minor, unit)
        writer.writerow([booked_on.isoformat(), amount.amount(), unit, *texts])
        wanted.append(Line(number, booked_on, amount, *texts))

    statement = csv_file.read(out.getvalue().encode())

    assert list(statement.lines) == wanted
    assert statement.currency == unit
