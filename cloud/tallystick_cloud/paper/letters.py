"""The letters of one typeface: how wide a text is, and what stands for it in a file.

It never asks the library the same letter twice: a statement has a million of them, and fewer than a hundred different
ones."""

from fpdf.fonts import SubsetMap, TTFFont
from fpdf.util import escape_parens
from tallystick_protocol.errors import InvariantError

THOUSANDTH = 0.001  # of the size of letters: what their widths are counted in


class Letters:
    """Of a typeface that the library puts into a file."""

    def __init__(self, font: TTFFont) -> None:
        self._widths = {chr(code): font.cw[code] for code in font.cmap}
        self._codes = _Codes(font.subset)

    def width(self, text: str, size: float) -> float:
        """In one line, in the unit of `size`. Raises KeyError for a letter that the typeface lacks."""
        return sum(map(self._widths.__getitem__, text)) * size * THOUSANDTH

    def coded(self, text: str) -> str:
        """As a page holds it, between parentheses; the file gets the letters of it."""
        return text.translate(self._codes)


class _Codes(dict[int, str]):
    """What stands for a letter; each gets a number when a text first has it."""

    def __init__(self, subset: SubsetMap) -> None:
        self._subset = subset

    def __missing__(self, letter: int) -> str:
        number = self._subset.pick(letter)
        if number is None:  # not a KeyError: `translate` would leave the letter as it is
            raise InvariantError(f"{chr(letter)!r} was never measured")
        self[letter] = code = escape_parens(chr(number).encode("utf-16-be").decode("latin-1"))
        return code
