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
from typing import NamedTuple, Self

from fpdf import FPDF
from fpdf.drawing_primitives import DeviceGray
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont
from segno import QRCode
from tallystick_protocol.errors import InvariantError

from tallystick_cloud.errors import BadInput

from .letters import Letters

FONTS = Path(str(files("font_source_sans_pro"))) / "files"
FAMILY = "sans"
MARGIN_MM, FOOT_MM, LINE_MM = 20, 22, 5
BODY_PT, SMALL_PT, TITLE_PT = 10, 8, 20
SMALL_LINE_MM = 4
BASELINE = 0.3  # of the letters' height, below the middle of a line: where the library puts it
INK, MUTED, RULE = 20, 95, 190  # greys: 0 is black
WIDTH_MM = 210 - 2 * MARGIN_MM
_SHADES = {grey: DeviceGray(grey / 255).serialize().lower() for grey in (INK, MUTED)}
"""As a page is told what to fill letters with."""


@dataclass(frozen=True, slots=True)
class Column:
    """`share` of the table's width in hundredths; `right` for amounts."""

    name: str
    share: int
    right: bool = False


class Cell(NamedTuple):
    """A text with smaller words below it."""

    text: str
    below: str = ""


class _Place(NamedTuple):
    """Where a column stands, in mm."""

    x: float
    room: float
    is_right: bool


class _Text(NamedTuple):
    """A text that was measured: mm in one line, and how many lines it takes at its place."""

    words: str
    place: _Place
    width: float
    lines: int


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
        self._faces = {style: _letters(self.fonts[FAMILY + style]) for style in ("", "B")}
        self._grey = INK
        self.set_creation_date(created)
        self.set_title(title)
        self.set_lang("en")
        self.set_producer("Tallystick")
        self.alias_nb_pages("")  # pages are counted when all are there; the library looks for its alias in every text
        self.set_draw_color(RULE)
        self.set_line_width(0.1)
        self.add_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files of the typeface, which the library leaves open."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

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
        places = _places(columns)
        self._grid_head(columns, places)
        for row in rows:
            texts = [self._measured(cell.text, place, BODY_PT) for cell, place in zip(row, places, strict=True)]
            below = [self._measured(cell.below, place, SMALL_PT) for cell, place in zip(row, places, strict=True)]
            height = max(
                LINE_MM * max(text.lines, 1) + SMALL_LINE_MM * small.lines
                for text, small in zip(texts, below, strict=True)
            )
            if self.will_page_break(height + 1):
                self.add_page()
                self._grid_head(columns, places)
            top = self.get_y()
            self._row(texts, below, top + 0.5)
            self.set_y(top + height + 1)
            self._rule()
        self.ln(2)

    def _row(self, texts: Sequence[_Text], below: Sequence[_Text], top: float) -> None:
        """Texts of one size after the other: each change of size is told to the page."""
        self._style(BODY_PT)
        ends = self._draw(texts, [top] * len(texts), LINE_MM)
        self._style(SMALL_PT, grey=MUTED)
        self._draw(below, ends, SMALL_LINE_MM)

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
        self.set_auto_page_break(False)
        for number in range(1, self.pages_count + 1):
            self.page = number
            self.current_font_is_set_on_page = False
            self._end_of_page(f"{number} / {self.pages_count}")
        return bytes(self.output())

    def _end_of_page(self, number: str) -> None:
        self.set_y(-FOOT_MM + 8)
        self._style(SMALL_PT, grey=MUTED)
        self._put(self._foot, WIDTH_MM - 12)
        self._put(number, 12)

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

    def _grid_head(self, columns: Sequence[Column], places: Sequence[_Place]) -> None:
        self._style(SMALL_PT, grey=MUTED)
        for column, place in zip(columns, places, strict=True):
            self._put(column.name, place.room, align="R" if column.right else "L")
        self.ln(LINE_MM)
        self._rule()

    def _measured(self, text: str, place: _Place, size: float) -> _Text:
        if not text:
            return _Text("", place, 0, 0)
        width = self._width(text, size)
        if width <= place.room and "\n" not in text:
            return _Text(text, place, width, 1)
        self._style(size)
        lines = self.multi_cell(place.room, LINE_MM, text, dry_run=True, output="LINES")
        if not isinstance(lines, list):
            raise InvariantError("the library was asked for lines")
        return _Text(text, place, width, len(lines))

    def _draw(self, texts: Sequence[_Text], tops: Sequence[float], height: float) -> list[float]:
        """Where what is below each begins. One line is put at its place: laying it out takes ten times as long."""
        ends, lines = [], []
        for (words, place, width, count), top in zip(texts, tops, strict=True):
            if count == 1:
                x = place.x + (place.room - width if place.is_right else 0)
                lines.append(self._line(words, x, top, height))
            elif count:
                self._write(lines)
                lines = []
                self.set_xy(place.x, top)
                self._wrap(words, place.room, "R" if place.is_right else "L", place.x, height)
            ends.append(self.get_y() if count > 1 else top + height)
        self._write(lines)
        return ends

    def _line(self, text: str, x: float, top: float, height: float) -> str:
        """What `text` of the library writes, but for its looking up each letter of each text."""
        y = top + height / 2 + BASELINE * self.font_size
        at = f"{x * self.k:.2f} {(self.h - y) * self.k:.2f}"
        return f"q {_SHADES[self._grey]} BT {at} Td ({self._faces[self.font_style].coded(text)}) Tj ET Q"

    def _write(self, lines: Sequence[str]) -> None:
        """In the present style."""
        if not lines:
            return
        if self.current_font is not None and not self.current_font_is_set_on_page:
            self._out(self._set_font_for_page(self.current_font, self.font_size_pt))
        self._out("\n".join(lines))

    def _width(self, text: str, size: float, style: str = "") -> float:
        """Of a text in one line, in mm."""
        try:
            return self._faces[style].width(text, size) / self.k
        except KeyError as lacking:
            detail = f"{text!r} holds {lacking.args[0]!r}, which the typeface of sheets lacks; take the other file"
            raise BadInput("text", detail) from None

    def _wrap(self, text: str, width: float, align: str = "L", x: float | None = None, height: float = LINE_MM) -> None:
        self._width(text, self.font_size_pt, self.font_style)  # refuses what the typeface lacks
        self.set_text_color(self._grey)
        if x is not None:
            self.set_x(x)
        self.multi_cell(width, height, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    def _put(self, text: str, width: float, *, height: float = LINE_MM, align: str = "L", last: bool = False) -> None:
        """One line; text too long for its place is drawn smaller, never cut."""
        if self.will_page_break(height):
            x = self.x
            self.add_page()
            self.set_x(x)
        size, style = self.font_size_pt, self.font_style
        while self._width(text, self.font_size_pt, style) > width and self.font_size_pt > 5:
            self.set_font_size(self.font_size_pt - 0.5)
        if text:
            room = width - self._width(text, self.font_size_pt, style) if align == "R" else 0
            self._write([self._line(text, self.x + room, self.y, height)])
        self.set_font_size(size)
        if last:
            self.set_xy(MARGIN_MM, self.y + height)
        else:
            self.set_x(self.x + width)

    def _rule(self) -> None:
        self.line(MARGIN_MM, self.y, MARGIN_MM + WIDTH_MM, self.y)

    def _style(self, size: float, *, bold: bool = False, grey: int = INK) -> None:
        style = "B" if bold else ""
        if self.font_family and self.font_style == style:
            self.set_font_size(size)
        else:
            self.set_font(FAMILY, style, size)
        self._grey = grey


def _letters(font: object) -> Letters:
    if not isinstance(font, TTFFont):
        raise InvariantError("the typeface is a file of ours")
    return Letters(font)


def _places(columns: Sequence[Column]) -> list[_Place]:
    rooms = [WIDTH_MM * column.share / 100 for column in columns]
    edges = accumulate(rooms, initial=float(MARGIN_MM))
    return [_Place(x, room, column.right) for x, room, column in zip(edges, rooms, columns, strict=False)]
