"""Names the profile of whatever answers under a unit address, by its identity registers.
For installing and for finding out; it reads identity only and bills nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from tallystick_edge.config import LineConfig
from tallystick_edge.drivers.coalesce import plan_reads
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import NoAnswer, Refused, WrongAnswer
from tallystick_edge.drivers.modbus_identity import identity_of, identity_spans, matches, serial_of
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.profile import Profile, ProfileKind, RawRead, Span, load_profile, profile_names


@dataclass(frozen=True, slots=True)
class Found:
    """What answers under `unit`; `profile` is None for a meter that none of ours knows."""

    unit: int
    profile: str | None
    serial: str | None


def modbus_profiles() -> tuple[Profile, ...]:
    """All Modbus profiles that come with the program. Raises ProfileError."""
    profiles = (load_profile(name) for name in profile_names())
    return tuple(profile for profile in profiles if profile.kind is ProfileKind.MODBUS)


async def probe_line(line: LineConfig, units: Iterable[int]) -> AsyncIterator[Found]:
    """What answers on a line, unit by unit, silent ones left out. Raises LineDown when the line does not open."""
    profiles = modbus_profiles()
    link = ModbusLink(line)
    await link.connect()
    guard = LineGuard(link, GuardTimes.of(line))
    try:
        for unit in units:
            found = await probe_unit(guard, unit, profiles)
            if found is not None:
                yield found
    finally:
        await guard.close()
        link.close()


async def probe_unit(guard: LineGuard, unit: int, profiles: Sequence[Profile]) -> Found | None:
    """The first profile whose probes match, None when nobody answers at all."""
    heard = False
    for profile in profiles:
        try:
            reads = [await _read(guard, unit, span) for span in _spans(profile)]
        except (Refused, WrongAnswer):
            heard = True
            continue
        except NoAnswer:
            if heard:
                continue
            return None
        heard = True
        if matches(profile, reads):
            return Found(unit, profile.name, serial_of(profile, reads))
    return Found(unit, None, None)


def _spans(profile: Profile) -> list[Span]:
    return plan_reads(identity_spans(profile), 0, identity_of(profile)[1])


async def _read(guard: LineGuard, unit: int, span: Span) -> RawRead:
    return RawRead(span, await guard.read(unit, span))
