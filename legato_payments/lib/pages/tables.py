"""What stands below the facts of a page: tables, texts, steps and advice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from legato_payments.lib.pages.cells import Tone


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of a table; numbers are set right-aligned."""

    title: str
    is_number: bool = False


def number(title: str) -> Heading:
    """A column of numbers."""
    return Heading(title, is_number=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table.

    Args:
        totals: The last row, or nothing.
        empty: What stands there when there are no rows.
        note: A sentence below.
    """

    title: str
    headings: Sequence[Heading | str]
    rows: Sequence[Sequence[object]]
    totals: Sequence[object] = ()
    empty: str = "Nothing yet."
    note: str = ""

    @property
    def columns(self) -> list[Heading]:
        """Every heading, with its kind."""
        return [Heading(h) if isinstance(h, str) else h for h in self.headings]

    @property
    def body(self) -> Iterator[list[tuple[Heading, object]]]:
        """Rows of cells, each with its heading."""
        return (self._cells(row) for row in self.rows)

    @property
    def foot(self) -> list[tuple[Heading, object]]:
        """The cells of the totals, each with its heading."""
        return self._cells(self.totals) if self.totals else []

    def _cells(self, row: Sequence[object]) -> list[tuple[Heading, object]]:
        return list(zip(self.columns, row, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A titled text, shown as it is, line by line."""

    title: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of something that takes several.

    Args:
        words: When, by whom, and what is to be said besides.
        tone: Plain for a step that is still to come.
    """

    title: str
    words: Sequence[object] = ()
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far something is, from left to right."""

    title: str
    steps: Sequence[Step]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a person is to do about a row whose state calls for one."""

    advice: str
    title: str = "What to do"
    note: str = ""


type Section = Table | Text | Steps | Advice


def newest[Row](rows: Iterable[Row], limit: int) -> tuple[list[Row], str]:
    """The first ``limit`` rows, and the note that says so when there are more.

    Args:
        rows: Newest first; of a query, only one row more than needed is read.
    """
    found = list(islice(rows, limit + 1))
    return found[:limit], f"The newest {limit} are shown." if len(found) > limit else ""
