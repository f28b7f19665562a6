"""Puts the demo's story on a terminal: one calm screen where it can be redrawn, plain lines where it cannot.
It shows what it is given, in order; it decides nothing and hides nothing (plain lines are never dropped)."""

from __future__ import annotations

import shutil
import sys
from typing import Protocol, TextIO

from tallystick_sim.picture import Picture, draw, figures_line, story_line

FIGURES_EVERY_S = 10  # in plain mode: often enough to see it move, seldom enough to read the story


class Terminal(Protocol):
    """Where the demo is shown."""

    def show(self, picture: Picture, second: int) -> None:
        """Bring the display up to this picture; `second` is real time since the start."""
        ...

    def close(self) -> None:
        """Leave the display readable for what the shell prints next."""
        ...


class PlainTerminal:
    """One line per event, and the figures now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = 0
        self._figures_at = 0
        self._linked = False

    def show(self, picture: Picture, second: int) -> None:
        if picture.links and not self._linked:
            self._linked = True
            for label, url in picture.links:
                self._say(f"{label}: {url}")
        for told in picture.story[self._told :]:
            self._say(story_line(*told))
        self._told = len(picture.story)
        if second >= self._figures_at + FIGURES_EVERY_S:
            self._figures_at = second
            self._say(story_line(second, figures_line(picture.figures)))

    def close(self) -> None:
        self._stream.flush()

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class CalmTerminal:
    """The same place on the screen again and again, without flicker: home, overwrite, clear what is left of a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = False

    def show(self, picture: Picture, second: int) -> None:
        size = shutil.get_terminal_size((100, 30))
        lines = draw(picture, size.columns)[: size.lines - 1]
        start = "\x1b[H" if self._started else "\x1b[2J\x1b[H"
        self._started = True
        self._stream.write(start + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


def terminal(stream: TextIO = sys.stdout, *, plain: bool) -> Terminal:
    return PlainTerminal(stream) if plain or not stream.isatty() else CalmTerminal(stream)
