"""What a difference is, and what stands beside it: both sides, what may match, notes."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, people
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Table
from payments.models import Difference, Dispute, Purchase, Refund, Transaction
from payments.models.reconciliation import LONG_OPEN
from payments.queries import differences as difference_queries

OBJECTS: Mapping[str, type[Purchase | Refund | Dispute | Transaction]] = {
    "purchase": Purchase,
    "refund": Refund,
    "dispute": Dispute,
    "transaction": Transaction,
}

FIRST = ("status", "booked", "asked for", "kind", "amount", "gross", "fee")
"""What people look at first. JSON keeps no order."""

AMOUNTS = ("gross", "fee")
STATES = ("status", "booked", "kind", "asked for")
LABELS = {"about": "The gateway's id", "words": "Description", "line": "Line of the gateway"}


@admin.display(description="State")
def state(row: Difference) -> str:
    """Open, or how it was closed."""
    if row.status == Difference.Status.OPEN:
        is_old = row.first_seen_at <= clock.now() - LONG_OPEN
        return cells.mark("Open", Tone.BAD if is_old else Tone.WARN)
    return cells.mark(row.get_closing_display(), Tone.GOOD)


@admin.display(description="Age")
def age(row: Difference) -> str:
    """Since when it is open, or how long it was."""
    return timesince(row.first_seen_at, row.closed_at or clock.now())


@admin.display(description="Owner")
def owner(row: Difference) -> str:
    """Who looks into it."""
    return people.name_of(row.owner) or cells.EMPTY


@admin.display(description="Gateway less books")
def number_gap(row: Difference) -> str:
    """What the gateway holds for us beyond our books."""
    if row.gap_micros is None:
        return cells.EMPTY
    return cells.amount(row.gap_micros, row.currency)


@admin.display(description="What differs")
def kind(row: Difference) -> str:
    """In what they differ."""
    return f"{row.get_subject_display()}: {row.get_kind_display().lower()}"


@admin.display(description="Ours")
def our_object(row: Difference) -> str:
    """The row of ours that it is about."""
    found = cells.find(OBJECTS, row.object_type, row.object_id)
    return (
        cells.link(found) if found else f"{row.object_type} {row.object_id}".strip() or cells.EMPTY
    )


@admin.display(description="Matched with")
def matched_with(row: Difference) -> str:
    """What makes up for it."""
    if row.matched_with:
        return cells.link(row.matched_with)
    kind_of, _, object_id = row.matched_object.partition(":")
    found = cells.find(OBJECTS, kind_of, object_id)
    return cells.link(found) if found else row.matched_object or cells.EMPTY


@admin.display(description="Explanation")
def explanation(row: Difference) -> str:
    """Why it is none."""
    return row.get_reason_code_display() if row.reason_code else cells.EMPTY


def both_sides(row: Difference) -> Table:
    """What we have beside what the gateway has; where they differ is marked."""
    ours, theirs = row.ours or {}, row.theirs or {}
    rows = []
    for name in _in_order({**ours, **theirs}):
        here, there = ours.get(name), theirs.get(name)
        is_other = here is not None and there is not None and here != there
        rows.append(
            [
                LABELS.get(name, name[:1].upper() + name[1:]),
                _told(name, ours),
                _told(name, theirs),
                cells.mark("differs", Tone.WARN) if is_other else "",
            ]
        )
    missing = "in our books" if row.ours is None else "at the gateway" if row.theirs is None else ""
    return Table(
        title="Both sides",
        headings=["What", "Ours", "Theirs", ""],
        rows=rows,
        note=f"There is nothing {missing}." if missing else "",
    )


def _in_order(names: Collection[str]) -> Iterator[str]:
    """What people look at first, then the rest; amounts tell their currency themselves."""
    yield from (name for name in FIRST if name in names)
    hidden = {*FIRST, *(["currency"] if "gross" in names else [])}
    yield from (name for name in names if name not in hidden)


def _told(name: str, side: Mapping[str, Any]) -> str:
    """One member of a side: amounts with their currency, states in words, rows as links."""
    value = side.get(name)
    if not isinstance(value, str) or not value:
        return cells.plain(value)
    if name in AMOUNTS and "currency" in side:
        return str(Money.parse(value, side["currency"]))
    if name in STATES:
        return value.replace("_", " ").capitalize()
    found = cells.find(OBJECTS, name, value)
    return cells.link(found) if found else value


def may_match(row: Difference) -> Table:
    """What may make up for it."""
    return Table(
        title="May match",
        headings=["What", "Why", "To match with it"],
        rows=[
            [cells.link(one.row), one.why, cells.copyable(one.key)]
            for one in difference_queries.suggestions(row)
        ],
        empty="Nothing of ours, and no other difference, makes up for it.",
    )


def notes_of(row: Difference) -> Table:
    """What people said."""
    return Table(
        title="Notes",
        headings=["When", "Who", "What"],
        rows=[
            [cells.moment(one.written_at), people.name_of(one.written_by), one.text]
            for one in row.notes.order_by("pk")
        ],
        empty="Nobody said anything yet.",
    )
