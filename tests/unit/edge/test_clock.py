"""What the system says of its own clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from tallystick_edge import clock as clock_module
from tallystick_edge.clock import SystemClock, is_set_by_hardware, system_clock
from tallystick_protocol.codes import TimeQuality


def test_ntp_is_synchronised_a_battery_informs_and_neither_knows_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock_module, "RTC_FOLDER", tmp_path)
    assert SystemClock().quality() is TimeQuality.S
    monkeypatch.setattr(clock_module, "is_kernel_synchronised", lambda: False)
    assert SystemClock().quality() is TimeQuality.U
    (tmp_path / "rtc0").mkdir()
    (tmp_path / "rtc0" / "hctosys").write_text("0\n")
    assert not is_set_by_hardware()
    (tmp_path / "rtc0" / "hctosys").write_text("1\n")
    assert SystemClock().quality() is TimeQuality.I


def test_a_clock_with_a_battery_is_looked_for_once_a_minute_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answers = [1_000.0], iter([False, True])
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock_module, "is_kernel_synchronised", lambda: False)
    monkeypatch.setattr(clock_module, "is_set_by_hardware", lambda: next(answers))
    clock = SystemClock()
    assert [clock.quality() for _ in range(3)] == [TimeQuality.U] * 3
    now[0] += clock_module.LOOK_AGAIN_S
    assert [clock.quality() for _ in range(3)] == [TimeQuality.I] * 3


def test_a_clock_before_the_program_was_written_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "TRUSTED_AFTER_MS", 2**62)
    assert SystemClock().quality() is TimeQuality.U


def test_a_demos_clock_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "is_kernel_synchronised", lambda: False)
    monkeypatch.setenv(clock_module.VARIABLE, "60,1,1")
    assert system_clock().quality() is TimeQuality.S
