"""What is left of a package's price (rules.md, rule 8)."""

from legato_payments.lib.money import Money, share_of
from payments.gateways.sandbox.books import fee_minor


def fee(price: Money) -> Money:
    """What the gateway keeps of a price, by list price; the sandbox charges the same.

    The books hold the fees that gateways really took; this one is for judging prices.
    """
    return Money.from_minor(
        fee_minor(amount_minor=price.ceil_to_minor().minor, currency=price.currency), price.currency
    )


def left(price: Money, *, writers_bps: int) -> Money:
    """What we keep of a price when all its coins are spent at one rate; negative is a loss.

    Args:
        writers_bps: The writers' part of the coins' value, basis points.
    """
    for_writers = Money(share_of(price.micros, writers_bps), price.currency)
    return price - fee(price) - for_writers
