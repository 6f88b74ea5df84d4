"""A receipt in words, and those words as a page and as a PDF."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.template.loader import render_to_string

from legato_payments.lib import pdf
from legato_payments.lib.money import Money
from payments.models import Purchase, PurchaseTaxLine
from payments.queries.receipts import Asked, Receipt

SYMBOLS = {"USD": "$", "CAD": "$", "NGN": "\N{NAIRA SIGN}"}


DECLARED = {
    "withdrawal": "you declared your withdrawal from this purchase",
    "unused": "paying unused coins back was asked for",
    "goodwill": "we agreed to pay back more than unused coins are worth",
    "gateway": "it was paid back at the payment provider",
}
"""How a refund began, by its ground."""


@dataclass(frozen=True, slots=True)
class Words:
    """Everything a receipt says, in the order it says it.

    Args:
        facts: Names with values.
        amounts: What it cost, line by line.
        totals: What was paid, and what came back of it.
        notes: Sentences below.
    """

    title: str
    seller: str
    facts: list[tuple[str, str]]
    amounts: list[tuple[str, str]]
    totals: list[tuple[str, str]]
    notes: list[str]


def words_of(receipt: Receipt) -> Words:
    """A receipt as people read it."""
    return Words(
        title=f"Receipt {receipt.number}",
        seller=", ".join(part for part in (settings.SELLER_NAME, settings.SELLER_ADDRESS) if part),
        facts=list(_facts(receipt)),
        amounts=list(_amounts(receipt)),
        totals=list(_totals(receipt)),
        notes=list(_notes(receipt)),
    )


def as_html(receipt: Receipt) -> str:
    """A page."""
    return render_to_string("payments/receipt.html", {"receipt": words_of(receipt)})


def as_pdf(receipt: Receipt) -> bytes:
    """A document; the same receipt gives the same bytes."""
    words = words_of(receipt)
    return pdf.build(
        title=words.title,
        author=settings.SELLER_NAME,
        blocks=[
            pdf.Heading(words.title, is_first=True),
            pdf.Words(words.seller, is_soft=True),
            pdf.Facts(words.facts),
            pdf.Sum([*words.amounts, *words.totals], totals=len(words.totals)),
            *(pdf.Words(note) for note in words.notes),
        ],
    )


def percent(rate_ppm: int) -> str:
    """A rate as a decimal string of percent: ``5``, ``9.975``."""
    return f"{Decimal(rate_ppm).scaleb(-4).normalize():f}"


def consent(receipt: Receipt) -> str:
    """What the reader agreed to about the right of withdrawal, and when."""
    if receipt.consented_at is not None:
        return (
            f"On {_moment(receipt.consented_at)} you asked for the coins at once and acknowledged"
            " that the right of withdrawal ends with their delivery."
        )
    return (
        f"You may withdraw from this purchase until {_moment(receipt.withdrawal_until)}; coins that"
        " were not used are paid back by their remaining value."
    )


def _facts(receipt: Receipt) -> Iterator[tuple[str, str]]:
    purchase = receipt.purchase
    yield "Date", _moment(receipt.issued_at)
    yield "Transaction", str(purchase.pk)
    yield "For", purchase.user_id
    bonus = f" ({purchase.coins:,} and {purchase.bonus_coins:,} bonus)"
    coins = f"{purchase.total_coins:,} coins{bonus if purchase.bonus_coins else ''}"
    yield "What", f"{receipt.package}: {coins}" if receipt.package else coins
    yield "Paid with", purchase.get_provider_display()
    yield "Payment reference", purchase.gateway_id
    yield "Our reference", purchase.reference
    if place := "-".join(part for part in (purchase.country, purchase.region) if part):
        yield "Your place", place
    for line in receipt.lines:
        if line.number:
            yield f"Our {line.name} number", line.number


def _amounts(receipt: Receipt) -> Iterator[tuple[str, str]]:
    is_taxed = receipt.purchase.tax_ground == Purchase.TaxGround.TAXED
    yield "Price before tax" if is_taxed else "Price", _money(receipt.price)
    for line in receipt.lines:
        yield _tax(line), _money(Money(line.amount_micros, line.currency))


def _totals(receipt: Receipt) -> Iterator[tuple[str, str]]:
    yield "Paid", _money(receipt.total)
    for refund in receipt.refunds:
        yield f"Paid back on {refund.at:%Y-%m-%d}", _money(-refund.amount)


def _notes(receipt: Receipt) -> Iterator[str]:
    match receipt.purchase.tax_ground:
        case Purchase.TaxGround.NOT_REGISTERED:
            yield "No sales tax: we are not registered where you are."
        case Purchase.TaxGround.NOT_TAXABLE:
            yield "No sales tax: none is due where you are."
    yield consent(receipt)
    for asked in receipt.asked:
        yield _asked(asked)


def _asked(asked: Asked) -> str:
    """When it was declared, what it was about, and what became of it."""
    words = DECLARED.get(asked.ground, "paying it back was asked for")
    taken = f"{asked.coins:,} coins for {_money(asked.amount)}"
    ended = _moment(asked.ended_at) if asked.ended_at else ""
    match asked.status:
        case "succeeded":
            end = f"It was paid back on {ended}."
        case "failed":
            end = f"It failed on {ended}, and the coins were given back."
        case _:
            end = "It is on its way."
    return f"On {_moment(asked.declared_at)} {words}: {taken}. {end}"


def _tax(line: PurchaseTaxLine) -> str:
    included = ", in the price" if line.is_inclusive else ""
    return f"{line.name} {percent(line.rate_ppm)} %{included} ({line.jurisdiction})"


def _money(money: Money) -> str:
    sign = "-" if money.micros < 0 else ""
    amount = str(money if money.micros >= 0 else -money)  # "13,750.00 NGN"
    return f"{sign}{SYMBOLS[money.currency]}{amount}"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
