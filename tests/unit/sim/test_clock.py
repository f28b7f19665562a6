"""The scaled clock: as fast as it says, and strict about its setting."""

from __future__ import annotations

import pytest
from tallystick_sim.clock import ClockSettingError, ScaledClock, parse_clock, real_ms


def test_scaled_clock_runs_factor_times_faster() -> None:
    before = real_ms()
    clock = ScaledClock(60, before - 1_000, 5_000_000)
    now = clock.utc_ms()
    assert 5_060_000 <= now <= 5_060_000 + 60 * (real_ms() - before)


def test_setting_gives_the_same_clock_back() -> None:
    clock = ScaledClock(60, 123, 456)
    assert parse_clock(clock.setting()) == clock
    assert parse_clock("") == ScaledClock()


@pytest.mark.parametrize("setting", ["60", "60,1,x", "0,1,1", "99999,1,1", "-1,1,1", "1.5,1,1"])
def test_bad_setting_is_refused(setting: str) -> None:
    with pytest.raises(ClockSettingError, match="TALLYSTICK_CLOCK"):
        parse_clock(setting)
