"""Bank statements: a file becomes lines, all of them or none, and is kept as it came."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Invalid
from payments import audit
from payments.gateways.bank import base, camt053, csv_file
from payments.gateways.bank.base import Line, Statement, StatementUnreadable
from payments.models import BankReceipt, BankStatement
from payments.services import bank_receipts

Form = BankStatement.Form

MAX_BYTES = base.MAX_BYTES

READERS: Mapping[str, Callable[[bytes], Statement]] = {
    Form.CSV: csv_file.read,
    Form.CAMT_053: camt053.read,
}

FARTHEST_AHEAD = timedelta(days=1)
"""How far a bank east of us may be in its calendar."""


class StatementKnown(Conflict):
    code = "statement_known"
    title = "This very file was imported before."


class StatementTooLarge(Invalid):
    code = "statement_too_large"
    title = f"A statement has at most {MAX_BYTES // 1024 // 1024} MiB."


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Args:
        receipts: Its new lines.
        duplicates: Its lines that an earlier file had, by number, each with the earlier line.
        matched: Lines, of this file or others, that belong to a settlement since.
    """

    statement: BankStatement
    receipts: Sequence[BankReceipt]
    duplicates: Mapping[int, BankReceipt]
    matched: Sequence[BankReceipt]


def import_file(
    *,
    content: bytes,
    name: str,
    form: str,
    actor: str,
    now: datetime,
    account: str = "",
) -> Imported:
    """Keep a file of the bank and its lines, and match what fits.

    A line with the reference, day and amount of a line of an earlier file is the same line: files
    may overlap.

    Args:
        name: Of the file, without folders.
        form: One of ``BankStatement.Form``; empty: by what the file begins with.
        account: Which of our accounts it is, where the file does not say.

    Raises:
        StatementTooLarge: Nothing was read.
        StatementUnreadable: It is no statement; ``errors`` and the words say where and why.
        StatementKnown: The same bytes were imported before.
    """
    if len(content) > MAX_BYTES:
        raise StatementTooLarge
    sha256 = hashlib.sha256(content).hexdigest()
    if known := BankStatement.objects.filter(sha256=sha256).first():
        raise StatementKnown(f"This very file was imported as {known.name}.", sha256=sha256)
    form = form or form_of(content)
    said = READERS[form](content)
    _check_days(said, now)
    row = BankStatement(
        name=_file_name(name),
        form=form,
        content=content,
        sha256=sha256,
        account=said.account or account[:64],
        currency=said.currency,
        opening_micros=said.opening.micros if said.opening else None,
        closing_micros=said.closing.micros if said.closing else None,
        line_count=len(said.lines),
        imported_at=now,
        imported_by=actor,
    )
    return _keep_or_again(row, said.lines, now=now)


def form_of(content: bytes) -> Form:
    """Which form a file has, by its first character that is no space."""
    return Form.CAMT_053 if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else Form.CSV


def _file_name(name: str) -> str:
    # Windows gives whole paths, and some tools send control characters.
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable())[:200] or "statement"


def _check_days(said: Statement, now: datetime) -> None:
    last = (now + FARTHEST_AHEAD).date()
    for line in said.lines:
        if line.booked_on > last:
            raise StatementUnreadable(
                f"{line.booked_on} in line or entry {line.number} lies in the future.",
                place=str(line.number),
            )


def _keep_or_again(row: BankStatement, lines: Sequence[Line], *, now: datetime) -> Imported:
    try:
        return _keep(row, lines, now=now)
    except IntegrityError:
        # Another import brought some of the lines, or this file, meanwhile.
        if BankStatement.objects.filter(sha256=row.sha256).exists():
            raise StatementKnown(sha256=row.sha256) from None
        row._state.adding = True  # noqa: SLF001 - it was rolled back
        return _keep(row, lines, now=now)


@atomic
def _keep(row: BankStatement, lines: Sequence[Line], *, now: datetime) -> Imported:
    known = _known(lines)
    duplicates = {line.number: known[line.identity] for line in lines if line.identity in known}
    row.duplicates = [
        {"line": number, "receipt": str(receipt.pk)} for number, receipt in duplicates.items()
    ]
    row.save()
    receipts = _add(row, [line for line in lines if line.number not in duplicates])
    _tell(row, len(receipts), now=now)
    matched = bank_receipts.match_open(now=now)
    return Imported(row, receipts, duplicates, matched)


def _add(row: BankStatement, lines: Sequence[Line]) -> list[BankReceipt]:
    # In one order everywhere: two files with the same lines then queue instead of deadlocking.
    made = BankReceipt.objects.bulk_create(
        BankReceipt(
            statement=row,
            line=line.number,
            booked_on=line.booked_on,
            amount_micros=line.amount.micros,
            currency=line.amount.currency,
            reference=line.reference,
            description=line.description,
        )
        for line in sorted(lines, key=lambda line: line.identity)
    )
    return sorted(made, key=lambda receipt: receipt.line)


def _known(lines: Sequence[Line]) -> dict[tuple[object, ...], BankReceipt]:
    found = BankReceipt.objects.filter(reference__in={line.reference for line in lines})
    return {
        (receipt.reference, receipt.booked_on, receipt.amount_micros, receipt.currency): receipt
        for receipt in found.select_related("statement").defer("statement__content")
    }


def _tell(row: BankStatement, fresh: int, *, now: datetime) -> None:
    audit.record(
        actor=row.imported_by,
        action="payments.bank_statement.imported",
        object_type="bank_statement",
        object_id=row.pk,
        now=now,
        after={
            "name": row.name,
            "format": row.form,
            "sha256": row.sha256,
            "account": row.account,
            "lines": row.line_count,
            "new_lines": fresh,
        },
    )
