"""The chart as SVG for pages without JavaScript and for paper: two lines, zero-based, gaps left open.

It never interpolates: a line ends where nothing is known."""

from collections.abc import Sequence
from html import escape

from tallystick_cloud.city.model import Bucket
from tallystick_cloud.http.locale import Wording

WIDTH, HEIGHT = 720, 170
LEFT, BOTTOM, TOP = 40, 22, 10
LABELS = 6
"""Times under the axis; more touch each other on a phone."""


def sparkline(buckets: Sequence[Bucket], w: Wording) -> str:
    """One SVG element; its words are in the table beside it."""
    if not buckets:
        return ""
    uses = [one.uses if one.known else None for one in buckets]
    fees = [one.fees_nano if one.known else None for one in buckets]
    every = max(1, len(buckets) // LABELS)
    labels = "".join(
        f'<text x="{_x(i, len(buckets))}" y="{HEIGHT - 5}">{escape(w.time(buckets[i].start_ms))}</text>'
        for i in range(every // 2, len(buckets), every)
    )
    return (
        f'<svg class="lines" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH}"/><path class="uses" d="{_line(uses)}"/>'
        f'<path class="fees" d="{_line(fees)}"/>{labels}</svg>'
    )


def _x(index: int, count: int) -> int:
    return LEFT + (WIDTH - LEFT) * index // max(1, count - 1)


def _line(values: Sequence[int | None]) -> str:
    """Pieces of a line, scaled to the largest value; a single known point becomes a dot."""
    top = max((one for one in values if one is not None), default=0) or 1
    found, is_open = [], False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value // top
        found.append(f"{'L' if is_open else 'M'}{_x(index, len(values))} {y}{'' if is_open else 'h0'}")
        is_open = True
    return "".join(found)
