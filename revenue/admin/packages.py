"""Coin packages with their margins: what the gateway and the writers leave of the price."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import IntegerField, QuerySet, Value
from django.http import HttpRequest

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.columns import Column
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.packages import PackageAdmin, listed_price
from payments.enums import BOOK_CURRENCY, Currency, Stream
from payments.models import CoinPackage
from payments.queries import margins
from revenue.queries import splits
from revenue.queries.package_margins import BAND


def margin_cell(price: Money | None, writers_bps: int) -> str:
    """What is left of a price, and a warning when it is less than nothing."""
    if price is None:
        return cells.EMPTY
    left = margins.left(price, writers_bps=writers_bps)
    return cells.mark(f"{left}, loss", Tone.BAD) if left.micros < 0 else str(left)


def _margin_at(bps: int) -> Column:
    def show(package: CoinPackage) -> str:
        return margin_cell(listed_price(package.current, BOOK_CURRENCY), bps)

    name = f"{columns.NUMBER}margin_{bps}"
    return columns.column(name, f"Left at {cells.percent(bps)}", show)


@admin.display(description="Left of tips")
def number_margin_of_tips(package: CoinPackage) -> str:
    """At the rate of tips in force for everybody."""
    bps = getattr(package, "tips_bps", None)
    if bps is None:
        return cells.EMPTY
    return margin_cell(listed_price(package.current, BOOK_CURRENCY), bps)


@admin.register(CoinPackage)
class PackageWithMarginAdmin(PackageAdmin):
    """The packages of ``payments``, and whether they pay for themselves."""

    list_display = [
        *PackageAdmin.list_display,
        *(_margin_at(bps) for bps in BAND),
        number_margin_of_tips,
    ]
    facts = PackageAdmin.facts

    def get_queryset(self, request: HttpRequest) -> QuerySet[CoinPackage]:
        """With the rate of tips now."""
        bps = splits.default_bps(Stream.TIP, on=clock.now())
        tips: Any = Value(bps, output_field=IntegerField(null=True))
        return super().get_queryset(request).annotate(tips_bps=tips)

    def sections(self, obj: CoinPackage) -> Iterator[Section]:
        """The margin in every currency, before the history."""
        yield margins_of(obj)
        yield from super().sections(obj)


def margins_of(package: CoinPackage) -> Table:
    """A row per currency with a price of its own."""
    tips = splits.default_bps(Stream.TIP, on=clock.now())
    tips_title = f"Tips at {cells.percent(tips)}" if tips is not None else "Tips"
    prices = [listed_price(package.current, currency) for currency in Currency]
    return Table(
        title="What is left of the price",
        headings=[
            "Currency",
            number("Price"),
            number("Gateway fee"),
            *(number(f"Content at {cells.percent(bps)}") for bps in BAND),
            number(tips_title),
        ],
        rows=[
            [
                price.currency,
                price,
                margins.fee(price),
                *(margin_cell(price, bps) for bps in BAND),
                margin_cell(price, tips) if tips is not None else cells.EMPTY,
            ]
            for price in prices
            if price
        ],
        note="After the gateway's list fee and the writers' part, when all coins are spent so.",
    )
