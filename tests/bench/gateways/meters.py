"""Twenty simulated meters of ten registers each, served to two gateways on a Modbus/TCP port each.

A register holds how often it was read through its port, so that every value that was given can be missed."""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass, field

from tallystick_sim.modbus.faults import UnitFaults
from tallystick_sim.modbus.registers import HOLDING, INPUT, Block, place, read_blocks, text, uint32
from tallystick_sim.modbus.tcp import MeterServer

METERS, REGISTERS = 20, 10
WORDS = 2 * REGISTERS
MODEL = "bench"
PROFILE = "bench-ten"

Value = tuple[int, int, int]
"""(meter from 1, register from 0, how often that register was read)"""


@dataclass
class BenchMeter:
    """Ten 32-bit counters; each tells how often it was read."""

    number: int
    counts: list[int] = field(default_factory=lambda: [0] * REGISTERS)
    given: list[tuple[float, int]] = field(default_factory=list)  # when, register

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        """Words of one request. Raises Refusal."""
        if function == INPUT and address + count <= WORDS:
            now = time.monotonic()
            for register in range(address // 2, (address + count + 1) // 2):
                self.counts[register] += 1
                self.given.append((now, register))
        words = {at: word for index, n in enumerate(self.counts) for at, word in place(2 * index, uint32(n)).items()}
        name = place(0, text(MODEL, 4)) | place(4, uint32(self.number))
        return read_blocks((Block(INPUT, 0, WORDS, words), Block(HOLDING, 0, 6, name)), 125, function, address, count)

    def values(self, since: float, until: float) -> set[Value]:
        """What was given between two instants of the monotonic clock."""
        seen = [0] * REGISTERS
        first = bisect_left(self.given, (since, -1))
        for _, register in self.given[:first]:
            seen[register] += 1
        found: set[Value] = set()
        for at, register in self.given[first:]:
            seen[register] += 1
            if at < until:
                found.add((self.number, register, seen[register]))
        return found


class Meters:
    """One port with all the meters behind it, as behind a Modbus/TCP gateway of an RS-485 line."""

    def __init__(self) -> None:
        self._server = MeterServer(turnaround_ms=2)
        self.models = [BenchMeter(number) for number in range(1, METERS + 1)]
        self._faults = [self._server.attach(model.number, model) for model in self.models]

    async def start(self) -> int:
        await self._server.start()
        return self._server.port

    async def stop(self) -> None:
        await self._server.stop()

    def faults(self, number: int) -> UnitFaults:
        return self._faults[number - 1]

    def given(self, since: float, until: float) -> set[Value]:
        """Every value given to the gateway of this port."""
        return set().union(*(model.values(since, until) for model in self.models))


def profile_toml() -> str:
    """The meter's map as the agent reads it: `edge/tallystick_edge/profiles/bench-ten.toml` of the copy under test."""
    registers = "".join(
        f"""
[register.v{index}]
quantity = "count.{index}"
unit = "Wh"
exponent = 0
kind = "counter"
function = 4
address = {2 * index}
type = "uint32"
modulus = 4294967296
rated_max_per_h = 360000
"""
        for index in range(REGISTERS)
    )
    expect = ", ".join(f"v{index} = {index}" for index in range(REGISTERS))
    words = " ".join(f"0000 {index:04x}" for index in range(REGISTERS))
    return f"""\
version = 1
kind = "modbus"
name = "{PROFILE}"
vendor = "Tallystick"
model = "simulated meter of the bench"

[source]
document = "tests/bench/gateways/meters.py"
page = "BenchMeter"
checked = "the simulated meter that this map was written for"

[limits]
registers_max = 125

[[identity.probe]]
function = 3
address = 0
type = "text"
count = 4
equals = "{MODEL}"

[identity.serial]
function = 3
address = 4
type = "uint32"
{registers}
[[vector]]
name = "as made"
reads = [{{ function = 4, address = 0, words = "{words}" }}]
expect = {{ {expect} }}
"""
