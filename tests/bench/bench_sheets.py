"""What a long statement costs once its rows are read: one page of it, its CSV file, its sheets of paper. Processor time
of this process; the peer of a line on paper is the library's own layout of every cell. Exits 1 when a goal is missed.

    python tests/bench/bench_sheets.py [--lines 50000]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.books import DAY, T0
from support.figures import Figure, at_least, at_most, show
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.paper.sheet import Sheet
from tallystick_cloud.statements import pdf, view
from tallystick_cloud.statements.model import Account, Row, RowKind, account

W = Wording("en", ZoneInfo("Europe/Rome"))
ASSETS, DAYS, PEER_LINES = 256, 30, 500
PAGE_S, FILE_S, SHEETS_S, TIMES = 0.2, 5.0, 5.0, 5.0


def statement(lines: int) -> Account:
    """A month of an owner of many flats, each line with an amount of its own."""
    rows = [
        Row(f"S-{at:016x}", T0 + at * (DAYS * DAY // lines) + 1, RowKind.SHARE, f"flat-{at % ASSETS}",
            f"Flat {at % ASSETS}", "event", at, "60", 1, at.to_bytes(32, "big"), 136_000_000 + at * 1_000)
        for at in range(lines)
    ]  # fmt: skip
    return account(bytes(32), "Washes", "EUR", 0, rows, None)


def spent(act: Callable[[], object]) -> float:
    """Processor seconds."""
    begun = time.process_time()
    act()
    return time.process_time() - begun


def sheets(one: Account) -> bytes:
    return pdf.draw("Lindenhof eG", "Coop", "November 2026", T0 + DAYS * DAY, [one], W)


def figures(lines: int) -> list[Figure]:
    long, short = statement(lines), statement(PEER_LINES)
    page = spent(lambda: view.page_view(long, None, "/statements/2026-11", W))
    file = spent(lambda: view.as_csv([long], W))
    by_day = spent(lambda: sheets(long))
    sheets(short)  # the typeface is read once
    ours = spent(lambda: sheets(short))
    with patch.object(Sheet, "_width", lambda *_: float("inf")):
        laid_out = spent(lambda: sheets(short))
    return [
        at_most("sheets.page", page, "s", PAGE_S),
        at_most("sheets.csv", file, "s", FILE_S),
        at_most("sheets.pdf", by_day, "s", SHEETS_S),
        Figure("sheets.pdf.ms_per_line", round(ours / PEER_LINES * 1000, 2), "ms"),
        at_least("sheets.pdf.times_the_library", laid_out / ours, "x", TIMES),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=50_000)
    return 0 if show(figures(parser.parse_args().lines)) else 1


if __name__ == "__main__":
    sys.exit(main())
