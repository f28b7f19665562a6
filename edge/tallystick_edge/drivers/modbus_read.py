"""Reads the spans wanted of one unit in as few requests as pay, and remembers what the unit refused.
It knows no meter by make and decides nothing about values; every request goes through the line guard."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.coalesce import hole_max, holes_in, plan_reads
from tallystick_edge.drivers.line_guard import LineGuard
from tallystick_edge.drivers.modbus_errors import NoAnswer, Refused, WrongAnswer
from tallystick_edge.profile import Limits, RawRead, Span

ATTEMPTS = 2  # of one request: a late or spoilt answer costs no reading; a unit known to be silent gets one
SPLITTING = frozenset((2, 3))  # illegal address or length: the same registers may be there in smaller requests
TCP_HOLE_MAX = 32  # an Ethernet meter answers 64 more bytes sooner than one more question


def holes_of(line: LineConfig, limits: Limits) -> int:
    """Most unwanted registers worth reading along on this line from a meter with these limits."""
    return TCP_HOLE_MAX if line.kind is LineKind.TCP else hole_max(line.baud, limits.turnaround_ms * 1_000)


class UnitReader:
    """`absent`: wanted spans that the unit does not have. What was learned holds until `forget`."""

    def __init__(self, guard: LineGuard, unit: int, limits: Limits, holes: int) -> None:
        self.absent: set[Span] = set()
        self._guard, self._unit, self._limits, self._holes = guard, unit, limits, holes
        self._learned: list[Span] = []
        self._apart: set[Span] = set()
        self._planned: tuple[list[Span], list[Span]] | None = None  # wanted, requests

    def forget(self) -> None:
        """Another meter may answer now."""
        self.absent.clear()
        self._learned.clear()
        self._apart.clear()
        self._planned = None

    async def read(self, wanted: Sequence[Span], *, attempts: int = ATTEMPTS) -> list[RawRead]:
        """What the unit has of the wanted spans. Raises NoAnswer, WrongAnswer, LineDown, or Refused if nothing."""
        reads: list[RawRead] = []
        refused: Refused | None = None
        for span in self._requests(wanted):
            try:
                reads += await self._read(span, wanted, attempts)
            except Refused as refusal:
                refused = refusal
        if not reads and (refused is not None or wanted):
            raise refused or Refused(2, f"unit {self._unit} has none of the registers wanted")
        return reads

    def _requests(self, wanted: Sequence[Span]) -> list[Span]:
        """Of one poll: the same from poll to poll, until a refusal teaches something."""
        wanted = list(wanted)
        if self._planned is None or self._planned[0] != wanted:
            self._planned = wanted, self._plan([span for span in wanted if span not in self.absent])
        return self._planned[1]

    def _plan(self, wanted: Sequence[Span]) -> list[Span]:
        return plan_reads(wanted, self._holes, self._limits, self._learned, self._apart)

    async def _read(self, span: Span, wanted: Sequence[Span], attempts: int) -> list[RawRead]:
        try:
            return [RawRead(span, await self._ask(span, attempts))]
        except Refused as refused:
            if refused.code not in SPLITTING:
                raise
            self._planned = None
            inside = [part for part in wanted if span.covers(part)]
            holes = holes_in(span, inside)
            if holes:
                self._learned += holes
                return await self._each(self._plan(inside), inside, attempts)
            if len(inside) > 1:
                return await self._apart_from_now(sorted(inside), attempts)
            self.absent.update(inside)
            raise

    async def _apart_from_now(self, parts: Sequence[Span], attempts: int) -> list[RawRead]:
        """Neighbours that a unit does not give together: some are missing, or it gives only one at a time."""
        reads = await self._each(parts, parts, attempts)
        if not self.absent.intersection(parts):
            self._apart.update(parts)
        self._learned += [part for part in parts if part in self.absent]
        return reads

    async def _each(self, spans: Sequence[Span], wanted: Sequence[Span], attempts: int) -> list[RawRead]:
        reads: list[RawRead] = []
        refused: Refused | None = None
        for span in spans:
            try:
                reads += await self._read(span, wanted, attempts)
            except Refused as refusal:
                refused = refusal
        if not reads and refused is not None:
            raise refused
        return reads

    async def _ask(self, span: Span, attempts: int) -> tuple[int, ...]:
        for _ in range(attempts - 1):
            try:
                return await self._guard.read(self._unit, span)
            except (NoAnswer, WrongAnswer):
                continue  # the guard has quarantined the unit; asked again, it waits for the end of that
        return await self._guard.read(self._unit, span)
