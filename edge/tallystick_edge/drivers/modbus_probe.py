"""Names the profile of whatever answers under a unit address, by its identity registers.
For installing and for finding out; it reads identity only and bills nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.coalesce import plan_reads
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import NoAnswer, Refused, WrongAnswer
from tallystick_edge.drivers.modbus_identity import identity_of, identity_spans, matches, serial_of
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.profile import Profile, ProfileKind, RawRead, Span, load_profile, profile_names

UNIT_MAX = 247
NEAR = range(1, 33)  # where installers put meters
FIRST_CHARS = 22  # of a question for one register, its answer, and two gaps
SCAN_THINK_MS = 80  # 247 units in less than 30 s at 9600 baud; units of the plan are waited for as the line says
NOBODY = frozenset((10, 11))  # a gateway's exceptions for a unit that does not answer behind it


@dataclass(frozen=True, slots=True)
class Found:
    """What answers under `unit`; `profile` is None for a meter that none of ours knows.

    `doubt`: why the name is no more than likely."""

    unit: int
    profile: str | None
    serial: str | None
    doubt: str | None = None


@dataclass(slots=True)
class Scan:
    """How far a scan is. `asked`: units in the order they were asked; `left`: those there was no time for."""

    asked: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


def modbus_profiles(
    names: Callable[[], Iterable[str]] = profile_names, load: Callable[[str], Profile] = load_profile
) -> tuple[Profile, ...]:
    """All Modbus profiles, those that prove little last. Raises ProfileError."""
    profiles = [profile for profile in map(load, names()) if profile.kind is ProfileKind.MODBUS]
    return tuple(sorted(profiles, key=lambda profile: identity_of(profile)[0].weak is not None))


def scan_order(planned: Iterable[int], units: Iterable[int]) -> list[int]:
    """Addresses of the plan first, then 1 to 32, then the rest; of `units` only, each once."""
    wanted = list(dict.fromkeys(units))
    first = [unit for unit in dict.fromkeys(planned) if unit in wanted]
    near = [unit for unit in wanted if unit in NEAR and unit not in first]
    return [*first, *near, *(unit for unit in wanted if unit not in NEAR and unit not in first)]


def scan_timeout_ms(line: LineConfig) -> int:
    """How long the first answer of a unit outside the plan is waited for: never longer than the line's own timeout."""
    wire_ms = 0 if line.kind is LineKind.TCP else FIRST_CHARS * 11_000 // line.baud
    return min(line.timeout_ms, SCAN_THINK_MS + wire_ms)


async def probe_line(
    line: LineConfig,
    units: Iterable[int],
    *,
    planned: Iterable[int] = (),
    profiles: Sequence[Profile] | None = None,
    seconds: float | None = None,
    scan: Scan | None = None,
) -> AsyncGenerator[Found, None]:
    """What answers on a line, in `scan_order`, silent units left out. Raises LineDown when the line does not open.

    After `seconds` no further unit is asked; `scan` says which were and which were left."""
    known = modbus_profiles() if profiles is None else profiles
    patient = set(planned)
    order = scan_order(patient, units)
    scan = Scan() if scan is None else scan
    link = ModbusLink(line)
    await link.connect()
    guard = LineGuard(link, GuardTimes.of(line))
    loop = asyncio.get_running_loop()
    ends = None if seconds is None else loop.time() + seconds
    try:
        for place, unit in enumerate(order):
            if ends is not None and loop.time() >= ends:
                scan.left += order[place:]
                break
            scan.asked.append(unit)
            link.wait_for(line.timeout_ms if unit in patient else scan_timeout_ms(line))
            found = await probe_unit(guard, unit, known, on_heard=lambda: link.wait_for(line.timeout_ms))
            if found is not None:
                yield found
    finally:
        await guard.close()
        link.close()


async def probe_unit(
    guard: LineGuard, unit: int, profiles: Sequence[Profile], on_heard: Callable[[], None] = lambda: None
) -> Found | None:
    """The first profile whose probes match, None when nobody answers at all.

    `on_heard` is called when the unit gives its first sign of life."""
    asked = _Asked(guard, unit, on_heard)
    for profile in profiles:
        reads = [read for span in _spans(profile) if (read := await asked.read(span)) is not None]
        if asked.nobody:
            return None
        if matches(profile, reads):
            return Found(unit, profile.name, serial_of(profile, reads), identity_of(profile)[0].weak)
    return Found(unit, None, None) if asked.heard else None


@dataclass(slots=True)
class _Asked:
    """What a unit was asked already: several profiles look at the same registers."""

    guard: LineGuard
    unit: int
    on_heard: Callable[[], None]
    heard: bool = False
    nobody: bool = False
    _known: dict[Span, RawRead | None] = field(default_factory=dict)

    async def read(self, span: Span) -> RawRead | None:
        """The words, or None when the unit refuses them or does not answer this."""
        if self.nobody:
            return None
        if span not in self._known:
            self._known[span] = await self._ask(span)
        return self._known[span]

    async def _ask(self, span: Span) -> RawRead | None:
        for last in (False, True):
            try:
                words = await self.guard.read(self.unit, span)
            except Refused as refused:
                self.nobody = refused.code in NOBODY and not self.heard
                if not self.nobody:
                    self._sign_of_life()
                return None
            except WrongAnswer:  # somebody else's late answer, or our own: asked once more
                if last:
                    self.nobody = not self.heard
                continue
            except NoAnswer:
                self.nobody = not self.heard
                return None
            self._sign_of_life()
            return RawRead(span, words)
        return None

    def _sign_of_life(self) -> None:
        self.heard = True
        self.on_heard()


def _spans(profile: Profile) -> list[Span]:
    return plan_reads(identity_spans(profile), 0, identity_of(profile)[1])
