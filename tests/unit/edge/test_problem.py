"""What a server said when it refused, in one line for the log: its words, its next step, and never all of a page."""

from __future__ import annotations

import pytest
from tallystick_edge.uplink.problem import problem_text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"detail": "claim: used", "next_step": "Make a new one."}', "claim: used. Next: Make a new one."),
        (b'{"title": "No", "detail": "claim: was used"}', "claim: was used"),
        (b'{"title": "No", "next_step": 5}', "No"),
        (b'{"detail": "claim: was used; ask anew", "errors": [{}], "next_step": "Send again."}', "; ask anew"),
        (b"<html>\nBad gateway</html>", "<html> Bad gateway</html>"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_it_is_said_in_a_line(body: bytes, text: str) -> None:
    said = problem_text(body)
    assert said.endswith(text)
    assert "\n" not in said


def test_what_is_long_is_cut() -> None:
    assert len(problem_text(b"x" * 100_000)) == 200
    assert len(problem_text(b'{"detail": "' + b"x" * 10_000 + b'", "next_step": "' + b"y" * 5_000 + b'"}')) < 1_100
    assert len(problem_text(b"[" * 16_000)) == 200
