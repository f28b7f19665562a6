"""The arguments of `configure`: what is within the limits goes through as it is, everything else is named."""

from __future__ import annotations

import pytest
from tallystick_protocol.configure import LIMITS_MS, Settings, read
from tallystick_protocol.errors import BadType, BadValue


@pytest.mark.parametrize("name", LIMITS_MS)
def test_limits_and_zero_are_allowed_and_one_beyond_is_not(name: str) -> None:
    least, most = LIMITS_MS[name]
    for value in (0, least, most):
        assert getattr(read(((name, value),)), f"{name}_ms") == value
    for value in (-1, 1, least - 1, most + 1, 2**62):
        with pytest.raises(BadValue, match=rf"configure\.{name}"):
            read(((name, value),))


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        ((), BadValue, "sets nothing"),
        ((("speed", 1_000),), BadValue, "is no setting"),
        ((("poll", 1_000), ("poll", 2_000)), BadValue, "set twice"),
        ((("poll", True),), BadType, r"configure\[0\]"),
        ((("poll",),), BadType, r"configure\[0\]"),
        (("poll", 1_000), BadType, r"configure\[0\]"),
    ],
)
def test_what_is_no_setting_is_named(args: tuple[object, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read(args)  # type: ignore[arg-type]


def test_what_is_sent_is_what_is_read_and_later_ones_lie_over_earlier_ones() -> None:
    first = Settings(poll_ms=30_000, heartbeat_ms=600_000)
    assert read(first.args()) == first
    assert Settings(poll_ms=0, seal_ms=5_000).over(first) == Settings(0, 5_000, 600_000)
    with pytest.raises(BadValue, match="sets nothing"):
        Settings().args()
