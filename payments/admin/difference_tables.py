"""What a difference is, and what stands beside it: both sides, what may match, notes."""

from django.contrib import admin
from django.utils.timesince import timesince

from legato_payments.lib import clock
from legato_payments.lib.pages import cells, people
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Table
from payments.models import Difference, Dispute, Purchase, Refund
from payments.models.reconciliation import LONG_OPEN
from payments.queries import differences as difference_queries

OBJECTS = {"purchase": Purchase, "refund": Refund, "dispute": Dispute}


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


@admin.display(description="They hold more by")
def number_gap(row: Difference) -> str:
    """What the gateway holds for us beyond our books."""
    if row.gap_micros is None:
        return cells.EMPTY
    return cells.amount(row.gap_micros, row.currency)


@admin.display(description="Class")
def kind(row: Difference) -> str:
    """In what they differ."""
    return f"{row.get_subject_display()}: {row.get_kind_display().lower()}"


@admin.display(description="Ours")
def our_object(row: Difference) -> str:
    """The row of ours that it is about."""
    model = OBJECTS.get(row.object_type)
    found = model._default_manager.filter(pk=row.object_id).first() if model else None  # noqa: SLF001
    if found is None:
        return f"{row.object_type} {row.object_id}".strip() or cells.EMPTY
    return cells.link(found)


@admin.display(description="Matched with")
def matched_with(row: Difference) -> str:
    """What makes up for it."""
    return cells.link(row.matched_with) if row.matched_with else row.matched_object or cells.EMPTY


@admin.display(description="Explanation")
def explanation(row: Difference) -> str:
    """Why it is none."""
    return row.get_reason_code_display() if row.reason_code else cells.EMPTY


def both_sides(row: Difference) -> Table:
    """What we have beside what the gateway has; where they differ is marked."""
    ours, theirs = row.ours or {}, row.theirs or {}
    rows = []
    for name in dict.fromkeys([*ours, *theirs]):
        here, there = ours.get(name), theirs.get(name)
        is_other = here is not None and there is not None and here != there
        rows.append(
            [
                name,
                cells.plain(here),
                cells.plain(there),
                cells.mark("differs", Tone.WARN) if is_other else "",
            ]
        )
    missing = "our books" if row.ours is None else "the gateway" if row.theirs is None else ""
    return Table(
        title="Both sides",
        headings=["What", "Ours", "Theirs", ""],
        rows=rows,
        note=f"There is nothing in {missing}." if missing else "",
    )


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
