"""The laundry as a process: devices on real ports, and a control line for doors, truth and trouble.
It knows nothing of gateways or ledgers; whoever reads the meters is a stranger to it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tallystick_sim.clock import ScaledClock
from tallystick_sim.control import ControlError, Request, serve_control
from tallystick_sim.devices import Devices
from tallystick_sim.laundry import Laundry
from tallystick_sim.plan import WASHERS
from tallystick_sim.slots import Slots

REQUESTS = "where, open, close, truth, late, played, replay"
LATE_MS_MAX = 10_000  # real time; longer is a dead meter, not a late answer


class LaundryProcess:
    """Answers the control line: where, open, close, truth, late {meter, ms}, played {meter, fault}, replay."""

    def __init__(self, clock: ScaledClock, seed: str, rest_ms: int, folder: Path, slots: Slots | None) -> None:
        self._clock = clock
        self._laundry = Laundry(tuple(w.name for w in WASHERS), seed, rest_ms, slots)
        self._devices = Devices(self._laundry, clock.utc_ms, folder)

    async def run(self, control: Path) -> None:
        """Serve until the process is asked to end (SIGTERM, SIGINT)."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await self._devices.start()
        server = await serve_control(control, self.answer)
        try:
            await ended.wait()
        finally:
            server.close()
            await self._devices.stop()

    async def answer(self, request: Request) -> Mapping[str, Any]:
        """One request of the control line. Raises ControlError with field and reason."""
        match request["do"]:
            case "where":
                return self._devices.where()
            case "open":
                self._laundry.open(self._clock.utc_ms())
                return {}
            case "close":
                self._laundry.close()
                return {}
            case "truth":
                self._laundry.advance(self._clock.utc_ms())
                return asdict(self._laundry.truth())
            case "late":
                return self._late(request)
            case "played":
                return self._played(request)
            case "replay":
                self._devices.replay()
                return {}
            case other:
                raise ControlError(f"do: no {other!r} here; there are: {REQUESTS}")

    def _late(self, request: Request) -> Mapping[str, Any]:
        meter, ms = request.get("meter"), request.get("ms")
        if not isinstance(meter, str):
            raise ControlError('meter: missing; expected a name, as in "washer-1"')
        if not isinstance(ms, int) or not 0 < ms <= LATE_MS_MAX:
            raise ControlError(f"ms: {ms!r} is not a whole number from 1 to {LATE_MS_MAX}")
        self._devices.late(meter, ms)
        return {}

    def _played(self, request: Request) -> Mapping[str, Any]:
        meter, fault = request.get("meter"), request.get("fault")
        if not isinstance(meter, str) or not isinstance(fault, str):
            raise ControlError('meter, fault: missing; expected names, as in "washer-1" and "late"')
        return {"count": self._devices.played(meter, fault)}
