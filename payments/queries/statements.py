"""What accounts hold and moved, at the end of any accounting day.

Read from the daily sums, and from the entries of what is not sealed yet: in one statement, hence in
one snapshot, so that a transaction counts once, even if it is sealed meanwhile. Nothing here sums a
whole history of entries.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from payments.models import Account

# Of the accounts of a list, or of all; credits are positive, as in the daily sums.
_MOVED = """WITH moved AS (
    SELECT d.account_id, d.day, d.debits, d.credits
    FROM payments_accountday d
    WHERE d.day <= %(on)s
      AND (%(accounts)s::bigint[] IS NULL OR d.account_id = ANY (%(accounts)s::bigint[]))
    UNION ALL
    SELECT e.account_id, t.posted_on, greatest(e.amount, 0), greatest(-e.amount, 0)
    FROM payments_unsealed u
    JOIN payments_transaction t ON t.id = u.transaction_id
    JOIN payments_entry e ON e.transaction_id = t.id
    WHERE t.posted_on <= %(on)s
      AND (%(accounts)s::bigint[] IS NULL OR e.account_id = ANY (%(accounts)s::bigint[]))
)
"""

_NETS = "SELECT account_id, sum(debits - credits)::bigint FROM moved GROUP BY account_id"

_TRIAL_BALANCE = """
SELECT a.code, a.owner_id, a.unit, sum(m.debits - m.credits)::bigint
FROM moved m JOIN payments_account a ON a.id = m.account_id
GROUP BY a.id ORDER BY a.code, a.owner_type, a.owner_id, a.unit
"""

_MONTHS = """
SELECT date_trunc('month', day)::date, sum(debits)::bigint, sum(credits)::bigint
FROM moved GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account holds in one unit, micros or coins: a debit balance is positive."""

    code: str
    owner_id: str
    unit: str
    net: int

    @property
    def debit(self) -> int:
        """The amount for the debit column of a trial balance."""
        return max(self.net, 0)

    @property
    def credit(self) -> int:
        """The amount for the credit column, positive."""
        return max(-self.net, 0)


@dataclass(frozen=True, slots=True)
class Month:
    """One accounting month of an account, micros or coins.

    Args:
        month: Its first day.
        opening: The balance it began with, on the account's normal side.
        debits: All debits of the month.
        credits: All credits, positive.
        closing: The balance it ended with.
    """

    month: date
    opening: int
    debits: int
    credits: int
    closing: int


def trial_balance(*, on: date | None = None) -> list[Balance]:
    """The balance of every account that ever moved, by code and owner.

    Args:
        on: At the end of this accounting day; when not given, of all that was posted.
    """
    return [Balance(*row) for row in _ask(_TRIAL_BALANCE, on=on)]


def differences(books: Iterable[Balance]) -> dict[str, int]:
    """What the balances of all accounts sum up to, by unit; always 0."""
    sums: Counter[str] = Counter()
    for balance in books:
        sums[balance.unit] += balance.net
    return dict(sums)


def balances(accounts: Iterable[Account], *, on: date | None = None) -> dict[int, int]:
    """What each of these accounts holds, on its normal side, by primary key; one query for all.

    Args:
        on: As for ``trial_balance``.
    """
    sides = {account.pk: account.normal_side for account in accounts}
    nets = dict(_ask(_NETS, on=on, accounts=list(sides)))
    return {pk: side * nets.get(pk, 0) for pk, side in sides.items()}


def months(account: Account) -> Iterator[Month]:
    """Every accounting month in which an account moved, the oldest first."""
    closing = 0
    for month, debits, credits_ in _ask(_MONTHS, on=None, accounts=[account.pk]):
        opening, closing = closing, closing + account.normal_side * (debits - credits_)
        yield Month(month, opening, debits, credits_, closing)


def _ask(sql: str, *, on: date | None, accounts: list[int] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_MOVED + sql, {"on": on or date.max, "accounts": accounts})
        return list(cursor.fetchall())
