"""One meter on a Modbus line: when it is asked, what it is asked, and what becomes of the answers.
It hands over integers or a fault; it never decides whether a value is plausible or billed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallystick_protocol.codes import MeterState

from tallystick_edge.config import LineConfig, MeterConfig
from tallystick_edge.drivers.coalesce import wanted_spans
from tallystick_edge.drivers.due import next_due
from tallystick_edge.drivers.line_guard import LineGuard
from tallystick_edge.drivers.modbus_errors import LineDown, ReadFailure
from tallystick_edge.drivers.modbus_identity import check_identity, identity_of, identity_spans
from tallystick_edge.drivers.modbus_read import ATTEMPTS, UnitReader, holes_of
from tallystick_edge.errors import InvariantError
from tallystick_edge.profile import Profile, ProfileError, RawRead, Register, RegisterKind
from tallystick_edge.registers import Decoded, ValueAbsent, decode_present, raw_bytes
from tallystick_edge.sample import Fault, Sample

if TYPE_CHECKING:
    from tallystick_edge.ports import Clock, Sink

RECOGNISE_AGAIN_MS = 3_600_000  # a meter exchanged between two polls is noticed within the hour, whatever it shows
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
    """Polls one unit until cancelled.

    Its circuit is closed while it answers. A failed poll opens it for the backoff, in which nothing is asked; then one
    question, for its identity and without a second attempt, closes it again or keeps it open for twice as long."""

    def __init__(
        self, line: LineConfig, meter: MeterConfig, profile: Profile, guard: LineGuard, clock: Clock, backoff: Backoff
    ) -> None:
        if meter.unit is None:
            raise InvariantError(f"meter {meter.id} reached line {line.id} without a unit address")
        limits = identity_of(profile)[1]
        self._meter = meter
        self._profile = profile
        self._clock = clock
        self._backoff = backoff
        self._identity = UnitReader(guard, meter.unit, limits, 0)
        self._reader = UnitReader(guard, meter.unit, limits, holes_of(line, limits))
        self._registers = chosen_registers(meter, profile)
        self._wanted = wanted_spans(self._registers)
        self._counters = frozenset(each.name for each in self._registers if each.kind is RegisterKind.COUNTER)
        self._recognised = False
        self._recognised_ms = 0
        self._serial: str | None = None
        self._values: Mapping[str, int] = {}
        self._failures = 0
        self._told: set[str] = set()

    async def run(self, sink: Sink, line_up: asyncio.Event) -> None:
        """One poll at once, then at every multiple of the interval and every contract edge; faults go to the sink."""
        while True:
            await line_up.wait()
            failure = await self._poll(sink)
            if failure is None:
                self._failures = 0
                await self._next()
            elif not isinstance(failure, LineDown):
                self._failures += 1
                await asyncio.sleep(self._backoff.wait_ms(self._failures) / 1_000)

    async def _next(self) -> None:
        """Sleep until the next reading is due. One that came late, because others held up the line, is the reading of
        the latest edge before it: none is made up for."""
        every_ms = self._meter.every_ms
        due_ms = next_due(self._clock.utc_ms(), every_ms)
        while 0 < (wait_ms := due_ms - self._clock.utc_ms()) <= every_ms:
            await self._clock.sleep_ms(wait_ms)

    async def _poll(self, sink: Sink) -> Exception | None:
        try:
            if not self._recognised or self._clock.uptime_ms() - self._recognised_ms >= RECOGNISE_AGAIN_MS:
                await self._recognise()
            reads = await self._reader.read(self._wanted, attempts=self._attempts())
            decoded = decode_present(self._registers, reads)
            if self._fell(decoded.values):
                await self._recognise()
        except (ReadFailure, ValueAbsent) as failure:
            self._recognised = False  # whoever answers next may be another meter
            self._tell(sink, failure.reason_code if isinstance(failure, ValueAbsent) else failure.reason, str(failure))
            return failure
        self._values = decoded.values
        sink.sample(self._sample(decoded, reads))
        self._tell_absent(sink, decoded)
        return None

    def _fell(self, values: Mapping[str, int]) -> bool:
        """Whether a counter shows less than before: perhaps because another meter answers now."""
        before = self._values
        return any(value < before.get(name, 0) and name in self._counters for name, value in values.items())

    def _attempts(self) -> int:
        return 1 if self._failures else ATTEMPTS

    def _tell(self, sink: Sink, reason: str, detail: str) -> None:
        sink.fault(Fault(self._meter.id, self._clock.uptime_ms(), reason, detail))

    def _tell_absent(self, sink: Sink, decoded: Decoded) -> None:
        """A counter without a value is told once, until it has one; a gauge without one is nothing to tell."""
        absent = set(self._counters.intersection(decoded.absent))
        for name in sorted(absent - self._told):
            self._tell(sink, ValueAbsent.reason_code, f"{name}: {decoded.absent[name]}")
        self._told = absent

    def _sample(self, decoded: Decoded, reads: Sequence[RawRead]) -> Sample:
        return Sample(
            meter=self._meter.id,
            uptime_ms=self._clock.uptime_ms(),
            utc_ms=self._clock.utc_ms(),
            values=decoded.values,
            serial=self._serial,
            state=MeterState.OK,
            raw=raw_bytes(reads),
        )

    async def _recognise(self) -> None:
        """Before the first value, after every failure, when a counter fell, and once an hour: is it still the meter of
        the plan?"""
        self._identity.forget()
        reads = await self._identity.read(identity_spans(self._profile), attempts=self._attempts())
        serial = check_identity(self._profile, reads, self._meter.serial)
        if serial is None or serial != self._serial:
            self._reader.forget()
        self._serial = serial
        self._recognised = True
        self._recognised_ms = self._clock.uptime_ms()


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
