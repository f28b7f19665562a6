"""A4 sheets as PDF: head, pairs, tables and a vector QR code; the same content is the same bytes.

It never guesses a letter: a character that the typeface lacks is refused, naming it. Times and ids follow from what is
handed in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import Self

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont
from segno import QRCode
from tallystick_protocol.errors import InvariantError

from tallystick_cloud.errors import BadInput

FONTS = Path(str(files("font_source_sans_pro"))) / "files"
FAMILY = "sans"
MARGIN_MM, FOOT_MM, LINE_MM = 20, 22, 5
BODY_PT, SMALL_PT, TITLE_PT = 10, 8, 20
SMALL_LINE_MM = 4
BASELINE = 0.3  # of the letters' height, below the middle of a line: where the library puts it
INK, MUTED, RULE = 20, 95, 190  # greys: 0 is black
WIDTH_MM = 210 - 2 * MARGIN_MM


@dataclass(frozen=True, slots=True)
class Column:
    """`share` of the table's width in hundredths; `right` for amounts."""

    name: str
    share: int
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with smaller words below it."""

    text: str
    below: str = ""


class Sheet(FPDF):
    """A file being drawn, in a `with`. `foot` stands at the end of every page beside its number."""

    def __init__(self, title: str, foot: str, created: datetime) -> None:
        super().__init__(format="A4")
        self._foot = foot
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.c_margin = 0  # texts begin where rules do
        self.set_auto_page_break(True, FOOT_MM)
        self.add_font(FAMILY, "", FONTS / "SourceSansPro-Regular.ttf")
        self.add_font(FAMILY, "B", FONTS / "SourceSansPro-Semibold.ttf")
        self._regular = self.fonts[FAMILY]
        self._known = frozenset(self._regular.cmap) if isinstance(self._regular, TTFFont) else frozenset()
        self.set_creation_date(created)
        self.set_title(title)
        self.set_lang("en")
        self.set_producer("Tallystick")
        self.alias_nb_pages("{all}")
        self.add_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files of the typeface, which the library leaves open."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def footer(self) -> None:
        """Called by the library at the end of each page."""
        self.set_y(-FOOT_MM + 8)
        self._style(SMALL_PT, grey=MUTED)
        self._put(self._foot, WIDTH_MM - 12)
        self.cell(12, LINE_MM, f"{self.page_no()} / {{all}}")  # to the left: its last part is not known yet

    def title_line(self, text: str, right: str) -> None:
        """The sheet's title, and who it is from on the right."""
        self._style(TITLE_PT, bold=True)
        self._put(text, WIDTH_MM / 2, height=10)
        self._style(BODY_PT, bold=True)
        self._put(right, WIDTH_MM / 2, height=10, align="R", last=True)
        self.ln(4)

    def columns(self, left: Sequence[str], right: Sequence[tuple[str, str]]) -> None:
        """Lines on the left (the first one strong), name and value pairs on the right."""
        top = self.get_y()
        for at, text in enumerate(left):
            self._style(BODY_PT, bold=at == 0)
            self._wrap(text, WIDTH_MM * 0.5)
        end = self.get_y()
        self.set_y(top)
        for name, value in right:
            self.set_x(MARGIN_MM + WIDTH_MM * 0.56)
            self._style(BODY_PT, grey=MUTED)
            self._put(name, WIDTH_MM * 0.18)
            self._style(BODY_PT)
            self._put(value, WIDTH_MM * 0.26, align="R", last=True)
        self.set_y(max(end, self.get_y()) + 6)

    def heading(self, text: str, right: str = "") -> None:
        """Before a table; stays with what follows."""
        if self.will_page_break(4 * LINE_MM):
            self.add_page()
        self._style(12, bold=True)
        self._put(text, WIDTH_MM * 0.6, height=7)
        self._style(SMALL_PT, grey=MUTED)
        self._put(right, WIDTH_MM * 0.4, height=7, align="R", last=True)

    def grid(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """A head that is repeated on every page, rows that are never cut."""
        self._grid_head(columns)
        for row in rows:
            height = max(self._height(cell, column) for cell, column in zip(row, columns, strict=True))
            if self.will_page_break(height + 1):
                self.add_page()
                self._grid_head(columns)
            top = self.get_y()
            self._row(columns, row, top)
            self.set_y(top + height + 1)
            self._rule()
        self.ln(2)

    def _row(self, columns: Sequence[Column], row: Sequence[Cell], top: float) -> None:
        """Texts of one size after the other: each change of size is told to the page."""
        edges = list(accumulate((_mm(column) for column in columns), initial=float(MARGIN_MM)))
        self._style(BODY_PT)
        below = [
            self._text_of(cell.text, column, x, top + 0.5, LINE_MM)
            for cell, column, x in zip(row, columns, edges, strict=False)
        ]
        self._style(SMALL_PT, grey=MUTED)
        for cell, column, x, y in zip(row, columns, edges, below, strict=False):
            if cell.below:
                self._text_of(cell.below, column, x, y, SMALL_LINE_MM)

    def sums(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and amounts at the right; the last one strong."""
        for at, (name, amount) in enumerate(rows):
            is_last = at == len(rows) - 1
            self.set_x(MARGIN_MM + WIDTH_MM * 0.45)
            self._style(11 if is_last else BODY_PT, bold=is_last)
            self._put(name, WIDTH_MM * 0.35, height=6)
            self._put(amount, WIDTH_MM * 0.2, height=6, align="R", last=True)
        self.ln(4)

    def notes(self, texts: Iterable[str]) -> None:
        """Small lines."""
        self._style(9, grey=MUTED)
        for text in texts:
            self._wrap(text, WIDTH_MM)
        self.ln(3)

    def payment(self, lines: Sequence[tuple[str, str]], code: QRCode | None, hint: str) -> None:
        """How to pay, with a code that banking apps scan."""
        side = 38.0
        if self.will_page_break(side + LINE_MM):
            self.add_page()
        top = self.get_y()
        x = MARGIN_MM + (side + 6 if code is not None else 0)
        if code is not None:
            self._qr(code, MARGIN_MM, top, side)
        for name, value in lines:
            self.set_x(x)
            self._style(BODY_PT, grey=MUTED)
            self._put(name, 28)
            self._style(BODY_PT)
            self._put(value, WIDTH_MM - 28 - (x - MARGIN_MM), last=True)
        self.set_x(x)
        self._style(SMALL_PT, grey=MUTED)
        self._wrap(hint, WIDTH_MM - (x - MARGIN_MM))
        self.set_y(max(self.get_y(), top + (side if code is not None else 0)) + 2)

    def data(self) -> bytes:
        """The file."""
        return bytes(self.output())

    def _qr(self, code: QRCode, x: float, y: float, side: float) -> None:
        """Modules as filled rectangles, joined along a row: sharp at any size."""
        rows = [bytes(row) for row in code.matrix]
        quiet = 4  # modules of white around it that ISO/IEC 18004 asks for
        step = side / (len(rows) + 2 * quiet)
        self.set_fill_color(0)
        for at, row in enumerate(rows):
            start = None
            for column, module in enumerate((*row, 0)):
                if module and start is None:
                    start = column
                elif not module and start is not None:
                    self.rect(
                        x + (start + quiet) * step, y + (at + quiet) * step, (column - start) * step, step, style="F"
                    )
                    start = None

    def _grid_head(self, columns: Sequence[Column]) -> None:
        self._style(SMALL_PT, grey=MUTED)
        for column in columns:
            self._put(column.name, _mm(column), align="R" if column.right else "L")
        self.ln(LINE_MM)
        self._rule()

    def _text_of(self, text: str, column: Column, x: float, top: float, height: float) -> float:
        """Where the next text begins. A text of one line is put at its place: laying it out takes ten times as long."""
        width, room = self._width(text, self.font_size_pt), _mm(column)
        if width > room or "\n" in text:
            self.set_xy(x, top)
            self._wrap(text, room, "R" if column.right else "L", x, height)
            return float(self.get_y())
        if text:
            self._check(text)
            self.text(x + (room - width if column.right else 0), top + height / 2 + BASELINE * self.font_size, text)
        return top + height

    def _height(self, cell: Cell, column: Column) -> float:
        below = SMALL_LINE_MM * self._lines(cell.below, column, SMALL_PT) if cell.below else 0
        return float(LINE_MM * self._lines(cell.text, column, BODY_PT) + below)

    def _lines(self, text: str, column: Column, size: float) -> int:
        if "\n" not in text and self._width(text, size) <= _mm(column):
            return 1
        self._check(text)
        self._style(size)
        lines = self.multi_cell(_mm(column), LINE_MM, text, dry_run=True, output="LINES")
        if not isinstance(lines, list):
            raise InvariantError("the library was asked for lines")
        return len(lines)

    def _width(self, text: str, size: float) -> float:
        """Of a text in one line of regular letters, in mm."""
        return float(self._regular.get_text_width(text, size, None)[1]) / float(self.k)

    def _wrap(self, text: str, width: float, align: str = "L", x: float | None = None, height: float = LINE_MM) -> None:
        self._check(text)
        if x is not None:
            self.set_x(x)
        self.multi_cell(width, height, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    def _put(self, text: str, width: float, *, height: float = LINE_MM, align: str = "L", last: bool = False) -> None:
        """One line; text too long for its place is drawn smaller, never cut."""
        self._check(text)
        size = self.font_size_pt
        while self.get_string_width(text) > width and self.font_size_pt > 5:
            self.set_font_size(self.font_size_pt - 0.5)
        self.cell(width, height, text, align=align, new_x=XPos.LMARGIN if last else XPos.RIGHT,
                  new_y=YPos.NEXT if last else YPos.TOP)  # fmt: skip
        self.set_font_size(size)

    def _rule(self) -> None:
        self.set_draw_color(RULE)
        self.set_line_width(0.1)
        self.line(MARGIN_MM, self.get_y(), MARGIN_MM + WIDTH_MM, self.get_y())

    def _style(self, size: float, *, bold: bool = False, grey: int = INK) -> None:
        style = "B" if bold else ""
        if (self.font_style, self.font_size_pt) != (style, size):
            self.set_font(FAMILY, style, size)
        self.set_text_color(grey)

    def _check(self, text: str) -> None:
        if self._known.issuperset(map(ord, text)):
            return
        for char in text:
            if ord(char) not in self._known:
                detail = f"{text!r} holds {char!r}, which the typeface of sheets lacks; take the other file"
                raise BadInput("text", detail)


def _mm(column: Column) -> float:
    return WIDTH_MM * column.share / 100
