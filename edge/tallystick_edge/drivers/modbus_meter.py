"""One meter on a Modbus line: when it is asked, what it is asked, and what becomes of the answers.
It hands over integers or a fault; it never decides whether a value is plausible or billed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallystick_protocol.codes import MeterState

from tallystick_edge.config import LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.coalesce import hole_max, holes_in, plan_reads, wanted_spans
from tallystick_edge.drivers.line_guard import LineGuard
from tallystick_edge.drivers.modbus_errors import LineDown, NoAnswer, ReadFailure, Refused, WrongAnswer
from tallystick_edge.drivers.modbus_identity import check_identity, identity_of, identity_spans
from tallystick_edge.errors import InvariantError
from tallystick_edge.profile import Profile, ProfileError, RawRead, Register, Span
from tallystick_edge.registers import ValueAbsent, decode_registers, raw_bytes
from tallystick_edge.sample import Fault, Sample

if TYPE_CHECKING:
    from tallystick_edge.ports import Clock, Sink

ATTEMPTS = 2  # of one request: a late or spoilt answer costs no reading; a unit known to be silent gets one
ILLEGAL_ADDRESS = 2  # exception code of a unit that has no register in a hole we read along
TURNAROUND_US = 20_000  # usual time of a meter to think; only the cost model uses it
TCP_HOLE_MAX = 32  # an Ethernet meter answers 64 more bytes sooner than one more question
WATCHED = ("power",)  # read besides the channels: the use rules tell start and end of a cycle by it


@dataclass(frozen=True, slots=True)
class Backoff:
    """Real milliseconds a unit is left alone after a failed poll, doubled with each further one."""

    first_ms: int = 2_000
    most_ms: int = 300_000

    def wait_ms(self, failures: int) -> int:
        """After `failures` failed polls in a row, 1 or more."""
        return min(self.most_ms, self.first_ms << min(failures - 1, 30))


class ModbusMeter:
    """Polls one unit until cancelled."""

    def __init__(
        self, line: LineConfig, meter: MeterConfig, profile: Profile, guard: LineGuard, clock: Clock, backoff: Backoff
    ) -> None:
        if meter.unit is None:
            raise InvariantError(f"meter {meter.id} reached line {line.id} without a unit address")
        self._unit = meter.unit
        self._meter = meter
        self._profile = profile
        self._limits = identity_of(profile)[1]
        self._guard = guard
        self._clock = clock
        self._backoff = backoff
        self._holes = TCP_HOLE_MAX if line.kind is LineKind.TCP else hole_max(line.baud, TURNAROUND_US)
        self._registers = chosen_registers(meter, profile)
        self._wanted = wanted_spans(self._registers)
        self._learned: list[Span] = []
        self._recognised = False
        self._serial: str | None = None
        self._failures = 0

    async def run(self, sink: Sink, line_up: asyncio.Event) -> None:
        """One poll at once, then at every multiple of the interval; faults go to the sink."""
        edge_ms = self._clock.utc_ms() // self._meter.every_ms * self._meter.every_ms
        while True:
            await line_up.wait()
            failure = await self._poll(sink)
            if failure is None:
                self._failures = 0
                edge_ms = await self._next_edge(edge_ms)
            elif not isinstance(failure, LineDown):
                self._failures += 1
                await asyncio.sleep(self._backoff.wait_ms(self._failures) / 1_000)

    async def _next_edge(self, edge_ms: int) -> int:
        """Sleep to the next multiple of the interval in UTC. A poll that came late is made up for at once, but only
        one: others held up the line, and readings at contract edges matter more than even spacing."""
        every_ms = self._meter.every_ms
        now_ms = self._clock.utc_ms()
        latest_ms = now_ms // every_ms * every_ms
        if latest_ms > edge_ms:
            return latest_ms
        while 0 < (wait_ms := latest_ms + every_ms - self._clock.utc_ms()) <= every_ms:
            await self._clock.sleep_ms(wait_ms)
        return latest_ms + every_ms

    async def _poll(self, sink: Sink) -> Exception | None:
        try:
            if not self._recognised:
                await self._recognise()
            reads = await self._read_all(self._wanted, self._holes)
            values = decode_registers(self._profile, reads, (register.name for register in self._registers))
        except (ReadFailure, ValueAbsent) as failure:
            self._recognised = False  # whoever answers next may be another meter
            reason = failure.reason if isinstance(failure, ReadFailure) else "no-value"
            sink.fault(Fault(self._meter.id, self._clock.uptime_ms(), reason, str(failure)))
            return failure
        sink.sample(self._sample(values, reads))
        return None

    def _sample(self, values: dict[str, int], reads: Sequence[RawRead]) -> Sample:
        return Sample(
            meter=self._meter.id,
            uptime_ms=self._clock.uptime_ms(),
            utc_ms=self._clock.utc_ms(),
            values=values,
            serial=self._serial,
            state=MeterState.OK,
            raw=raw_bytes(reads),
        )

    async def _recognise(self) -> None:
        """Before the first value and after every failure: is this the meter of the plan?"""
        reads = await self._read_all(identity_spans(self._profile), 0)
        self._serial = check_identity(self._profile, reads, self._meter.serial)
        self._recognised = True

    async def _read_all(self, wanted: Sequence[Span], holes: int) -> list[RawRead]:
        reads: list[RawRead] = []
        for span in plan_reads(wanted, holes, self._limits, self._learned):
            reads += await self._read(span, wanted)
        return reads

    async def _read(self, span: Span, wanted: Sequence[Span]) -> list[RawRead]:
        """One request; when the unit refuses a hole we read along, without it, and the hole is remembered."""
        try:
            return [RawRead(span, await self._ask(span))]
        except Refused as refused:
            holes = holes_in(span, wanted)
            if refused.code != ILLEGAL_ADDRESS or not holes:
                raise
            self._learned += holes
            inside = [part for part in wanted if span.covers(part)]
            return [
                RawRead(part, await self._ask(part))
                for part in plan_reads(inside, self._holes, self._limits, self._learned)
            ]

    async def _ask(self, span: Span) -> tuple[int, ...]:
        attempts = 1 if self._failures else ATTEMPTS
        for _ in range(attempts - 1):
            try:
                return await self._guard.read(self._unit, span)
            except (NoAnswer, WrongAnswer):
                continue  # the guard has quarantined the unit; asked again, it waits for the end of that
        return await self._guard.read(self._unit, span)


def chosen_registers(meter: MeterConfig, profile: Profile) -> tuple[Register, ...]:
    """What each poll reads: the registers of the meter's channels and those the use rules watch; without channels all.
    Raises ProfileError for a register that the profile does not have."""
    known = profile.registers
    if not meter.channels:
        return tuple(known.values())
    for channel in meter.channels:
        if channel.register not in known:
            reason = f"is not in this profile, but meter {meter.id} wants it; there are: {', '.join(known)}"
            raise ProfileError(f"{profile.name}.toml", f"register.{channel.register}", reason)
    names = [channel.register for channel in meter.channels] + [name for name in WATCHED if name in known]
    return tuple(known[name] for name in dict.fromkeys(names))
