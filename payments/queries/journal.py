"""The books as plain-text accounting, for an independent program to check (https://hledger.org)."""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

from payments.enums import Unit
from payments.models import Entry

CHUNK = 5_000


def hledger(*, since: date | None = None, until: date | None = None) -> Iterator[str]:
    """The journal, a transaction at a time, in the order of its ids.

    Args:
        since: Only transactions of this accounting day or later.
        until: Only transactions before this accounting day.
    """
    entries = Entry.objects.order_by("transaction_id", "line")
    if since:
        entries = entries.filter(transaction__posted_on__gte=since)
    if until:
        entries = entries.filter(transaction__posted_on__lt=until)
    rows = entries.values(
        "transaction_id",
        "transaction__posted_on",
        "transaction__kind",
        "transaction__idempotency_key",
        "account__code",
        "account__owner_id",
        "unit",
        "amount",
    ).iterator(chunk_size=CHUNK)
    for _, group in groupby(rows, key=lambda row: row["transaction_id"]):
        yield _transaction([dict(row) for row in group])


def account_name(code: str, owner_id: str) -> str:
    """How an account is called in the journal: ``wallet:reader-1``."""
    return f"{code}:{owner_id}" if owner_id else code


def amount(units: int, unit: str) -> str:
    """A signed decimal with its commodity: coins whole, money with all six digits."""
    if unit == Unit.COIN:
        return f"{units} COIN"
    sign = "-" if units < 0 else ""
    whole, micros = divmod(abs(units), 1_000_000)
    return f"{sign}{whole}.{micros:06d} {unit}"


def _transaction(lines: list[dict[str, Any]]) -> str:
    first = lines[0]
    head = (
        f"{first['transaction__posted_on']} * ({first['transaction_id']})"
        f" {first['transaction__kind']}  ; key: {first['transaction__idempotency_key']}"
    )
    postings = [
        f"    {account_name(line['account__code'], line['account__owner_id'])}"
        f"  {amount(line['amount'], line['unit'])}"
        for line in lines
    ]
    return "\n".join([head, *postings, ""])
