"""The posting table as code: one public function per business event (ledger.md, section 4).

A template is pure: amounts in, a ``Draft`` out, and ``ledger.post`` records it. Nothing else makes
drafts, so every entry of the books comes from one of these functions. Each has one residual line,
the total minus the others, so that rounding cannot unbalance it; a test proves symbolically that
each nets to zero for all inputs.

Amounts are positive; ``debit`` and ``credit`` give them their sign. Money is in micros.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from payments.enums import BOOK_CURRENCY, Stream, TransactionKind
from payments.ledger import chart
from payments.ledger.chart import AccountRef


@dataclass(frozen=True, slots=True)
class Line:
    """One line: debit > 0, credit < 0."""

    account: AccountRef
    amount: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction that is not posted yet."""

    kind: TransactionKind
    lines: tuple[Line, ...]


REFUND_ACCOUNTS = frozenset(
    {
        *("coins_deferred", "tax_payable", "goodwill", "refund_in_flight", "fx", "rounding"),
        *("wallet", "coins_issued"),
    }
)
RETAKEN_ACCOUNTS = REFUND_ACCOUNTS | {"receivable"}
LOSS_ACCOUNTS = frozenset(
    {
        *("coins_deferred", "tax_payable", "dispute_hold", "dispute_loss", "receivable", "fx"),
        *("writer", "wallet", "coins_issued"),
    }
)

ACCOUNTS: Mapping[TransactionKind, frozenset[str]] = {
    TransactionKind.COIN_PURCHASE: frozenset(
        {
            *("gateway", "coins_deferred", "tax_payable", "fx", "wallet", "coins_issued"),
            "receivable",
        }
    ),
    TransactionKind.GATEWAY_FEE: frozenset({"gateway", "fees"}),
    TransactionKind.CONTENT_PURCHASE: frozenset(
        {"coins_deferred", "writer", "platform", "wallet", "coins_issued"}
    ),
    TransactionKind.TIP: frozenset(
        {"coins_deferred", "writer", "platform", "wallet", "coins_issued"}
    ),
    TransactionKind.REVERSAL: frozenset(
        {"gateway", "fees", "coins_deferred", "writer", "platform", "wallet", "coins_issued"}
    ),
    TransactionKind.PROMO_GRANT: frozenset(
        {"promo_cost", "coins_deferred", "wallet", "coins_issued"}
    ),
    TransactionKind.EXPIRY: frozenset({"coins_deferred", "breakage", "wallet", "coins_issued"}),
    TransactionKind.COIN_TRANSFER: frozenset({"wallet"}),
    TransactionKind.ADJUSTMENT: frozenset(
        {"adjustment", "coins_deferred", "wallet", "coins_issued"}
    ),
    TransactionKind.MONEY_REFUND: REFUND_ACCOUNTS,
    TransactionKind.REFUND_PAID: frozenset({"refund_in_flight", "gateway"}),
    TransactionKind.REFUND_FAILED: RETAKEN_ACCOUNTS,
    TransactionKind.REFUND_RETURNED: frozenset({"refund_in_flight", "gateway"}),
    TransactionKind.REFUND_RETAKEN: RETAKEN_ACCOUNTS,
    TransactionKind.DISPUTE_OPENED: frozenset({"dispute_hold", "gateway"}),
    TransactionKind.DISPUTE_FEE: frozenset({"fees", "gateway"}),
    TransactionKind.DISPUTE_WON: frozenset({"dispute_hold", "gateway"}),
    TransactionKind.DISPUTE_LOST: LOSS_ACCOUNTS,
    TransactionKind.LOSS_UNDONE: LOSS_ACCOUNTS,
    TransactionKind.DEBT_RETURNED: frozenset(
        {"receivable", "coins_deferred", "wallet", "coins_issued"}
    ),
    TransactionKind.DEBT_WRITTEN_OFF: frozenset({"receivable", "dispute_loss"}),
    TransactionKind.CONVERSION: frozenset({"gateway", "fx"}),
    TransactionKind.SETTLEMENT: frozenset({"gateway", "bank"}),
    TransactionKind.SETTLEMENT_RETURNED: frozenset({"gateway", "bank"}),
    TransactionKind.CORRECTION: frozenset({"gateway", "adjustment"}),
}
"""The only accounts that a kind may touch, by the head of their code."""


def debit(account: AccountRef, amount: int) -> Line:
    """``amount`` into an asset or expense, out of a liability or income."""
    return Line(account, amount)


def credit(account: AccountRef, amount: int) -> Line:
    """``amount`` out of an asset or expense, into a liability or income."""
    return Line(account, -amount)


def coin_purchase(
    *,
    user_id: str,
    coins: int,
    provider: str,
    currency: str,
    price: int,
    taxes: Mapping[str, int],
    value: int,
    debt: int = 0,
) -> Draft:
    """Rows 1, 2 and 13: a captured payment becomes coins, once the reader's debt is settled.

    Args:
        coins: Bonus included.
        price: Micros of ``currency``, before tax.
        taxes: Micros of ``currency`` by the office they are owed to, for example ``CA-QC``.
        value: ``price`` in USD micros; for USD the same number.
        debt: Of ``value``, what the reader owed; ``coins`` are worth the rest.
    """
    lines = [
        debit(chart.gateway(provider, currency), price + sum(taxes.values())),
        *(credit(chart.tax_payable(office, currency), tax) for office, tax in taxes.items()),
        credit(chart.receivable(user_id), debt),
    ]
    if currency == BOOK_CURRENCY:
        lines.append(credit(chart.coins_deferred(), price - debt))
    else:
        # The cash stays in its currency; the fx positions carry the conversion.
        lines += [
            credit(chart.fx(currency), price),
            debit(chart.fx(BOOK_CURRENCY), value),
            credit(chart.coins_deferred(), value - debt),
        ]
    return _draft(TransactionKind.COIN_PURCHASE, [*lines, *_coins_in(user_id, coins)])


def gateway_fee(*, provider: str, currency: str, fee: int) -> Draft:
    """Row 3: what the gateway kept, by its own figures, micros of ``currency``."""
    return _draft(
        TransactionKind.GATEWAY_FEE,
        [
            debit(chart.gateway_fees(currency), fee),
            credit(chart.gateway(provider, currency), fee),
        ],
    )


def content_spend(*, user_id: str, coins: int, value: int, shares: Mapping[str, int]) -> Draft:
    """Row 5: coins opened a chapter. ``content.buy`` makes these very lines in SQL.

    Args:
        value: USD micros the coins release.
        shares: USD micros per writer; the platform has the rest.
    """
    return _draft(
        TransactionKind.CONTENT_PURCHASE,
        _earned(user_id, coins, value, shares, Stream.CONTENT),
    )


def tip(*, user_id: str, coins: int, value: int, shares: Mapping[str, int]) -> Draft:
    """Row 6: coins given to a writer. Arguments as in ``content_spend``."""
    return _draft(TransactionKind.TIP, _earned(user_id, coins, value, shares, Stream.TIP))


def promo_grant(*, user_id: str, coins: int, value: int) -> Draft:
    """Row 4: coins for nothing.

    Args:
        value: USD micros a funded campaign pays for them; 0 when it is unfunded.
    """
    return _draft(
        TransactionKind.PROMO_GRANT,
        [
            debit(chart.promo_cost(), value),
            credit(chart.coins_deferred(), value),
            *_coins_in(user_id, coins),
        ],
    )


def coin_expiry(*, user_id: str, coins: int, value: int) -> Draft:
    """Row 23: coins that were not used in time.

    Args:
        value: USD micros the coins release; 0 when nobody funded them.
    """
    return _draft(
        TransactionKind.EXPIRY,
        [
            *_coins_out(user_id, coins),
            debit(chart.coins_deferred(), value),
            credit(chart.breakage(), value),
        ],
    )


def coin_transfer(*, sender_id: str, recipient_id: str, coins: int) -> Draft:
    """Row 26: coins from reader to reader. What they are worth stays deferred."""
    return _draft(
        TransactionKind.COIN_TRANSFER,
        [
            debit(chart.wallet(sender_id), coins),
            credit(chart.wallet(recipient_id), coins),
        ],
    )


def adjustment(*, user_id: str, coins: int, value: int) -> Draft:
    """Row 28: finance gives coins; with both amounts negative, it takes them.

    Args:
        value: USD micros the coins are worth, of the sign of ``coins``; 0 for promotional ones.
    """
    return _draft(
        TransactionKind.ADJUSTMENT,
        [
            debit(chart.adjustment(), value),
            credit(chart.coins_deferred(), value),
            *_coins_in(user_id, coins),
        ],
    )


def money_refund(
    *,
    user_id: str,
    coins: int,
    currency: str,
    price: int,
    taxes: Mapping[str, int],
    value: int,
    goodwill: int,
    goodwill_value: int,
) -> Draft:
    """Row 8, request: unused coins, and perhaps some goodwill, become money on its way back.

    Args:
        price: Micros of ``currency`` for the coins, without tax, in whole minor units.
        taxes: Micros of ``currency`` by jurisdiction.
        value: USD micros the coins release. What ``price`` falls short of it is a part of a cent.
        goodwill: Micros of ``currency`` beyond the worth of the coins.
        goodwill_value: The same in USD micros; for USD the same number.
    """
    lines = [
        debit(chart.coins_deferred(), value),
        debit(chart.goodwill(), goodwill_value),
        *_taxes_back(taxes, currency),
        credit(chart.refund_in_flight(currency), price + goodwill + sum(taxes.values())),
    ]
    if currency == BOOK_CURRENCY:
        lines.append(credit(chart.rounding(), value + goodwill_value - price - goodwill))
    else:
        lines += [
            debit(chart.fx(currency), price + goodwill),
            credit(chart.fx(BOOK_CURRENCY), value + goodwill_value),
        ]
    return _draft(TransactionKind.MONEY_REFUND, [*lines, *_coins_out(user_id, coins)])


def refund_paid(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 8, success: the gateway gave the money back."""
    return _draft(
        TransactionKind.REFUND_PAID,
        [
            debit(chart.refund_in_flight(currency), amount),
            credit(chart.gateway(provider, currency), amount),
        ],
    )


def refund_returned(*, provider: str, currency: str, amount: int) -> Draft:
    """A refund that had succeeded came back: it is in flight again, and fails next."""
    return _draft(
        TransactionKind.REFUND_RETURNED,
        [
            debit(chart.gateway(provider, currency), amount),
            credit(chart.refund_in_flight(currency), amount),
        ],
    )


def refund_failed(*, of: Sequence[Line]) -> Draft:
    """Row 9: the request is taken back, line by line; the coins come as new ones."""
    return _draft(TransactionKind.REFUND_FAILED, _mirrored(of))


def dispute_opened(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 10: the gateway took a disputed payment out of our balance."""
    return _draft(
        TransactionKind.DISPUTE_OPENED,
        [
            debit(chart.dispute_hold(currency), amount),
            credit(chart.gateway(provider, currency), amount),
        ],
    )


def dispute_fee(*, provider: str, currency: str, fee: int) -> Draft:
    """Rows 10 and 11: what the gateway took for a dispute; below zero, what it gave back."""
    return _draft(
        TransactionKind.DISPUTE_FEE,
        [
            debit(chart.dispute_fees(currency), fee),
            credit(chart.gateway(provider, currency), fee),
        ],
    )


def dispute_won(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 11: the disputed payment is back in our balance."""
    return _draft(
        TransactionKind.DISPUTE_WON,
        [
            debit(chart.gateway(provider, currency), amount),
            credit(chart.dispute_hold(currency), amount),
        ],
    )


def dispute_lost(
    *,
    user_id: str,
    coins: Mapping[str, int],
    currency: str,
    price: int,
    taxes: Mapping[str, int],
    value: int,
    unused: int,
    shares: Mapping[str, int],
    owed: int,
) -> Draft:
    """Row 12: who bears a disputed payment; what nobody else does is our loss.

    Args:
        user_id: Who bought.
        coins: Unused coins taken, by the reader who held them.
        price: Micros of ``currency`` that are lost, without tax.
        taxes: Micros of ``currency`` by jurisdiction, which we do not owe any more.
        value: ``price`` in USD micros; for USD the same number.
        unused: USD micros that the coins taken release.
        shares: USD micros taken back per writer.
        owed: USD micros that the buyer owes us.
    """
    writers = [debit(chart.writer(writer_id), part) for writer_id, part in shares.items()]
    lines = [
        credit(chart.dispute_hold(currency), price + sum(taxes.values())),
        *_taxes_back(taxes, currency),
        debit(chart.coins_deferred(), unused),
        *writers,
        debit(chart.receivable(user_id), owed),
    ]
    if currency == BOOK_CURRENCY:
        lines.append(debit(chart.dispute_loss(), price - unused - sum(shares.values()) - owed))
    else:
        lines += [
            debit(chart.fx(currency), price),
            credit(chart.fx(BOOK_CURRENCY), value),
            debit(chart.dispute_loss(), value - unused - sum(shares.values()) - owed),
        ]
    for holder, taken in coins.items():
        lines += _coins_out(holder, taken)
    return _draft(TransactionKind.DISPUTE_LOST, lines)


def loss_undone(*, of: Sequence[Line]) -> Draft:
    """A dispute is won after it was lost: the loss is taken back, line by line."""
    return _draft(TransactionKind.LOSS_UNDONE, _mirrored(of))


def debt_returned(*, user_id: str, coins: int, value: int) -> Draft:
    """A debt that was settled is none any more: what it took of a purchase comes as coins.

    Args:
        value: USD micros that were paid of the debt.
    """
    return _draft(
        TransactionKind.DEBT_RETURNED,
        [
            debit(chart.receivable(user_id), value),
            credit(chart.coins_deferred(), value),
            *_coins_in(user_id, coins),
        ],
    )


def conversion(
    *, provider: str, currency: str, amount: int, settled_currency: str, settled: int
) -> Draft:
    """The gateway turned a payment into another currency of our balance, at its own rate.

    Args:
        amount: Micros of ``currency``; below zero, as ``settled``, for what it took back.
        settled: What that is in ``settled_currency``.
    """
    return _draft(
        TransactionKind.CONVERSION,
        [
            credit(chart.gateway(provider, currency), amount),
            debit(chart.fx(currency), amount),
            debit(chart.gateway(provider, settled_currency), settled),
            credit(chart.fx(settled_currency), settled),
        ],
    )


def settlement(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 29: a gateway's balance reached our bank; below zero, it took money from the bank."""
    return _draft(
        TransactionKind.SETTLEMENT,
        [
            debit(chart.bank(currency), amount),
            credit(chart.gateway(provider, currency), amount),
        ],
    )


def settlement_returned(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 29, taken back: the bank refused a settlement that was paid."""
    return _draft(
        TransactionKind.SETTLEMENT_RETURNED,
        [
            debit(chart.gateway(provider, currency), amount),
            credit(chart.bank(currency), amount),
        ],
    )


def correction(*, provider: str, currency: str, amount: int) -> Draft:
    """Row 28: two people agree that a gateway's balance differs from ours by ``amount``."""
    return _draft(
        TransactionKind.CORRECTION,
        [
            debit(chart.gateway(provider, currency), amount),
            credit(chart.adjustment(currency), amount),
        ],
    )


def reversal(*, of: Sequence[Line]) -> Draft:
    """Take back a whole transaction, line by line, with the opposite sign."""
    return _draft(TransactionKind.REVERSAL, _mirrored(of))


def _mirrored(lines: Sequence[Line]) -> list[Line]:
    return [Line(line.account, -line.amount) for line in lines]


def _taxes_back(taxes: Mapping[str, int], currency: str) -> list[Line]:
    return [
        debit(chart.tax_payable(jurisdiction, currency), tax) for jurisdiction, tax in taxes.items()
    ]


def _earned(
    user_id: str, coins: int, value: int, shares: Mapping[str, int], stream: Stream
) -> list[Line]:
    writers = [credit(chart.writer(writer_id), part) for writer_id, part in shares.items()]
    platform_part = value - sum(shares.values())
    name = "tips" if stream is Stream.TIP else stream.value
    return [
        *_coins_out(user_id, coins),
        debit(chart.coins_deferred(), value),
        *writers,
        credit(chart.platform(name), platform_part),
    ]


def _coins_in(user_id: str, coins: int) -> list[Line]:
    return [debit(chart.coins_issued(), coins), credit(chart.wallet(user_id), coins)]


def _coins_out(user_id: str, coins: int) -> list[Line]:
    return [debit(chart.wallet(user_id), coins), credit(chart.coins_issued(), coins)]


def _draft(kind: TransactionKind, lines: Iterable[Line]) -> Draft:
    # No tax, no platform part: a line of zero says nothing, and the database refuses it.
    kept = tuple(line for line in lines if line.amount != 0)
    strangers = {line.account.head for line in kept} - ACCOUNTS[kind]
    assert not strangers, f"{kind} may not touch {strangers}"
    return Draft(kind, kept)
