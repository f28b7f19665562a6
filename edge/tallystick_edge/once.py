"""One look at meters through their drivers, for a person: the first sample of each, or its last fault.
It bills and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tallystick_edge.clock import system_clock
from tallystick_edge.config import EdgeConfig, MeterConfig
from tallystick_edge.sample import Fault, Sample

EVERY_MS = 1_000  # a person waits: poll at once instead of at the configured pace


class _Nowhere:
    """A replay store for one look."""

    def last(self, address: str) -> tuple[int, bytes] | None:
        return None

    def save(self, address: str, counter: int, digest: bytes) -> None:
        return None


class _FirstOfEach:
    """Keeps the first sample of each meter, and the last fault of those that gave none."""

    def __init__(self, wanted: set[str]) -> None:
        self.samples: dict[str, Sample] = {}
        self.faults: dict[str, Fault] = {}
        self._wanted = wanted
        self.done = asyncio.Event()

    def sample(self, s: Sample) -> None:
        self.samples.setdefault(s.meter, s)
        if self._wanted <= self.samples.keys():
            self.done.set()

    def fault(self, f: Fault) -> None:
        self.faults[f.meter] = f


async def read_once(config: EdgeConfig, meters: Sequence[MeterConfig], timeout_s: int) -> list[dict[str, Any]]:
    """Values (in each register's unit and exponent) or the fault, per meter, as the drivers give them."""
    from tallystick_edge.app import make_drivers

    quick = tuple(replace(each, every_ms=EVERY_MS) for each in meters)
    sink = _FirstOfEach({each.id for each in quick})
    drivers = make_drivers(replace(config, meters=quick), system_clock(), _Nowhere())
    tasks = [asyncio.create_task(driver.run(sink), name=name) for name, driver in drivers]
    try:
        async with asyncio.timeout(timeout_s):
            await sink.done.wait()
    except TimeoutError:
        pass  # what is missing is reported below
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [_row(each.id, sink) for each in quick]


def _row(meter: str, sink: _FirstOfEach) -> dict[str, Any]:
    sample = sink.samples.get(meter)
    if sample is not None:
        return {"meter": meter, "serial": sample.serial, "values": dict(sample.values)}
    fault = sink.faults.get(meter)
    if fault is None:
        return {"meter": meter, "fault": "silent", "detail": "no answer; check power, distance and address"}
    return {"meter": meter, "fault": fault.reason, "detail": fault.detail}
