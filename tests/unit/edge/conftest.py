"""Tests of the agent run on machines with and without NTP: what the kernel says is set here."""

from __future__ import annotations

import pytest
from tallystick_edge import clock


@pytest.fixture(autouse=True)
def ntp_keeps_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "is_kernel_synchronised", lambda: True)
