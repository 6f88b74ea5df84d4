"""The gateway's book line by line, and what a day comes to on both sides.

Payments, refunds and disputes were compared as objects before. Here each line of the gateway's book
is held against what we posted because of the same object, on whatever day. A refund leaves the
gateway's balance when it is asked for and ours when it is paid: such a line agrees, and counts as
*elsewhere* on its day.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from legato_payments.lib.money import Money
from payments.gateways import registry
from payments.gateways.values import LedgerLine, LineKind, Window
from payments.models import Dispute, Purchase, Refund
from payments.queries import gateway_books
from payments.queries.gateway_books import Posting, Source
from payments.services import reconciliation_disputes as disputes
from payments.services import reconciliation_refunds as refunds
from payments.services.reconciliation_findings import (
    Finding,
    Kind,
    Subject,
    Tally,
    Task,
    of_line,
)
from payments.services.reconciliation_sources import check_source, look_up, sources_of

SLACK = timedelta(hours=1)
"""How far the gateway's clock may be from its own book's, and from ours, around midnight."""

SETTLEMENTS = frozenset({LineKind.SETTLEMENT, LineKind.SETTLEMENT_FAILURE})
"""Transfers to the bank, which are compared with the bank's statements."""

ONCE = frozenset({LineKind.CHARGE, LineKind.REFUND})
"""What happens to an object once; a dispute may be won, lost, and won again."""

CORRECTION = "difference"
"""Source of what two people corrected: explained, whatever the day."""

SHOWN = 20
"""Transactions that a difference of a balance names."""


@dataclass(slots=True)
class Totals:
    """One currency of a day, micros."""

    their_gross: int = 0
    their_fee: int = 0
    our_gross: int = 0
    our_fee: int = 0
    unexplained: int = 0
    """Theirs less ours of what is found to differ on this day and is not closed."""

    @property
    def difference(self) -> int:
        """Theirs less ours, as the two books stand."""
        return (self.their_gross - self.their_fee) - (self.our_gross - self.our_fee)

    @property
    def elsewhere(self) -> int:
        """What of it agrees: another day, on its way, or explained."""
        return self.difference - self.unexplained


@dataclass(slots=True)
class Day:
    """Both books of one day, by currency."""

    totals: dict[str, Totals] = field(default_factory=dict)

    def of(self, currency: str) -> Totals:
        """One currency, zero so far unless something stands in it."""
        return self.totals.setdefault(currency, Totals())


def of_day(
    task: Task, window: Window, tally: Tally, *, is_closed: Callable[[Finding], bool]
) -> Day:
    """Compare the gateway's book of one day with ours, adding what differs to ``tally``.

    Args:
        is_closed: Whether a person closed just this before.
    """
    around = Window(window.start - SLACK, window.end + SLACK)
    listed = list(registry.charge_gateway(task.provider).ledger(around))
    lines = [line for line in listed if line.kind not in SETTLEMENTS]
    of_the_day = [line for line in lines if window.start <= line.occurred_at < window.end]
    found = sources_of(task.provider, lines)
    if missing := [line for line in of_the_day if line.id not in found]:
        look_up(task, missing, tally)
        found = sources_of(task.provider, lines)

    comparison = _Comparison(task, window, tally, found, is_closed)
    books = comparison.of(of_the_day, lines)
    if comparison.is_stale:
        # Something of another day was repaired meanwhile: its postings count, too.
        books = _Comparison(task, window, tally, found, is_closed).of(of_the_day, lines)
    return books


class _Comparison:
    """Both books of one day, object by object."""

    def __init__(
        self,
        task: Task,
        window: Window,
        tally: Tally,
        found: dict[str, Source],
        is_closed: Callable[[Finding], bool],
    ) -> None:
        self.is_stale = False
        self._task = task
        self._window = window
        self._day = window.start.date()
        self._tally = tally
        self._found = found
        self._is_closed = is_closed
        self._books = Day()
        self._gaps: dict[Source, dict[str, int]] = {}
        self._lines: dict[Source, list[LedgerLine]] = {}
        self._foreign: dict[str, list[Posting]] = {}
        self._unlisted: set[Source] = set()

    def of(self, of_the_day: Iterable[LedgerLine], around: Iterable[LedgerLine]) -> Day:
        """Compare the lines of the day with our postings; those around midnight are there, too."""
        self._add_lines(of_the_day)
        postings = gateway_books.of_time(
            provider=self._task.provider, start=self._window.start, end=self._window.end
        )
        listed = {self._found[line.id] for line in around if line.id in self._found}
        self._add_postings(postings, listed=listed)
        return self._finish()

    def _add_lines(self, lines: Iterable[LedgerLine]) -> None:
        """What the gateway has."""
        for line in lines:
            totals = self._books.of(line.gross.currency)
            totals.their_gross += line.gross.micros
            totals.their_fee += line.fee.micros
            source = self._found.get(line.id)
            if source is None:
                about = self._tally.of_gateway_id(line.source_id)
                about = about or self._tally.of_gateway_id(line.id)
                totals.unexplained += line.net.micros * self._is_open(about)
            else:
                self._lines.setdefault(source, []).append(line)
                self._move(source, line.gross.currency, line.net.micros)

    def _add_postings(self, postings: Iterable[Posting], *, listed: set[Source]) -> None:
        """What we have; ``listed`` are the objects that the gateway's book names about then."""
        for posting in postings:
            totals = self._books.of(posting.currency)
            if posting.is_fee:
                totals.our_fee -= posting.micros
            else:
                totals.our_gross += posting.micros
            if posting.source.type in ("purchase", "refund", "dispute"):
                self._move(posting.source, posting.currency, -posting.micros)
                if posting.kind == "COIN_PURCHASE" and posting.source not in listed:
                    self._unlisted.add(posting.source)
            elif posting.source.type != CORRECTION:
                self._foreign.setdefault(posting.currency, []).append(posting)

    def _finish(self) -> Day:
        """Tell what of the gaps agrees elsewhere and what differs."""
        life = gateway_books.of_sources(provider=self._task.provider, sources=self._gaps)
        for source, gaps in self._gaps.items():
            self._judge(source, life[source])
            is_open = self._is_open(self._tally.of_source(source))
            for currency, gap in gaps.items():
                self._books.of(currency).unexplained += gap * is_open
        for currency, postings in self._foreign.items():
            self._report_foreign(currency, postings)
        return self._books

    def _move(self, source: Source, currency: str, micros: int) -> None:
        gaps = self._gaps.setdefault(source, {})
        gaps[currency] = gaps.get(currency, 0) + micros

    def _is_open(self, about: Iterable[Finding]) -> bool:
        return any(not self._is_closed(finding) for finding in about)

    def _judge(self, source: Source, life: list[Posting]) -> None:
        """Compare the lines of one object with all that was ever posted for it."""
        if any(self._gaps[source].values()) and source not in self._tally.sources:
            checked = check_source(self._task, source, self._day)
            self._tally.add(checked, is_of_the_day=False)
            self.is_stale |= checked.is_repaired
        if self.is_stale or self._tally.of_source(source):
            return
        booked: set[LineKind] = set()
        for line in self._lines.get(source, []):
            if line.kind in booked & ONCE:
                self._report_twice(source, line)
            else:
                self._compare(source, line, life)
            booked.add(line.kind)
        if source in self._unlisted:
            self._report_unlisted(source, life)

    def _compare(self, source: Source, line: LedgerLine, life: list[Posting]) -> None:
        currency = line.gross.currency
        expected = _expected(source, line, life)
        if (expected.gross, expected.fee) == (line.gross, line.fee):
            return
        is_amount = expected.gross != line.gross
        self._tally.report(
            Finding(
                subject=Subject.LEDGER_LINE,
                kind=Kind.AMOUNT if is_amount else Kind.FEE,
                key=line.id,
                day=self._day,
                ours={
                    "gross": expected.gross.amount(),
                    "fee": expected.fee.amount(),
                    "currency": currency,
                    source.type: source.id,
                },
                theirs=of_line(line),
                reference=line.reference,
                gateway_id=line.source_id,
                source=source,
                gap=line.net - (expected.gross - expected.fee),
            )
        )

    def _report_twice(self, source: Source, line: LedgerLine) -> None:
        self._tally.report(
            Finding(
                subject=Subject.LEDGER_LINE,
                kind=Kind.DUPLICATE,
                key=line.id,
                day=self._day,
                ours={source.type: source.id, "booked": "once"},
                theirs=of_line(line),
                reference=line.reference,
                gateway_id=line.source_id,
                source=source,
                gap=line.net,
            )
        )

    def _report_unlisted(self, source: Source, life: list[Posting]) -> None:
        purchase = Purchase.objects.get(pk=source.id)
        currency = purchase.currency
        net = gateway_books.net(life, currency)
        self._tally.report(
            Finding(
                subject=Subject.LEDGER_LINE,
                kind=Kind.MISSING_THERE,
                key=purchase.reference,
                day=self._day,
                ours={
                    "gross": Money(gateway_books.gross(life, currency), currency).amount(),
                    "fee": Money(gateway_books.fees(life, currency), currency).amount(),
                    "currency": currency,
                    source.type: source.id,
                },
                theirs=None,
                reference=purchase.reference,
                gateway_id=purchase.payment_id,
                source=source,
                gap=Money(-net, currency) if net else None,
            )
        )

    def _report_foreign(self, currency: str, postings: list[Posting]) -> None:
        net = sum(posting.micros for posting in postings)
        if not net:
            return
        named = [str(posting.transaction_id) for posting in postings[:SHOWN]]
        finding = Finding(
            subject=Subject.BALANCE,
            kind=Kind.AMOUNT,
            key=f"{currency}:{self._day}",
            day=self._day,
            ours={"amount": str(Money(net, currency)), "transactions": ", ".join(named)},
            theirs={"amount": str(Money(0, currency))},
            gap=Money(-net, currency),
        )
        self._tally.report(finding)
        self._books.of(currency).unexplained -= net * self._is_open([finding])


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a line should say by our books."""

    gross: Money
    fee: Money


def _expected(source: Source, line: LedgerLine, life: list[Posting]) -> _Expected:
    """By what was posted for the object."""
    currency = line.gross.currency
    if source.type == "purchase":
        gross = Money(gateway_books.gross(life, currency), currency)
        fee = Money(gateway_books.fees(life, currency), currency)
        return _Expected(gross - fee, line.fee) if line.is_net else _Expected(gross, fee)
    sign = -1 if line.kind in (LineKind.REFUND, LineKind.DISPUTE) else 1
    posted = -gateway_books.gross(life, currency)
    row: Refund | Dispute
    if source.type == "refund":
        row = refund = Refund.objects.get(pk=source.id)
        amount, booked = refund.amount_micros, refunds.booked(refund)
    else:
        row = dispute = Dispute.objects.get(pk=source.id)
        amount, booked = dispute.amount_micros, disputes.booked(dispute)
    if currency != row.currency:
        # Converted there, at its own rate each time: its sum was compared with the object.
        return _Expected(line.gross, line.fee)
    # Where our row and its postings agree, a line is told by the row: it may come before them.
    # The fee of a dispute may be given back in parts; its sum was compared with the dispute.
    return _Expected(Money(sign * (amount if posted == booked else posted), currency), line.fee)
