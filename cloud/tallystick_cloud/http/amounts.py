"""Amounts exactly as the books hold them: two decimals as money is read, and what is below a cent after them.

It never rounds, so that what a person adds up on a page agrees to the last digit with the page's own sum."""

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick_cloud.http.locale import Wording
from tallystick_cloud.money import CENT_NANO

_BELOW_CENT_DIGITS = 7
MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Amount:
    """`main` has two decimals and the sign, `rest` the digits below a cent (empty when there are none)."""

    main: str
    rest: str
    is_negative: bool

    def __str__(self) -> str:
        return self.main + self.rest


def exact(nano: int, w: Wording, *, signed: bool = False) -> Amount:
    """Nano of a unit in the reader's language; `signed` writes a plus too."""
    cents, below = divmod(abs(nano), CENT_NANO)
    sign = MINUS if nano < 0 else "+" if signed and nano > 0 else ""
    main = f"{sign}{w.count(cents // 100)}{w.point}{cents % 100:02d}"
    return Amount(main, f"{below:0{_BELOW_CENT_DIGITS}d}".rstrip("0"), nano < 0)


def of_cents(cents: int, w: Wording, *, signed: bool = False) -> Amount:
    """The same of whole cents."""
    return exact(cents * CENT_NANO, w, signed=signed)


def widths(values: Iterable[int], whole: int) -> list[tuple[int, int]]:
    """(x, width) of the parts of a bar `whole` units long, which they fill exactly; amounts are not negative."""
    parts = list(values)
    total = sum(parts)
    found, x, running = [], 0, 0
    for part in parts:
        running += part
        end = whole * running // total if total else 0
        found.append((x, end - x))
        x = end
    return found


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the begin of a formula."""


def harmless(cell: str) -> str:
    """Text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
