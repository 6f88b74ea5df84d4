"""What the gateway's own book says of a refund or dispute beyond its amount: fees, conversions.

The row remembers what is booked, and only what is missing to the gateway's word is booked next: it
may come at once or days later, in parts, and be taken back. So both can be called again and again.
"""

from collections.abc import Iterator, Mapping

from legato_payments.lib.money import Money
from payments.ledger import templates
from payments.models.gateway_figures import GatewayFigures


def fees_to_book(row: GatewayFigures, fees: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The currencies and micros of what the gateway kept and is not booked; the caller saves.

    Args:
        fees: All it kept so far, less what it gave back: micros by currency.
    """
    for currency, target in fees.items():
        if rest := target - row.fees.get(currency, 0):
            row.fees[currency] = target
            yield currency, rest


def conversions_to_book(
    row: GatewayFigures, *, provider: str, currency: str, out: int, settled: Money | None
) -> Iterator[templates.Draft]:
    """What moves an amount from the paid currency to the one our balance has; the caller saves.

    Args:
        currency: Paid.
        out: Micros of it that our books have taken out of the gateway's balance; 0 once it is back.
        settled: What left the balance, less what came back, in its own currency; ``None`` where
            the gateway converts nothing, or does not say.
    """
    if settled is None and not row.settled:
        return
    settled_currency = settled.currency if settled else next(iter(row.settled))
    before = row.settled.get(settled_currency, 0)
    target = settled.micros if settled else before
    if (out, target) != (row.converted_micros, before):
        amount, moved = out - row.converted_micros, target - before
        row.converted_micros = out
        row.settled[settled_currency] = target
        yield templates.conversion(
            provider=provider,
            currency=currency,
            amount=-amount,
            settled_currency=settled_currency,
            settled=-moved,
        )


def are_booked(row: GatewayFigures, *, fees: Mapping[str, int], settled: Money | None) -> bool:
    """Whether nothing of the gateway's word is missing; arguments as above."""
    is_settled = settled is None or row.settled.get(settled.currency, 0) == settled.micros
    return is_settled and all(row.fees.get(currency, 0) == kept for currency, kept in fees.items())
