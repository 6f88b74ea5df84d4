"""PDF documents: A4, plain words and tables, in an embedded typeface that has the naira sign.

Every text is shown as it is: none of it is read as markup. The same blocks give the same bytes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

FONTS = Path(__file__).resolve().parent / "fonts"
"""Source Sans Pro by Adobe, SIL Open Font License 1.1: Latin, Greek, Cyrillic, currency signs."""

REGULAR, SEMIBOLD = "SourceSansPro", "SourceSansPro-Semibold"
INK, SOFT, LINE = colors.HexColor("#1c2230"), colors.HexColor("#525b6e"), colors.HexColor("#d3d8e3")
MARGIN = 22 * mm
PADDING = 6
"""Points that the library keeps free around what a page holds."""
WIDTH = A4[0] - 2 * MARGIN - 2 * PADDING


@dataclass(frozen=True, slots=True)
class Heading:
    """A title; the first of a document is the largest."""

    text: str
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    text: str
    is_soft: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, one a line."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sum:
    """Items with their amounts, set right; the last rows are totals.

    Args:
        totals: How many.
    """

    rows: Sequence[tuple[str, str]]
    totals: int = 1


type Block = Heading | Words | Facts | Sum


def build(*, title: str, author: str, blocks: Sequence[Block]) -> bytes:
    """A document of these blocks.

    Args:
        title: Also what a viewer shows in its window.
    """
    _register()
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author=author,
        lang="en",
        # No time of making and no random id in it: the same again is the same file.
        invariant=1,
    )
    document.build([part for block in blocks for part in _flowables(block)])
    return out.getvalue()


def _flowables(block: Block) -> list[Flowable]:
    match block:
        case Heading(text=text, is_first=is_first):
            size = 20 if is_first else 12
            return [_text(text, font=SEMIBOLD, size=size), Spacer(1, 3 * mm)]
        case Words(text=text, is_soft=is_soft):
            return [_text(text, color=SOFT if is_soft else INK), Spacer(1, 4 * mm)]
        case Facts(rows=rows):
            cells = [[_text(name, color=SOFT), _text(value)] for name, value in rows]
            return [_table(cells, [WIDTH * 3 // 10, WIDTH * 7 // 10]), Spacer(1, 6 * mm)]
        case Sum(rows=rows, totals=totals):
            return [_sum(rows, totals), Spacer(1, 6 * mm)]


def _sum(rows: Sequence[tuple[str, str]], totals: int) -> Table:
    first_total = len(rows) - totals
    cells = [
        [
            _text(name, font=SEMIBOLD if at >= first_total else REGULAR),
            _text(amount, font=SEMIBOLD if at >= first_total else REGULAR, is_right=True),
        ]
        for at, (name, amount) in enumerate(rows)
    ]
    made = _table(cells, [WIDTH * 7 // 10, WIDTH * 3 // 10])
    made.setStyle(TableStyle([("LINEABOVE", (0, first_total), (-1, first_total), 1, INK)]))
    return made


def _table(cells: list[list[Any]], widths: list[Any]) -> Table:
    made = Table(cells, colWidths=widths)
    made.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return made


def _text(
    text: str, *, font: str = REGULAR, size: int = 10, color: Any = INK, is_right: bool = False
) -> Paragraph:
    style = ParagraphStyle(
        f"{font}-{size}",
        fontName=font,
        fontSize=size,
        leading=size * 14 // 10,
        textColor=color,
        alignment=TA_RIGHT if is_right else TA_LEFT,
        # Long references have no space to break at.
        splitLongWords=1,
    )
    return Paragraph(escape(text), style)


@cache
def _register() -> None:
    for name, file in ((REGULAR, "SourceSansPro-Regular"), (SEMIBOLD, "SourceSansPro-Semibold")):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{file}.ttf")))
