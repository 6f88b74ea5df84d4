"""gateways.bank.camt053: what banks send as ISO 20022, by hand and by an independent bank"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mockbank import messages

from legato_payments.lib.money import Money
from payments.gateways.bank import camt053
from payments.gateways.bank.base import StatementUnreadable
from tests.payments.settlements.camt import balance, document, entry, statement

OLD_STATUS = "<Sts>BOOK</Sts>"


def refused(content: bytes) -> StatementUnreadable:
    with pytest.raises(StatementUnreadable) as error:
        camt053.read(content)
    return error.value


def usd(amount: str) -> Money:
    return Money.parse(amount, "USD")


def test_reads_entries_account_and_balances() -> None:
    out = entry("12.50", side="DBIT", reference="<AcctSvcrRef>B-2</AcctSvcrRef>", info="Fee")
    balances = [balance("OPBD", "100.00"), balance("CLBD", "126.03")]

    read = camt053.read(document(statement(entry(), out, balances=balances)))

    assert (read.currency, read.account) == ("USD", "GB33BUKB20201555555555")
    assert (read.opening, read.closing) == (usd("100.00"), usd("126.03"))
    assert [(one.number, one.amount) for one in read.lines] == [
        (1, usd("38.53")),
        (2, usd("-12.50")),
    ]
    assert [one.reference for one in read.lines] == ["B-1", "B-2"]
    assert [one.booked_on for one in read.lines] == [date(2026, 11, 5)] * 2
    assert [one.description for one in read.lines] == ["SANDBOX PAYOUT", "Fee"]


@pytest.mark.parametrize(
    ("version", "status"),
    [("02", OLD_STATUS), ("04", OLD_STATUS), ("06", OLD_STATUS), ("08", None), ("13", None)],
)
@pytest.mark.parametrize("prefix", ["", "ns0"])
def test_any_version_and_any_prefix_will_do(version: str, status: str | None, prefix: str) -> None:
    one = entry(status=status) if status else entry()

    read = camt053.read(document(statement(one), version=version, prefix=prefix))

    assert [(line.amount, line.reference) for line in read.lines] == [(usd("38.53"), "B-1")]


def details(refs: str = "", remittance: str = "") -> str:
    return f"<NtryDtls><TxDtls><Refs>{refs}</Refs>{remittance}</TxDtls></NtryDtls>"


@pytest.mark.parametrize(
    ("facts", "reference"),
    [
        ({}, "B-1"),
        ({"reference": "<NtryRef>7</NtryRef><AcctSvcrRef>B-2</AcctSvcrRef>"}, "B-2"),
        ({"reference": "<NtryRef>7</NtryRef>"}, "7"),
        (
            {
                "reference": "<NtryRef>7</NtryRef>",
                "details": details("<AcctSvcrRef>T-1</AcctSvcrRef>"),
            },
            "T-1",
        ),
        ({"reference": "", "details": details("<EndToEndId>E-1</EndToEndId>")}, "E-1"),
        (
            {
                "reference": "",
                "details": details("<EndToEndId>NOTPROVIDED</EndToEndId><TxId>X-1</TxId>"),
            },
            "X-1",
        ),
    ],
)
def test_the_banks_own_reference_is_preferred(facts: dict[str, str], reference: str) -> None:
    (line,) = camt053.read(document(statement(entry(**facts)))).lines

    assert line.reference == reference


def test_what_the_payer_wrote_is_in_the_description() -> None:
    remittance = (
        "<RmtInf><Ustrd>STRIPE\n PAYOUT</Ustrd><Ustrd>po_1</Ustrd>"
        "<Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf>"
    )
    refs = "<EndToEndId>E-1</EndToEndId>"

    (line,) = camt053.read(
        document(statement(entry(details=details(refs, remittance), info="Credit")))
    ).lines

    assert line.description == "Credit · STRIPE PAYOUT · po_1 · RF18 · E-1"


def test_only_what_is_booked_counts() -> None:
    pending = entry("5.00", status="<Sts><Cd>PDNG</Cd></Sts>", reference="")
    balances = [balance("PRCD", "0.00"), balance("CLBD", "38.53")]

    read = camt053.read(document(statement(pending, entry(), balances=balances)))

    assert [(line.number, line.amount) for line in read.lines] == [(2, usd("38.53"))]


def test_a_day_without_movements_is_a_statement() -> None:
    balances = [
        balance("OPBD", "5.00", side="DBIT"),
        balance("CLBD", "5.00", side="DBIT"),
    ]

    read = camt053.read(document(statement(balances=balances)))

    assert (read.lines, read.opening, read.closing) == ((), usd("-5.00"), usd("-5.00"))


def test_statements_of_several_days_are_one() -> None:
    first = statement(entry(), balances=[balance("OPBD", "0"), balance("CLBD", "38.53")])
    second = statement(
        entry("1.00", day="2026-11-06", reference="<AcctSvcrRef>B-2</AcctSvcrRef>"),
        balances=[balance("OPBD", "38.53"), balance("CLBD", "39.53")],
    )

    read = camt053.read(document(first, second))

    assert [line.number for line in read.lines] == [1, 2]
    assert (read.opening, read.closing) == (usd("0"), usd("39.53"))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"amount": ""}, "entry 2: '' is no amount such as 1234.50"),
        ({"amount": "-1.00"}, "entry 2: '-1.00' is no amount such as 1234.50"),
        ({"amount": "1e3"}, "entry 2: '1e3' is no amount such as 1234.50"),
        ({"amount": "1.005"}, "entry 2: '1.005' is no whole number of cents"),
        ({"amount": "1000000000000"}, "entry 2: '1000000000000' is no amount such as 1234.50"),
        ({"currency": "EUR"}, "entry 2: we keep no books in 'EUR'"),
        ({"currency": "CAD"}, "entry 2: the account is in USD"),
        ({"side": "CREDIT"}, "entry 2: it must be CRDT or DBIT"),
        ({"side": ""}, "entry 2: it must be CRDT or DBIT"),
        ({"day": "05.11.2026"}, "entry 2: '05.11.2026' is no day such as 2026-11-02"),
        ({"day": ""}, "entry 2: '' is no day such as 2026-11-02"),
        ({"status": ""}, "entry 2: '' is no status of an entry"),
        ({"status": "<Sts><Cd>DONE</Cd></Sts>"}, "entry 2: 'DONE' is no status of an entry"),
        ({"reference": ""}, "entry 2: the bank's reference is missing"),
        (
            {"reference": "<AcctSvcrRef>B-1</AcctSvcrRef>", "amount": "38.53"},
            "entry 2: reference, day and amount are those of entry 1",
        ),
    ],
)
def test_a_wrong_entry_is_named(facts: dict[str, Any], words: str) -> None:
    wrong = {"amount": "1.00", "reference": "<AcctSvcrRef>B-2</AcctSvcrRef>", **facts}

    error = refused(document(statement(entry(), entry(**wrong))))

    assert str(error) == words
    assert error.errors[0].pointer.startswith("/entries/2")


def test_balances_that_the_entries_do_not_lead_to_are_refused() -> None:
    balances = [balance("OPBD", "100.00"), balance("CLBD", "138.52")]

    error = refused(document(statement(entry(), balances=balances)))

    assert str(error) == (
        "the entries lead from 100.00 USD to 138.53 USD, and the closing balance is 138.52 USD"
    )


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    b"<Document>&b;</Document>"
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Document>&a;</Document>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "this is no XML"),
        (b"date,amount", "this is no XML"),
        (b"\x00\x01\x02", "this is no XML"),
        (b"<Document>", "this is no XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "this is no XML"),
        (document(statement(entry(info="a\x00b"))), "this is no XML"),
        (document(statement(entry(info="&#0;"))), "this is no XML"),
        (BOMB, "an XML file with a DTD or entities is not read"),
        (OUTSIDE, "an XML file with a DTD or entities is not read"),
        (b"<Document/>", "this is no camt.053.001 but 'Document'"),
        (document(statement(entry())).replace(b"camt.053", b"camt.054"), "this is no camt.053.001"),
        (document(), "there is no statement in the file"),
        (document(statement(currency="")), "the currency of the account is missing"),
        (document(statement(currency="<Ccy>EUR</Ccy>")), "account: we keep no books in 'EUR'"),
        (
            document(statement(), statement(account="<Othr><Id>2</Id></Othr>")),
            "the statements of a file must be of one account",
        ),
    ],
)
def test_a_file_that_is_no_such_statement_is_refused(content: bytes, words: str) -> None:
    assert str(refused(content)).startswith(words)


@given(st.binary(max_size=200), st.integers(0, 600))
def test_any_bytes_are_read_or_refused(content: bytes, at: int) -> None:
    whole = document(statement(entry()))

    for damaged in (content, whole[:at] + content + whole[at:], whole[:at]):
        with suppress(StatementUnreadable):
            assert camt053.read(damaged).currency == "USD"


class TestIndependentBank:
    """mock-bank writes camt.053.001.08 by its own reading of the message definition."""

    DAY = date(2026, 11, 5)
    ACCOUNT = {"iban": "NL30MOCK0000000005", "currency": "USD", "name": "Legato Inc."}

    def write(self, movements: Sequence[dict[str, Any]], opening: int, closing: int) -> bytes:
        """A statement of the day, amounts in cents."""
        written: bytes = messages.write_camt053(
            self.ACCOUNT,
            self.DAY,
            7,
            opening,
            closing,
            movements,
            "MB-STMT-7",
            datetime(2026, 11, 5, 23, 30, tzinfo=UTC),
            UTC,
        )
        return written

    def received(self, number: int, cents: int, note: str) -> dict[str, Any]:
        """Money that came in."""
        return {
            "incoming": True,
            "id": number,
            "amount": cents,
            "currency": "USD",
            "end_to_end_id": "po_1",
            "debtor_name": "Stripe",
            "debtor_iban": "",
            "debtor_bic": "",
            "note": [note],
            "reference": "",
            "value_date": "2026-11-05",
            "credit": True,
        }

    def paid(self, number: int, cents: int) -> dict[str, Any]:
        """Money that we sent."""
        return {
            "id": number,
            "amount": cents,
            "currency": "USD",
            "msg_id": "M1",
            "end_to_end_id": "lp1",
            "pmt_inf_id": "",
            "instruction_id": "",
            "creditor_name": "Ada",
            "creditor_iban": "GB33BUKB20201555555555",
            "creditor_bic": "",
        }

    def test_its_statement_is_read_to_the_cent(self) -> None:
        movements = [self.received(3, 3_853, "STRIPE PAYOUT TRACE-77"), self.paid(4, 1_250)]

        read = camt053.read(self.write(movements, 10_000, 12_603))

        assert (read.account, read.currency) == ("NL30MOCK0000000005", "USD")
        assert (read.opening, read.closing) == (usd("100.00"), usd("126.03"))
        assert [(line.reference, line.amount) for line in read.lines] == [
            ("MB-RCV-3", usd("38.53")),
            ("MB-PMT-4", usd("-12.50")),
        ]
        assert {line.booked_on for line in read.lines} == {self.DAY}
        assert read.lines[0].description == "STRIPE PAYOUT TRACE-77 · po_1"

    def test_its_statement_with_a_gap_is_refused(self) -> None:
        error = refused(self.write([self.received(3, 3_853, "x")], 10_000, 12_603))

        assert "the closing balance is 126.03 USD" in str(error)

    def test_its_overdrawn_account_is_read(self) -> None:
        read = camt053.read(self.write([self.paid(1, 20_000)], 10_000, -10_000))

        assert (read.opening, read.closing) == (usd("100.00"), usd("-100.00"))
