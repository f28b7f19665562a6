"""One look at a Modbus meter for a person: recognise it, read it once, keep the words.
It bills and stores nothing, and asks nothing a second time that was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tallystick_edge.config import LineConfig, MeterConfig
from tallystick_edge.drivers.coalesce import wanted_spans
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import LineDown, ReadFailure
from tallystick_edge.drivers.modbus_identity import check_identity, identity_of, identity_spans
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.drivers.modbus_read import UnitReader, holes_of
from tallystick_edge.dump import RawReading
from tallystick_edge.errors import InvariantError
from tallystick_edge.profile import Profile, RawRead, Register, Span
from tallystick_edge.registers import Decoded, ValueAbsent, decode_present

if TYPE_CHECKING:
    from tallystick_edge.ports import Clock


@dataclass(frozen=True, slots=True)
class Look:
    """What one meter gave. Without `decoded`, `fault` and `detail` say why."""

    raw: RawReading
    profile: Profile | None = None
    serial: str | None = None
    decoded: Decoded | None = None
    fault: str | None = None
    detail: str | None = None

    def registers(self) -> Sequence[Register]:
        return () if self.profile is None else tuple(self.profile.registers.values())


async def look_at_line(
    line: LineConfig, meters: Sequence[MeterConfig], profiles: Callable[[str], Profile], clock: Clock
) -> list[Look]:
    """Every register of each meter's profile, meter by meter. A line that does not open is each meter's fault."""
    try:
        async with _open(line) as guard:
            return [await _look(guard, line, meter, profiles(meter.profile), clock) for meter in meters]
    except LineDown as down:
        return [_failed(meter, clock, down) for meter in meters]


async def look_at_registers(line: LineConfig, unit: int, spans: Sequence[Span], clock: Clock) -> RawReading:
    """Just these registers, each in a request of its own. Raises ReadFailure."""
    async with _open(line) as guard:
        reads = [RawRead(span, await guard.read(unit, span)) for span in spans]
    return RawReading("", unit, clock.utc_ms(), None, None, tuple(reads))


def look_at_dump(raw: RawReading, profile: Profile, planned: str | None = None) -> Look:
    """The same decisions over words that were read before."""
    look = Look(raw, profile)
    try:
        serial = check_identity(profile, raw.reads, planned)
        return replace(look, serial=serial, decoded=decode_present(look.registers(), raw.reads))
    except ReadFailure as failure:
        return replace(look, fault=failure.reason, detail=str(failure))
    except ValueAbsent as absent:
        return replace(look, fault=absent.reason_code, detail=str(absent))


async def _look(guard: LineGuard, line: LineConfig, meter: MeterConfig, profile: Profile, clock: Clock) -> Look:
    if meter.unit is None:
        raise InvariantError(f"meter {meter.id} has no unit address")
    limits = identity_of(profile)[1]
    raw = RawReading(meter.id, meter.unit, clock.utc_ms(), profile.name, profile.sha256.hex(), ())
    try:
        reads = await UnitReader(guard, meter.unit, limits, 0).read(identity_spans(profile))
        raw = replace(raw, reads=tuple(reads))
        check_identity(profile, reads, meter.serial)
        values = UnitReader(guard, meter.unit, limits, holes_of(line, limits))
        reads += await values.read(wanted_spans(profile.registers.values()))
    except LineDown:
        raise
    except ReadFailure as failure:
        return Look(raw, profile, fault=failure.reason, detail=str(failure))
    return look_at_dump(replace(raw, reads=tuple(reads), utc_ms=clock.utc_ms()), profile, meter.serial)


def _failed(meter: MeterConfig, clock: Clock, down: LineDown) -> Look:
    raw = RawReading(meter.id, meter.unit or 0, clock.utc_ms(), meter.profile, None, ())
    return Look(raw, fault=down.reason, detail=str(down))


@asynccontextmanager
async def _open(line: LineConfig) -> AsyncIterator[LineGuard]:
    link = ModbusLink(line)
    await link.connect()
    guard = LineGuard(link, GuardTimes.of(line))
    try:
        yield guard
    finally:
        await guard.close()
        link.close()
