"""Templates of the posting table about what readers owe: the second page of ``templates``."""

from collections.abc import Mapping

from payments.enums import BOOK_CURRENCY, TransactionKind
from payments.ledger import chart
from payments.ledger.templates import (
    Draft,
    _coins_out,
    _draft,
    _taxes_back,
    credit,
    debit,
)


def refund_retaken(
    *,
    user_id: str,
    coins: int,
    currency: str,
    amount: int,
    taxes: Mapping[str, int],
    value: int,
    goodwill: int,
    owed: int,
) -> Draft:
    """Rows 8 and 9: a refund that had failed was paid after all; who bears it is decided now.

    It is in flight again, and ``refund_paid`` follows.

    Args:
        coins: Taken again.
        amount: Micros of ``currency`` that were paid, all of it.
        taxes: Micros of ``currency`` by jurisdiction, in the money for the coins.
        value: USD micros the coins release.
        goodwill: USD micros that we bear.
        owed: USD micros that the reader owes us.
    """
    lines = [
        debit(chart.coins_deferred(), value),
        debit(chart.goodwill(), goodwill),
        debit(chart.receivable(user_id), owed),
        *_taxes_back(taxes, currency),
        credit(chart.refund_in_flight(currency), amount),
    ]
    tax, borne = sum(taxes.values()), value + goodwill + owed
    if currency == BOOK_CURRENCY:
        lines.append(credit(chart.rounding(), borne + tax - amount))
    else:
        lines += [debit(chart.fx(currency), amount - tax), credit(chart.fx(BOOK_CURRENCY), borne)]
    return _draft(TransactionKind.REFUND_RETAKEN, [*lines, *_coins_out(user_id, coins)])


def debt_written_off(*, user_id: str, amount: int) -> Draft:
    """Two people give up what a reader owes; below zero, a write-off that is taken back.

    Args:
        amount: USD micros.
    """
    return _draft(
        TransactionKind.DEBT_WRITTEN_OFF,
        [
            debit(chart.dispute_loss(), amount),
            credit(chart.receivable(user_id), amount),
        ],
    )
