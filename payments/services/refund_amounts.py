"""What unused coins of a purchase are worth in the money that was paid (rules.md, rule 41).

Money back is the paid amount times the value of the coins over the value of all coins of the
purchase, rounded down to the minor unit. It is computed on what was given back so far, so that a
purchase given back in parts comes to what it comes to in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from legato_payments.lib.money import Money, divide_down, micros_per_minor
from payments.ledger import Slice
from payments.models import Purchase
from payments.services import taxes


@dataclass(frozen=True, slots=True)
class Worth:
    """Coins and the money for them.

    Args:
        value_micros: What the coins release, USD micros.
        money: What goes back for them, tax included.
        taxes: Of ``money``, tax by the office it was owed to.
    """

    parts: tuple[Slice, ...]
    value_micros: int
    money: Money
    taxes: dict[str, int]

    @property
    def tax_micros(self) -> int:
        """Of the money, all tax."""
        return sum(self.taxes.values())

    @property
    def coins(self) -> int:
        """How many coins."""
        return sum(part.coins for part in self.parts)


def worth_of(purchase: Purchase, parts: Sequence[Slice]) -> Worth:
    """The money for some unused coins of a purchase, on top of what was given back before."""
    value = sum(part.value_micros for part in parts)
    before = purchase.refunded_value_micros
    money = _money_for(purchase, before + value) - _money_for(purchase, before)
    # Goodwill given earlier counts, too: never more than was paid.
    left = purchase.total_micros - purchase.refunded_micros
    money = min(money, left)
    return Worth(
        parts=tuple(parts),
        value_micros=value,
        money=Money(money, purchase.currency),
        taxes=taxes_in(purchase, money),
    )


def value_for(purchase: Purchase, amount: Money) -> int:
    """The largest USD micros of coins that come to no more than ``amount``."""
    before = purchase.refunded_value_micros
    step = micros_per_minor(purchase.currency)
    beyond = _money_for(purchase, before) + amount.floor_to_minor().micros + step
    # The first value that would come to one minor unit more, less one.
    first = -(-beyond * purchase.value_micros // purchase.total_micros)
    return max(first - 1 - before, 0)


def taxes_in(purchase: Purchase, money_micros: int) -> dict[str, int]:
    """The tax in the next ``money_micros`` given back, by office.

    By cumulative floor for each of them, so that all parts together come to what it was owed.
    """
    done, total = purchase.refunded_micros, purchase.total_micros
    return {
        office: tax * (done + money_micros) // total - tax * done // total
        for office, tax in taxes.owed(purchase).items()
    }


def taxes_left_in(purchase: Purchase, money_micros: int) -> dict[str, int]:
    """The tax in disputed money, which may be more than refunds have left of the payment."""
    left = purchase.total_micros - purchase.refunded_micros
    return taxes_in(purchase, min(money_micros, left))


def in_book_currency(purchase: Purchase, micros: int) -> int:
    """Micros of the paid currency in USD micros, at the rate of the purchase, rounded down."""
    return micros if purchase.fx_rate is None else divide_down(micros, purchase.fx_rate)


def _money_for(purchase: Purchase, value_micros: int) -> int:
    exact = purchase.total_micros * value_micros // purchase.value_micros
    return Money(exact, purchase.currency).floor_to_minor().micros
