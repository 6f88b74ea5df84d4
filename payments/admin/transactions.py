"""Ledger transactions: what was posted, and everything it hangs together with."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import Unit
from payments.ledger.templates import Draft
from payments.models import Entry, LotUse, Purchase, Transaction
from payments.queries import books


@admin.display(description="Moved")
def moved(transaction: Transaction) -> str:
    """The sum of the debits in each unit; units are never added up."""
    parts = [cells.amount(total, unit) for unit, total in books.moved(transaction)]
    return " · ".join(parts) or cells.EMPTY


@admin.display(description="State")
def state(transaction: Transaction) -> str:
    """Whether it still counts: a transaction is never changed, only taken back by another."""
    if hasattr(transaction, "reversed_by"):
        return cells.mark("Reversed", Tone.WARN)
    if transaction.reverses_id:
        return cells.mark("Reversal", Tone.BUSY)
    return cells.mark("Posted", Tone.GOOD)


@admin.display(description="Reader")
def reader(transaction: Transaction) -> str:
    """Whose coins moved."""
    return getattr(transaction, "reader", None) or cells.EMPTY


@admin.display(description="Source")
def source(transaction: Transaction) -> str:
    """What caused it."""
    return f"{transaction.source_type} {transaction.source_id}"


@admin.display(description="Reversal of")
def reversal_of(transaction: Transaction) -> str:
    """What it takes back."""
    return cells.link(transaction.reverses)


@admin.display(description="Reversed by")
def reversed_by(transaction: Transaction) -> str:
    """What took it back."""
    return cells.link(getattr(transaction, "reversed_by", None))


@admin.display(description="Details")
def metadata(transaction: Transaction) -> str:
    """What the event knew besides its amounts."""
    parts = [f"{name}: {cells.plain(value)}" for name, value in transaction.metadata.items()]
    return " · ".join(parts) or cells.EMPTY


@admin.register(Transaction)
class TransactionAdmin(RecordAdmin):
    """Read-only: a mistake is corrected by a reversal, never in place."""

    list_display = [
        columns.moment("occurred_at"),
        "kind",
        state,
        moved,
        reader,
        columns.person("actor"),
    ]
    list_filter = ["kind"]
    list_select_related = ["reversed_by"]
    search_fields = ["pk", "source_id", "idempotency_key", "relates_to"]
    search_help_text = "Id, idempotency key or source id"
    ordering = ["-id"]
    nothing_yet = "No transactions yet. The first settled coin purchase posts one."

    facts = (
        "kind",
        state,
        moved,
        reader,
        columns.moment("occurred_at"),
        columns.moment("recorded_at"),
        source,
        columns.person("actor"),
        columns.copyable("id"),
        columns.copyable("idempotency_key"),
        columns.decimal("fx_rate", "Per US dollar"),
        reversal_of,
        reversed_by,
        columns.words("memo"),
        metadata,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        """With what each moved, in the same query."""
        return books.with_moved(super().get_queryset(request))

    def sections(self, obj: Transaction) -> Iterator[Section]:
        """Postings first; then the coins, then the neighbours."""
        yield postings(obj)
        if uses := list(obj.lot_uses.select_related("lot").order_by("lot_id", "from_coin")):
            yield coins_used(uses)
        if lots := list(obj.lots.select_related("wallet").order_by("id")):
            yield Table(
                title="Coins issued",
                headings=["Lot", "Origin", "Reader", number("Coins"), number("Value")],
                rows=[
                    [
                        cells.link(lot, f"Lot {lot.pk}"),
                        lot.get_origin_display(),
                        cells.link(lot.wallet, lot.wallet.user_id),
                        f"{lot.coins:,}",
                        cells.amount(lot.value_micros, Unit.USD),
                    ]
                    for lot in lots
                ],
            )
        yield neighbours(obj)


def postings(transaction: Transaction) -> Table:
    """Every line, a debit and a credit column per unit, and the proof that they balance."""
    entries = list(transaction.entries.select_related("account").order_by("line"))
    units = [str(unit) for unit in Unit if any(entry.unit == unit for entry in entries)]
    digits = {
        unit: cells.digits_for([e.amount for e in entries if e.unit == unit], unit)
        for unit in units
    }
    debits: dict[str, int] = defaultdict(int)
    credits_: dict[str, int] = defaultdict(int)
    for entry in entries:
        (debits if entry.amount > 0 else credits_)[entry.unit] += abs(entry.amount)
    sums = [
        cells.figure(side[unit], unit, digits=digits[unit])
        for unit in units
        for side in (debits, credits_)
    ]
    return Table(
        title="Postings",
        headings=["Line", "Account", "Owner", *_unit_headings(units)],
        rows=[_posting(entry, units, digits) for entry in entries],
        totals=["", "Total", _balances(debits, credits_, units), *sums],
    )


def drafted(title: str, draft: Draft, *, note: str = "") -> Table:
    """The lines of a transaction that nobody has posted yet, and that they balance."""
    sums: dict[str, int] = defaultdict(int)
    for line in draft.lines:
        sums[line.account.unit] += line.amount
    proof = cells.mark("balances ✓", Tone.GOOD)
    if any(sums.values()):
        proof = cells.mark("does not balance", Tone.BAD)
    rows = []
    for line in draft.lines:
        shown = cells.amount(abs(line.amount), line.account.unit)
        owner = line.account.owner_id or "Platform"
        is_debit = line.amount > 0
        rows.append(
            [line.account.code, owner, shown if is_debit else "", "" if is_debit else shown]
        )
    return Table(
        title=title,
        headings=["Account", "Owner", number("Debit"), number("Credit")],
        rows=rows,
        totals=["Total", proof, "", ""],
        note=note,
    )


def _unit_headings(units: Sequence[str]) -> list[tables.Heading]:
    names = {unit: "Coins" if unit == Unit.COIN else unit for unit in units}
    return [number(f"{names[unit]} {side}") for unit in units for side in ("debit", "credit")]


def _posting(entry: Entry, units: Sequence[str], digits: dict[str, int]) -> list[object]:
    figures = []
    for unit in units:
        shown = cells.figure(abs(entry.amount), unit, digits=digits[unit])
        is_debit, is_credit = entry.amount > 0, entry.amount < 0
        figures.append(shown if entry.unit == unit and is_debit else "")
        figures.append(shown if entry.unit == unit and is_credit else "")
    account = entry.account
    owner = account.owner_id or account.get_owner_type_display()
    return [entry.line, cells.link(account, account.code), owner, *figures]


def _balances(debits: dict[str, int], credits_: dict[str, int], units: Sequence[str]) -> str:
    if all(debits[unit] == credits_[unit] for unit in units):
        return cells.mark("balances ✓", Tone.GOOD)
    return cells.mark("does not balance", Tone.BAD)


def coins_used(uses: Sequence[LotUse]) -> Table:
    """Which coins of which lots were used, and what they released."""
    coins = sum(use.to_coin - use.from_coin for use in uses)
    value = sum(use.value_micros for use in uses)
    return Table(
        title="Coins used",
        headings=["Lot", "Origin", "Coins of the lot", number("Coins"), number("Value released")],
        rows=[
            [
                cells.link(use.lot, f"Lot {use.lot_id}"),
                use.lot.get_origin_display(),
                f"{use.from_coin + 1:,} to {use.to_coin:,} of {use.lot.coins:,}",
                f"{use.to_coin - use.from_coin:,}",
                cells.amount(use.value_micros, Unit.USD),
            ]
            for use in uses
        ],
        totals=["", "Total", "", f"{coins:,}", cells.amount(value, Unit.USD)],
    )


def posted_by(source_type: str, source_id: object) -> Table:
    """Every transaction that one object caused."""
    found = Transaction.objects.filter(source_type=source_type, source_id=str(source_id))
    return listed(found, empty="Nothing was posted for it yet.")


def listed(found: QuerySet[Transaction], *, empty: str) -> Table:
    """Transactions, oldest first, and what each moved."""
    return Table(
        title="Ledger transactions",
        headings=["Transaction", "Moved", "Occurred"],
        rows=[
            [
                cells.link(transaction, transaction.get_kind_display()),
                moved(transaction),
                cells.moment(transaction.occurred_at),
            ]
            for transaction in books.with_moved(found).order_by("id")
        ],
        empty=empty,
    )


def neighbours(transaction: Transaction) -> Table:
    """The purchase behind it, and the transactions that belong to the same event."""
    rows: list[list[object]] = []
    purchase = Purchase.objects.filter(pk=transaction.relates_to or transaction.pk).first()
    if purchase:
        rows.append(["Coin purchase", cells.link(purchase), cells.moment(purchase.created_at)])
    for label, found in _related(transaction):
        rows.append([label, cells.link(found), cells.moment(found.occurred_at)])
    return Table(
        title="Related",
        headings=["What", "Record", "When"],
        rows=rows,
        empty="Nothing else belongs to this transaction.",
    )


def _related(transaction: Transaction) -> Iterator[tuple[str, Transaction]]:
    if transaction.reverses:
        yield "Takes back", transaction.reverses
    elif transaction.relates_to:
        for main in Transaction.objects.filter(pk=transaction.relates_to):
            yield "Belongs to", main
    others = Transaction.objects.filter(relates_to=transaction.pk)
    for other in others.order_by("id")[:50]:
        yield "Taken back by" if other.reverses_id else "With it", other
