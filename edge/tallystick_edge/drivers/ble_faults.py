"""Hands faults to the sink, but the same fault of the same meter only now and then.
A sensor replayed a hundred times a second must not fill the journal; how many were held back is in the next one."""

from __future__ import annotations

import asyncio

from tallystick_edge.drivers.ble_errors import BleReason
from tallystick_edge.ports import Clock, Sink
from tallystick_edge.sample import Fault


class FaultReporter:
    """One per driver. The first fault of a kind goes out at once, then one in `every_s` real seconds."""

    def __init__(self, sink: Sink, clock: Clock, every_s: float) -> None:
        self._sink = sink
        self._clock = clock
        self._every_s = every_s
        self._told: dict[tuple[str, BleReason], tuple[float, int]] = {}

    def fault(self, meter: str, reason: BleReason, detail: str) -> None:
        """Report or hold back."""
        now = asyncio.get_running_loop().time()
        at, held = self._told.get((meter, reason), (float("-inf"), 0))
        if now - at < self._every_s:
            self._told[meter, reason] = (at, held + 1)
            return
        self._told[meter, reason] = (now, 0)
        more = f" ({held} more like it since the last report)" if held else ""
        self._sink.fault(Fault(meter, self._clock.uptime_ms(), reason.value, detail + more))

    def well(self, meter: str) -> None:
        """The meter gave a reading: whatever it had is over, so the next fault goes out at once."""
        for key in [key for key in self._told if key[0] == meter and key[1] is not BleReason.REPLAYED]:
            del self._told[key]
