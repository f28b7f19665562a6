"""Months of a contract beside an old bill: what each payer would pay, paid, and what the difference is made of; pure.

It never books anything, and an amount that one side lacks is nothing, not a guess.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """What uses of one kind of a payer came to in a month. `form`: event, interval or minimum; `fee` in nano."""

    payer: bytes
    form: str
    programme: str | None
    uses: int
    counts: int
    fee: int


@dataclass(frozen=True, slots=True)
class Line:
    """One payer of a month; `old` None: not on the old bill. Nano."""

    payer: bytes
    pieces: tuple[Piece, ...]
    fee: int
    old: int | None

    @property
    def difference(self) -> int:
        return self.fee - (self.old or 0)


@dataclass(frozen=True, slots=True)
class MonthBeside:
    """`text` such as 2026-11. `old` None: no old bill was given for the month."""

    text: str
    lines: tuple[Line, ...]
    fee: int
    old: int | None

    @property
    def difference(self) -> int | None:
        return None if self.old is None else self.fee - self.old


def beside(
    months: Mapping[str, Iterable[Piece]], payers: Collection[bytes], bills: Mapping[str, Mapping[bytes, int]]
) -> tuple[MonthBeside, ...]:
    """The newest month first; `payers`: who pays by the contract, also where nothing was used."""
    return tuple(
        _month(text, months.get(text, ()), payers, bills.get(text)) for text in sorted({*months, *bills}, reverse=True)
    )


def _month(
    text: str, pieces: Iterable[Piece], payers: Collection[bytes], bill: Mapping[bytes, int] | None
) -> MonthBeside:
    mine: dict[bytes, list[Piece]] = defaultdict(list)
    for piece in pieces:
        mine[piece.payer].append(piece)
    known = {*mine, *payers, *(bill or {})}
    lines = [_line(payer, mine.get(payer, ()), None if bill is None else bill.get(payer)) for payer in known]
    ordered = sorted(lines, key=lambda one: (-abs(one.difference), one.payer))
    old = None if bill is None else sum(bill.values())
    return MonthBeside(text, tuple(ordered), sum(one.fee for one in lines), old)


def _line(payer: bytes, pieces: Sequence[Piece], old: int | None) -> Line:
    ordered = sorted(pieces, key=lambda one: (-one.fee, one.form, one.programme or ""))
    return Line(payer, tuple(ordered), sum(one.fee for one in pieces), old)
