"""The demo's screen: every line fits, amounts are right, and plain mode loses nothing."""

from __future__ import annotations

import io

import pytest
from tallystick_sim.picture import STORY_LINES, Figures, Picture, draw, euros
from tallystick_sim.terminal import PlainTerminal

PICTURE = Picture(
    title="Tallystick",
    town_time="Sunday 12:00",
    links=(("Situation room", "http://localhost:8080/"),),
    gateways={"cellar": "talking", "attic": "cut off"},
    figures=Figures(1234, 5, 5, 7, 2_500_000_000, {"Anna": 2_000_000_000, "Fund": 500_000_000}),
    story=tuple((n, f"event {n}") for n in range(40)),
    footer="Ctrl-C ends it",
)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "EUR 0.00"),
        (2_500_000_000, "EUR 2.50"),
        (1_999_999_999, "EUR 1.99"),
        (12_345_678, "EUR 0.0123"),
        (-2_500_000_000, "-EUR 2.50"),
    ],
)
def test_amounts(nano: int, text: str) -> None:
    assert euros(nano) == text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_line_fits_and_the_newest_events_are_there(width: int) -> None:
    lines = draw(PICTURE, width)
    assert max(map(len, lines)) <= width
    assert "00:39  event 39" in lines
    assert sum("event" in line for line in lines) == STORY_LINES


def test_plain_mode_tells_every_event_once() -> None:
    stream = io.StringIO()
    terminal = PlainTerminal(stream)
    terminal.show(PICTURE, 1)
    terminal.show(PICTURE, 2)
    said = stream.getvalue().splitlines()
    assert [line for line in said if "event" in line] == [f"00:{n:02d}  event {n}" for n in range(40)]
    assert said[0] == "Situation room: http://localhost:8080/"
