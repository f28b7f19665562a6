"""One look at the devices for a person: read each meter once, or name what answers on a line.
It bills and stores nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tallystick_edge.clock import system_clock
from tallystick_edge.config import EdgeConfig, LineConfig
from tallystick_edge.errors import ConfigError
from tallystick_edge.sample import Fault, Sample

EVERY_MS = 1_000  # a person waits: poll at once instead of at the configured pace
UNIT_MAX = 247


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


async def read_once(config: EdgeConfig, only: str | None, timeout_s: int) -> list[dict[str, object]]:
    """Values (in each register's unit and exponent) or the fault, per meter. Raises ConfigError."""
    meters = [replace(each, every_ms=EVERY_MS) for each in config.meters if only in (None, each.id)]
    if not meters:
        names = ", ".join(each.id for each in config.meters) or "(none configured)"
        raise ConfigError("command line", "--meter", f"{only!r} is not configured", f"write one of {names}")
    from tallystick_edge.app import make_drivers

    sink = _FirstOfEach({each.id for each in meters})
    drivers = make_drivers(replace(config, meters=tuple(meters)), system_clock(), _Nowhere())
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
    return [_row(each.id, sink) for each in meters]


def _row(meter: str, sink: _FirstOfEach) -> dict[str, object]:
    sample = sink.samples.get(meter)
    if sample is not None:
        return {"meter": meter, "serial": sample.serial, "state": sample.state.name.lower(), **sample.values}
    fault = sink.faults.get(meter)
    if fault is None:
        return {"meter": meter, "fault": "silent", "detail": "no answer; check wiring, address and power"}
    return {"meter": meter, "fault": fault.reason, "detail": fault.detail}


async def probe(config: EdgeConfig, line_id: str | None, units: str) -> list[dict[str, object]]:
    """What answers on a line. Raises ConfigError for a line or unit that cannot be."""
    line = _line(config, line_id)
    wanted = _units(units)
    from tallystick_edge.drivers.modbus_probe import probe_line

    return [
        {"unit": found.unit, "profile": found.profile or "unknown", "serial": found.serial or "-"}
        async for found in probe_line(line, wanted)
    ]


def _line(config: EdgeConfig, line_id: str | None) -> LineConfig:
    names = ", ".join(each.id for each in config.lines) or "(none configured)"
    if line_id is None and len(config.lines) == 1:
        return config.lines[0]
    for each in config.lines:
        if each.id == line_id:
            return each
    raise ConfigError("command line", "--line", f"{line_id!r} is not a line", f"write one of {names}")


def _units(text: str) -> list[int]:
    found: list[int] = []
    for word in text.split(","):
        first, _, last = word.strip().partition("-")
        if not (first.isdecimal() and (not last or last.isdecimal())):
            raise ConfigError("command line", "--units", f"{word!r} is no unit address", 'write "1-32" or "1,5,7"')
        found.extend(range(int(first), int(last or first) + 1))
    if not found or not all(1 <= unit <= UNIT_MAX for unit in found):
        raise ConfigError("command line", "--units", f"{text!r} leaves 1 to {UNIT_MAX}", 'write "1-32" or "1,5,7"')
    return found
