"""The trace as a page: where a payment went, and who paid for a sale."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from access.models import Content
from access.queries import sources, trace
from access.queries.sources import Source, SpendTrace
from access.queries.trace import Lot, PurchaseTrace, Share, Use
from legato_payments.lib.admin import section_of
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import BOOK_CURRENCY, LotOrigin, Unit
from payments.models import CoinLot, LotUse, Purchase, Transaction
from revenue.models import Writer

RIGHTS = ("payments.view_transaction", "payments.view_purchase", "revenue.view_earning")
"""All of them: the page shows readers' money and writers' earnings at once."""

MAX_LOTS, MAX_USES = 50, 200


def page(request: HttpRequest, transaction_id: UUID) -> HttpResponse:
    """The whole trace of a purchase, a sale or a tip.

    Raises:
        PermissionDenied: Without every one of ``RIGHTS``.
        Http404: The id is of nothing that can be followed.
    """
    if not request.user.has_perms(RIGHTS):
        raise PermissionDenied
    if purchase := trace.of_purchase(transaction_id=transaction_id):
        shown = _purchase_page(purchase)
    elif spend := sources.of_spend(transaction_id=transaction_id):
        shown = _spend_page(spend)
    else:
        raise Http404
    context = {**admin.site.each_context(request), **shown}
    return TemplateResponse(request, "admin/trace.html", context)


def trace_of(transaction_id: UUID) -> str:
    """The address of the trace of a purchase, a sale or a tip."""
    return reverse("admin-trace", args=[transaction_id])


@section_of(Purchase, permission="revenue.view_earning")
def trace_of_purchase(purchase: Purchase) -> Section | None:
    """Where its value is now, with the way to every coin."""
    found = trace.of_purchase(transaction_id=purchase.pk)
    note = _anchor(trace_of(purchase.pk), "Follow every coin")
    return _totals(found, note=note) if found and purchase.settled_at else None


@section_of(Transaction, permission="payments.view_purchase")
def sources_of_transaction(transaction: Transaction) -> Section | None:
    """The payments behind a sale or a tip."""
    if transaction.kind not in sources.SPENDS:
        return None
    found = sources.of_spend(transaction_id=transaction.pk)
    note = _anchor(trace_of(transaction.pk), "Follow the money")
    return _sources(found, note=note) if found else None


def _purchase_page(found: PurchaseTrace) -> dict[str, object]:
    rest = len(found.lots) - MAX_LOTS
    note = f"{rest} more lots count above and are not listed below." if rest > 0 else ""
    nothing = "Nothing to follow: there are no coins before the payment is captured."
    is_settled = found.purchase.settled_at is not None
    return {
        "title": f"Trace of a purchase by {found.user_id}",
        "intro": "Where the money went, coin by coin." if is_settled else nothing,
        "back": cells.page_of(found.purchase),
        "facts": list(_purchase_facts(found.purchase)),
        "sections": [
            *([_totals(found, note=note)] if is_settled else []),
            *(_lot(lot, found.user_id) for lot in found.lots[:MAX_LOTS]),
        ],
    }


def _purchase_facts(purchase: Purchase) -> Iterator[tuple[str, object]]:
    yield "Status", purchase.get_status_display()
    yield "Reader", purchase.user_id
    yield "Paid, tax included", Money(purchase.total_micros, purchase.currency)
    yield "Tax", Money(purchase.tax_micros, purchase.currency)
    if purchase.fee is not None:
        yield "Gateway fee", purchase.fee
    if purchase.fx_rate is not None:
        yield "Per US dollar", cells.decimal(purchase.fx_rate)
    yield "Value of the coins", _usd(purchase.value_micros)
    yield "Coins", f"{purchase.total_coins:,}"
    yield "Settled", cells.moment(purchase.settled_at)
    yield "Id", cells.copyable(purchase.pk)


def _totals(found: PurchaseTrace, *, note: str) -> Table:
    totals, value = found.totals, found.purchase.value_micros
    parts = {
        "Writers": totals.writers_micros,
        "Platform": totals.sales_micros,
        "Not spent yet": totals.unspent_micros,
        "Refunded": totals.paid_back_micros,
    }
    if totals.debt_micros:
        parts["Settled a debt of the reader"] = totals.debt_micros
    if lost := totals.lost.value_micros:
        parts["Taken by the payer's bank"] = lost
    if ours := totals.lost.platform_micros:
        parts["Our loss by disputes"] = -ours
    if owed := totals.lost.reader_micros:
        parts["Claimed from the reader"] = -owed
    proof = cells.mark("adds up ✓", Tone.GOOD)
    if totals.sum_micros != value:
        proof = cells.mark(f"the coins are worth {_usd(value)}", Tone.BAD)
    return Table(
        title="Where the money is",
        headings=["Where", number("USD")],
        rows=[[name, cells.figure(micros, Unit.USD)] for name, micros in parts.items()],
        totals=[format_html("Total {}", proof), cells.figure(totals.sum_micros, Unit.USD)],
        note=note,
    )


def _lot(lot: Lot, payer_id: str) -> Table:
    origin = LotOrigin(lot.origin).label.lower()
    came = f"{origin}, out of lot {lot.parent_id}" if lot.parent_id else origin
    owner = f", held by {lot.user_id}" if lot.user_id != payer_id else ""
    rest = len(lot.used) - MAX_USES
    left = f"{cells.coins(lot.remaining_coins)} left, worth {_usd(lot.remaining_micros)}."
    used = sum(use.to_coin - use.from_coin for use in lot.used)
    value = sum(use.value_micros for use in lot.used)
    return Table(
        title=f"Lot {lot.lot_id}: {cells.coins(lot.coins)}, {came}{owner}",
        headings=[
            "When",
            "What",
            "Coins of the lot",
            number("Coins"),
            number("USD released"),
            "Writers, USD",
            number("Platform, USD"),
            "Went on",
        ],
        rows=[_use(use) for use in lot.used[:MAX_USES]],
        totals=["Total", "", "", f"{used:,}", cells.figure(value, Unit.USD), "", "", ""],
        empty="None of its coins are used yet.",
        note=left + (f" {rest} more uses count and are not listed." if rest > 0 else ""),
    )


def _use(use: Use) -> list[object]:
    is_sale = use.kind in (LotUse.Kind.SPEND, LotUse.Kind.TIP)
    platform = use.value_micros - use.writers_micros if is_sale else 0
    moved = (_anchor(cells.page(CoinLot, lot_id), f"as lot {lot_id}") for lot_id in use.moved_to)
    return [
        cells.moment(use.occurred_at),
        _what(use),
        f"{use.from_coin + 1:,} to {use.to_coin:,}",
        f"{use.to_coin - use.from_coin:,}",
        cells.figure(use.value_micros, Unit.USD),
        _writers(use.shares),
        cells.figure(platform, Unit.USD) if is_sale else cells.EMPTY,
        _lines(moved),
    ]


def _what(use: Use) -> str:
    label = LotUse.Kind(use.kind).label
    lines = [_anchor(cells.page(Transaction, use.transaction_id), label)]
    if use.content_id:
        lines.append(_content(use.content_id))
    return _lines(lines)


def _spend_page(found: SpendTrace) -> dict[str, object]:
    kind = found.transaction.get_kind_display()
    return {
        "title": f"Trace of a {kind.lower()} by {found.user_id}",
        "intro": "Who earned, and whose payments it came from.",
        "back": cells.page_of(found.transaction),
        "facts": list(_spend_facts(found)),
        "sections": [_earned(found), _sources(found, note="")],
    }


def _spend_facts(found: SpendTrace) -> Iterator[tuple[str, object]]:
    transaction = found.transaction
    taken_back = cells.mark("Reversed", Tone.WARN)
    yield "Kind", transaction.get_kind_display()
    yield "State", taken_back if found.is_reversed else cells.mark("Posted", Tone.GOOD)
    yield "Reader", found.user_id
    if content_id := transaction.metadata.get("content_id"):
        yield "Content", _content(content_id)
    yield "Coins", f"{found.coins:,}"
    yield "Value released", _usd(found.value_micros)
    yield "Occurred", cells.moment(transaction.occurred_at)
    yield "Id", cells.copyable(transaction.pk)


def _earned(found: SpendTrace) -> Table:
    rows: list[list[object]] = [
        [_writer(share.writer_id), cells.figure(share.amount_micros, Unit.USD)]
        for share in found.shares
    ]
    return Table(
        title="Who earned",
        headings=["Whom", number("USD")],
        rows=[*rows, ["Platform", cells.figure(found.platform_micros, Unit.USD)]],
        totals=["Total", cells.figure(found.value_micros, Unit.USD)],
        note="As it was before the reversal." if found.is_reversed else "",
    )


def _sources(found: SpendTrace, *, note: str) -> Table:
    return Table(
        title="Paid by",
        headings=[
            "Lot",
            "Coins of the lot",
            number("USD released"),
            "Came from",
            "Purchase",
            number("Paid in all"),
            "Gateway",
        ],
        rows=[_source(source) for source in found.sources],
        totals=["Total", "", cells.figure(found.value_micros, Unit.USD), "", "", "", ""],
        note=note,
    )


def _source(source: Source) -> list[object]:
    origin = LotOrigin(source.origin).label
    if source.root_lot_id != source.lot_id:
        origin = f"{origin}, by way of lot {source.root_lot_id}"
    payment = source.payment
    return [
        _anchor(cells.page(CoinLot, source.lot_id), f"Lot {source.lot_id}"),
        f"{source.from_coin + 1:,} to {source.to_coin:,}",
        cells.figure(source.value_micros, Unit.USD),
        origin,
        _anchor(trace_of(payment.purchase_id), f"by {payment.payer_id}") if payment else "nobody",
        payment.paid if payment else cells.EMPTY,
        payment.gateway if payment else cells.EMPTY,
    ]


def _writers(shares: Sequence[Share]) -> str:
    return _lines(
        format_html("{} {}", _writer(share.writer_id), cells.figure(share.amount_micros, Unit.USD))
        for share in shares
    )


def _lines(parts: Iterable[str]) -> str:
    """Parts of a cell, each on a line of its own that does not break."""
    rows = ((part,) for part in parts)
    return format_html_join("", '<div class="bo-line">{}</div>', rows) or cells.EMPTY


def _writer(writer_id: str) -> str:
    return _anchor(cells.page(Writer, writer_id), writer_id)


def _content(content_id: str) -> str:
    return _anchor(cells.page(Content, content_id), content_id)


def _anchor(address: str, words: str) -> str:
    return format_html('<a class="bo-link" href="{}">{}</a>', address, words)


def _usd(micros: int) -> Money:
    return Money(micros, BOOK_CURRENCY)
