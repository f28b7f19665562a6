"""Two months in which something comes late, stays open until people decide, or is added when a month closes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from support.protocol_samples import fixed
from tallystick_protocol import cose
from tallystick_protocol.codes import EvidenceLevel, Reason, ResolutionAction
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import Cover, Open
from tallystick_protocol.ids import H32, PartyId, use_id
from tallystick_protocol.money.calendar import Period, days_in, period_of
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.rating import Rated, Usage, canonical, minimum_usage, rate, rebate_usage, standing_usage
from tallystick_protocol.money.settle import RatedUse, Was
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.records import Resolution
from tallystick_protocol.settled_use import Replaced

LATE = (0, 2)  # Anna's warm wash of the fourth: machine, use number


class LateHost(b.Host):
    """One wash of January is known in February only: it and all later ones of its counters are settled again."""

    def __init__(self) -> None:
        super().__init__(found=self._found, usages=self._usages, rated=self._rated, covers=self._covers)
        self.scene: b.Scene | None = None

    def _found(self) -> w.World:
        self.world = w.found()
        return self.world

    def late(self, usage: Usage) -> bool:
        return (usage.channel_hash, usage.number) == (self.world.machines[LATE[0]].channel, LATE[1])

    def _usages(self, period: int, usages: list[Usage]) -> list[Usage]:
        if not period:
            self.january = usages
            return [usage for usage in usages if not self.late(usage)]
        return usages

    def _rated(self, period: int, rated: list[RatedUse]) -> list[RatedUse]:
        versions = self.world.versions
        if not period:
            self.before = rated
            return rated
        again = rate([c for _, c in versions], versions[0][0], [*self.january, *(one.rated.usage for one in rated)], {})
        old = {one.rated.usage.use_id: one for one in self.before}
        place = {one.rated.usage.use_id: index for index, one in enumerate(self.before)}
        first = next(usage for usage in self.january if self.late(usage)).position
        made = []
        for one in again:
            if one.usage.position < first:
                continue
            was = old.get(one.usage.use_id)
            january = one.usage in self.january
            h = versions[0][0] if one.usage.start_ms < versions[1][1].effective_from_ms else versions[1][0]
            note = None
            if was is not None:
                where = Replaced(self.settled, place[one.usage.use_id], Reason.TOO_LATE)
                note = Was(where, was.rated.fee, was.rated.shares)
            tag = b.tag(one.usage.payer, b.PERIODS[0 if january else 1][0])
            made.append(RatedUse(one, h, tag, was=note))
        return made

    def _covers(self, period: int, covers: list[Cover]) -> list[Cover]:
        channel = self.world.machines[LATE[0]].channel
        if period:
            self.settled = self.scene_hash()
            return covers
        late = next(usage for usage in self.january if self.late(usage))
        span = Open(LATE[1], Reason.TOO_LATE, late.from_total, late.to_total, LATE[1] - 1, LATE[1])
        return [replace(c, opens=(span, *c.opens)) if c.channel_hash == channel else c for c in covers]

    def scene_hash(self) -> H32:
        hashes = [cose.parse(e) for e, _ in self.world.log.envelopes]
        return next(parsed.hash for parsed in hashes if parsed.content_type is ContentType.SETTLEMENT)


class Late(LateHost):
    """`rated` is asked before `covers`; the settlement's hash is needed by both."""

    def _rated(self, period: int, rated: list[RatedUse]) -> list[RatedUse]:
        if period:
            self.settled = self.scene_hash()
        return super()._rated(period, rated)


def decided(action: ResolutionAction, **changes: Any) -> b.Scene:
    """Counts that came without events stay open in January; in February people decide."""
    made: dict[str, Any] = {}

    def found() -> w.World:
        made["world"] = w.found()
        return made["world"]  # type: ignore[no-any-return]

    def covers(period: int, rows: list[Cover]) -> list[Cover]:
        machine = made["world"].machines[0]
        mine = next(c for c in rows if c.channel_hash == machine.channel)
        if not period:
            gap = Open(90, Reason.USE_UNEXPLAINED, mine.to_total, mine.to_total + 2, mine.to_use, mine.to_use)
            return [replace(c, to_total=c.to_total + 2, opens=(*c.opens, gap)) if c is mine else c for c in rows]
        before = made["gap"]
        values = {"from_total": before.from_total, "to_total": before.to_total} | changes
        decision = Resolution(fixed("decision", 16), None, machine.channel, 90, action, why="asked the house", **values)
        envelope = cose.sign(w.OFFICE, ContentType.RESOLUTION, decision.encode())
        made["world"].log.add(envelope)
        return [replace(c, closed=((90, cose.parse(envelope).hash),)) if c is mine else c for c in rows]

    def remember(period: int, rows: list[Cover]) -> list[Cover]:
        done = covers(period, rows)
        if not period:
            made["gap"] = next(o for c in done for o in c.opens if o.id == 90)
        return done

    def washes(rows: list[w.Wash]) -> list[w.Wash]:
        return [row for row in rows if row.machine == 1 or row.end_ms < w.FEBRUARY]

    def rated(period: int, rows: list[RatedUse]) -> list[RatedUse]:
        if not period or action is ResolutionAction.WAIVE:
            return rows
        machine, gap = made["world"].machines[0], made.get("gap") or Open(90, Reason.USE_UNEXPLAINED, 5, 7, 5, 5)
        usage = Usage(H32(bytes(32)), machine.channel, 77, w.FEBRUARY, w.FEBRUARY + 1, gap.from_total, gap.to_total,
                      "washer-1", w.MEMBERS, "60", rows[0].rated.usage.form)  # fmt: skip
        return _rerated(made["world"], rows, usage)

    return b.scene(b.Host(found=found, covers=remember, washes=washes, rated=rated))


def _rerated(world: w.World, rows: list[RatedUse], more: Usage) -> list[RatedUse]:
    more = more._replace(use_id=use_id(more.channel_hash, more.number))
    usages = canonical([*(one.rated.usage for one in rows), more])
    openings = {c.key: c.closing for c in honest().built[0].counters}
    again: list[Rated] = rate([c for _, c in world.versions], world.versions[0][0], usages, openings)
    tags = {one.rated.usage.use_id: one.tag for one in rows}
    h = world.versions[1][0]
    return [
        RatedUse(one, h, tags.get(one.usage.use_id, b.tag(w.MEMBERS, w.FEBRUARY)),
                 level=EvidenceLevel.DECLARED if one.usage.use_id not in tags else EvidenceLevel.GATEWAY_FILE)
        for one in again
    ]  # fmt: skip


def with_minimum(bent: int = 0, machines: tuple[int, ...] = (0, 1)) -> b.Scene:
    """Nobody pays less than 9 EUR a month: a pseudo use tops the period up."""
    contract = w.laundry()
    contract = replace(contract, tariff=replace(contract.tariff, minimum=Exact.of(9)))

    def tops(h: H32, version: Contract, span: Period) -> list[Usage]:
        found = [minimum_usage(h, version, payer, span) for payer in (w.ANNA, w.BRUNO)]
        return [top._replace(start_ms=top.start_ms - bent, end_ms=top.end_ms - bent) for top in found]

    return b.scene(closing(contract, tops, machines))


def with_rebate(payers: tuple[PartyId, ...] = (w.ANNA, w.BRUNO), bent: int = 0) -> b.Scene:
    """The third warm wash of a month makes the first two as cheap as itself, for these payers."""
    contract = w.laundry()
    cold, warm = contract.tariff.bands
    contract = replace(contract, tariff=replace(contract.tariff, bands=(cold, replace(warm, volume=True))))

    def rebates(h: H32, _: Contract, span: Period) -> list[Usage]:
        return [rebate_usage(h, payer, span, span.to_ms - bent) for payer in payers]

    return b.scene(closing(contract, rebates))


def with_standing(payers: tuple[PartyId, ...] = (w.ANNA, w.BRUNO), late_ms: int = 0, extra_days: int = 0) -> b.Scene:
    """A month costs 2 EUR beside its washes, for these payers. `late_ms`, `extra_days`: how a cheat bends each."""
    contract = w.laundry()
    contract = replace(contract, tariff=replace(contract.tariff, standing_charge=Exact.of(2)))

    def charges(h: H32, version: Contract, span: Period) -> list[Usage]:
        days = days_in(span, span.to_ms, offsets_of(version.zone)) + extra_days
        return [standing_usage(h, payer, span, span.from_ms + late_ms, (0, days)) for payer in payers]

    return b.scene(closing(contract, charges))


def closing(
    contract: Contract, added: Callable[[H32, Contract, Period], list[Usage]], machines: tuple[int, ...] = (0, 1)
) -> b.Host:
    """A host that adds these uses when a month closes; there is one version, and these machines run."""
    world: dict[str, w.World] = {}

    def found() -> w.World:
        world["it"] = w.found(contracts=[contract])
        return world["it"]

    def usages(period: int, rows: list[Usage]) -> list[Usage]:
        ((h, version),) = world["it"].versions
        return canonical([*rows, *added(h, version, period_of(version, b.PERIODS[period][0]))])

    def washes(rows: list[w.Wash]) -> list[w.Wash]:
        return [replace(row, payer=w.users(1)[row.machine]) for row in rows if row.machine in machines]

    return b.Host(found=found, usages=usages, washes=washes)
