"""What the demo shows in the terminal, as lines of text: links, gateways, figures, and the story so far.
A pure drawing of values; it never asks for them and never writes to the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NANO_PER_CENT = 10_000_000
STORY_LINES = 14  # what fits a usual terminal beside the rest; the page in the browser shows more
LABEL_WIDTH = 12
STORY_INDENT = 7


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts as the aggregator tells them, and what each party has got (nano-euro)."""

    readings: int = 0
    batches: int = 0
    receipts: int = 0
    uses: int = 0
    fees_nano: int = 0
    splits_nano: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """One state of the screen. `story`: (real seconds since the start, sentence)."""

    title: str
    town_time: str
    links: Sequence[tuple[str, str]]
    gateways: Mapping[str, str]
    figures: Figures
    story: Sequence[tuple[int, str]]
    footer: str


def euros(nano: int) -> str:
    """`EUR 1.23` from nano-euro, rounded toward zero; four decimals below ten cents, where cents say nothing."""
    sign, amount = ("-", -nano) if nano < 0 else ("", nano)
    if 0 < amount < 10 * NANO_PER_CENT:
        return f"{sign}EUR {amount // 1_000_000_000}.{amount // 100_000 % 10_000:04d}"
    return f"{sign}EUR {amount // 1_000_000_000}.{amount // NANO_PER_CENT % 100:02d}"


def story_line(second: int, sentence: str) -> str:
    return f"{second // 60:02d}:{second % 60:02d}  {sentence}"


def figures_line(figures: Figures) -> str:
    return (
        f"{figures.readings:,} readings, {figures.batches:,} batches, {figures.receipts:,} receipts, "
        f"{figures.uses:,} uses, {euros(figures.fees_nano)}"
    )


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, drop_whitespace=True) or [""]


def draw(picture: Picture, width: int) -> list[str]:
    """The whole screen, every line cut to `width` characters."""
    space = max(1, width - len(picture.title) - len(picture.town_time))
    lines = [picture.title + " " * space + picture.town_time, "─" * width]
    lines += [f"{label:<{LABEL_WIDTH}}{url}" for label, url in picture.links]
    lines += ["", f"{'Gateways':<{LABEL_WIDTH}}" + "   ".join(f"{n}: {s}" for n, s in picture.gateways.items())]
    lines.append(f"{'So far':<{LABEL_WIDTH}}{figures_line(picture.figures)}")
    shares = " · ".join(f"{party} {euros(nano)}" for party, nano in picture.figures.splits_nano.items())
    lines += [*_wrapped(f"{'Split':<{LABEL_WIDTH}}{shares or 'nothing yet'}", LABEL_WIDTH, width), ""]
    told = [_wrapped(story_line(second, sentence), STORY_INDENT, width) for second, sentence in picture.story]
    lines += [line for story in told for line in story][-STORY_LINES:]
    lines += ["", picture.footer]
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
