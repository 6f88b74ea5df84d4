"""Columns of a list and facts of a page: each reads one row and returns a cell.

A column is a plain function with the attributes that Django's admin looks for, so it can stand in
``list_display`` and among the facts of a page alike.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model

from legato_payments.lib.pages import cells, people
from legato_payments.lib.pages.cells import Tone

type Column = Callable[[Any], str]

NUMBER = "number_"
"""Columns whose name begins so are set right-aligned, heading and cells."""

WORDS = "words_"
"""Columns whose name begins so may break into lines; all others of a list stay on one."""


def column(name: str, label: str, show: Column, *, order: str | None = None) -> Column:
    """A function as a column.

    Args:
        name: Becomes the CSS class of the heading and the cells.
        order: The field that the list is sorted by, if it can be.
    """

    def shown(row: Any) -> str:
        return show(row)

    shown.__name__ = name
    return admin.display(description=label, ordering=order)(shown)


def money(micros: str, currency: str, label: str = "") -> Column:
    """An amount: the field with its micros, and its currency or the field that names it."""

    def show(row: Any) -> str:
        number = getattr(row, micros)
        unit = getattr(row, currency) if currency.islower() else currency
        return cells.EMPTY if number is None else cells.amount(number, unit)

    return column(NUMBER + micros, label or _words(micros.removesuffix("_micros")), show)


def count(field: str, label: str = "") -> Column:
    """A whole number."""

    def show(row: Any) -> str:
        number = getattr(row, field)
        return cells.EMPTY if number is None else f"{number:,}"

    return column(NUMBER + field, label or _words(field), show)


def percent(field: str, label: str = "") -> Column:
    """Basis points."""
    label = label or _words(field.removesuffix("_bps"))
    return column(NUMBER + field, label, lambda row: cells.percent(getattr(row, field)))


def decimal(field: str, label: str = "") -> Column:
    """A rate."""
    return column(
        NUMBER + field, label or _words(field), lambda row: cells.decimal(getattr(row, field))
    )


def moment(field: str, label: str = "") -> Column:
    """A time, UTC."""
    label = label or _words(field.removesuffix("_at"))
    return column(field, label, lambda row: cells.moment(getattr(row, field)))


def code(field: str, label: str = "") -> Column:
    """An id or reference."""
    return column(field, label or _words(field), lambda row: cells.code(getattr(row, field)))


def copyable(field: str, label: str = "") -> Column:
    """An id that people copy elsewhere."""
    return column(field, label or _words(field), lambda row: cells.copyable(getattr(row, field)))


def text(field: str, label: str = "") -> Column:
    """A word or two."""
    return column(
        field, label or _words(field), lambda row: str(getattr(row, field) or cells.EMPTY)
    )


def person(field: str, label: str = "") -> Column:
    """Whoever did something: staff by their login."""
    return column(
        field,
        label or _words(field),
        lambda row: people.name_of(getattr(row, field)) or cells.EMPTY,
    )


def choice(field: str, label: str = "") -> Column:
    """A field with choices, in words."""

    def show(row: Any) -> str:
        return getattr(row, f"get_{field}_display")() or cells.EMPTY

    return column(field, label or _words(field), show)


def words(field: str, label: str = "") -> Column:
    """A sentence that somebody wrote."""
    return column(
        WORDS + field, label or _words(field), lambda row: getattr(row, field) or cells.EMPTY
    )


def state(field: str, tones: Mapping[Any, Tone], label: str = "") -> Column:
    """A field with choices, as its words and a colour."""

    def show(row: Any) -> str:
        value = getattr(row, field)
        return cells.mark(getattr(row, f"get_{field}_display")(), tones.get(value, Tone.PLAIN))

    return column(field, label or _words(field), show)


def flag(field: str, label: str = "", *, yes: str = "Yes", no: str = "No") -> Column:
    """A truth, in words."""
    return column(field, label or _words(field), lambda row: yes if getattr(row, field) else no)


def related(field: str, label: str = "", *, by: str = "") -> Column:
    """Another row, as a link.

    Args:
        by: The attribute or method of the other row that names it; its ``str`` when not given.
    """

    def show(row: Any) -> str:
        other: Model | None = getattr(row, field, None)
        words = getattr(other, by) if other and by else ""
        return cells.link(other, words() if callable(words) else words)

    return column(field, label or _words(field), show)


def _words(field: str) -> str:
    words = field.removeprefix("is_").replace("_", " ")
    return words[:1].upper() + words[1:]
