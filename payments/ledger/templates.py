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


ACCOUNTS: Mapping[TransactionKind, frozenset[str]] = {
    TransactionKind.COIN_PURCHASE: frozenset(
        {"gateway", "coins_deferred", "tax_payable", "fx", "wallet", "coins_issued"}
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
    tax: int,
    value: int,
    jurisdiction: str,
) -> Draft:
    """Rows 1 and 2: a captured payment becomes coins.

    Args:
        coins: Bonus included.
        price: Micros of ``currency``, before tax.
        tax: Micros of ``currency``.
        value: ``price`` in USD micros; for USD the same number.
        jurisdiction: Whom the tax belongs to, for example ``CA-QC``.
    """
    lines = [
        debit(chart.gateway(provider, currency), price + tax),
        credit(chart.tax_payable(jurisdiction, currency), tax),
    ]
    if currency == BOOK_CURRENCY:
        lines.append(credit(chart.coins_deferred(), price))
    else:
        # The cash stays in its currency; the fx positions carry the conversion.
        lines += [
            credit(chart.fx(currency), price),
            debit(chart.fx(BOOK_CURRENCY), value),
            credit(chart.coins_deferred(), value),
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


def reversal(*, of: Sequence[Line]) -> Draft:
    """Take back a whole transaction, line by line, with the opposite sign."""
    return _draft(TransactionKind.REVERSAL, [Line(line.account, -line.amount) for line in of])


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
