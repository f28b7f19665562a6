"""Where samples become items: metering, usage machines and quarantine, in memory, between two flushes.
It opens no file; `Core` makes its items durable and gives it back the states after a restart."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tallystick_protocol.codes import EventCode, Reason
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.clock_watch import ClockWatch
from tallystick_edge.items import GATEWAY_CHANNEL, GaugeReading, Happening, Item, Moment, Reading
from tallystick_edge.journal import Flush
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import Metered, Seen, meter
from tallystick_edge.metering.refusals import Refusals
from tallystick_edge.metering.silence import gap
from tallystick_edge.plan import MeterPlan, WashPlan
from tallystick_edge.ports import Clock
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.usage.wash import WashSample, WashState, believable, step

if TYPE_CHECKING:
    from tallystick_edge.usage.session import SessionRule

log = logging.getLogger("tallystick.desk")
BUFFER_ITEMS_MAX = 20_000  # about 10 MB in memory: what a full or slow disk may make us hold before readings are shed
TELL_SHED_MS = 60_000  # whoever brings too much must not fill the journal with gaps either
USE_CODES = frozenset((EventCode.USE_STARTED, EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED))
USE_ENDS = frozenset((EventCode.USE_ENDED, EventCode.USE_ABORTED))


class Desk:
    """Sink of the drivers and ReplayStore of the radio; every method is quick and synchronous."""

    def __init__(self, plans: Mapping[str, MeterPlan], clock: Clock, boot: bytes) -> None:
        self._plans, self._clock, self._boot = plans, clock, boot
        self._refusals = Refusals()
        self._silent: set[int] = set()
        self._watch = ClockWatch()
        self._store_full = False
        self.gauges_refused = False
        self.shed = 0
        self._shed: Counter[int] = Counter()
        self._told_shed_ms = -TELL_SHED_MS
        self.urgent_flush = False
        self.urgent_seal = False
        self.on_urgent: Callable[[], None] = lambda: None
        self.load({}, {}, {})

    def load(
        self,
        channels: Mapping[int, ChannelState],
        machines: Mapping[int, WashState],
        replay: Mapping[str, tuple[int, bytes]],
    ) -> None:
        """Go on from durable states; what was not flushed is forgotten."""
        self.channels, self.machines, self._replay = dict(channels), dict(machines), dict(replay)
        self._held: dict[int, list[WashSample]] = {}
        self._buffer: list[Item] = []
        self._offered: list[Item] = []
        self._dirty: set[int] = set()
        self._dirty_machines: set[int] = set()
        self._dirty_replay: dict[str, tuple[int, bytes]] = {}

    def renumber(self, durable: Mapping[int, ChannelState]) -> None:
        """Go on from the numbers that are used up on the disk; what was read since stays."""
        for number, state in durable.items():
            own = self._state(number)
            self.channels[number] = own._replace(pagination=state.pagination, event=state.event)

    def now(self) -> Moment:
        return self._at(self._clock.uptime_ms(), self._clock.utc_ms())

    def sample(self, s: Sample) -> None:
        """Sink.sample: meter it, step the usage machine, keep the items until the next flush."""
        plan = self._plans.get(s.meter)
        if plan is None:
            return
        at = self._at(s.uptime_ms, s.utc_ms)
        self._correct_clock(at)
        if plan.session is not None:
            self._take_session(plan.session, s, at)
            return
        metered = self._meter(plan, s, at)
        self._silent -= metered.keys()
        self._tell_silent(plan, at, except_for=metered.keys())
        use = None if plan.wash is None else self._step_wash(plan.wash, s, at, metered)
        items: list[Item] = []
        for each in metered.values():
            items += each.events
            if each.reading is not None:
                items.append(each.reading if use is None else each.reading._replace(use=use))
        gauges = [each for each in plan.gauges if each.register in s.values]
        readings = [GaugeReading(each.channel, at, s.values[each.register], use) for each in gauges]
        if self.gauges_refused:
            self._count_shed(readings)
        else:
            items += readings
        self.keep(*items)

    def fault(self, f: Fault) -> None:
        """Sink.fault: what a driver threw away is told; one gap event per silence, after a few missed polls."""
        plan = self._plans.get(f.meter)
        if plan is None:
            return
        at = replace(self.now(), uptime_ms=f.uptime_ms)
        self.keep(*self._refusals.tell(plan, f, at))
        self._tell_silent(plan, at)

    def last(self, address: str) -> tuple[int, bytes] | None:
        """ReplayStore.last."""
        return self._replay.get(address)

    def save(self, address: str, counter: int, digest: bytes) -> None:
        """ReplayStore.save."""
        self._replay[address] = self._dirty_replay[address] = (counter, digest)

    def keep(self, *items: Item) -> None:
        """Hold items until the next flush; the start or end of a use asks for it at once."""
        self._buffer.extend(items)
        for item in items:
            if isinstance(item, Happening) and item.code in USE_CODES:
                self.urgent_flush = True
                self.urgent_seal |= item.code in USE_ENDS
        if len(self._buffer) + len(self._offered) > BUFFER_ITEMS_MAX:
            self._thin()
        if self.urgent_flush:
            self.on_urgent()

    # --- what Core does with it --------------------------------------------------------------------------------

    def forget_held(self) -> None:
        """Samples that machines have not stepped on: where a card goes on from the books, they are of another state."""
        self._held.clear()

    @property
    def held_count(self) -> int:
        """Items that are not durable yet."""
        return len(self._buffer)

    def is_clean(self) -> bool:
        """Nothing to flush."""
        dirty = self._dirty or self._dirty_machines or self._dirty_replay
        return not (self._buffer or self._offered or dirty)

    def unflushed(self) -> Flush:
        """Everything since the last flush; `flushed` forgets it once it is durable."""
        self._offered, self._buffer = [*self._offered, *self._buffer], []
        channels = [self.channels[number] for number in sorted(self._dirty)]
        machines = {number: self.machines[number] for number in sorted(self._dirty_machines)}
        return Flush(self._offered, channels, machines, dict(self._dirty_replay))

    def flushed(self) -> None:
        """What `unflushed` gave is durable; what came after it (while nobody knew that) is not."""
        self._offered = []
        if not self._buffer:
            self._dirty_replay = {}
            self._dirty.clear()
            self._dirty_machines.clear()

    def not_flushed(self) -> None:
        """What `unflushed` gave is surely not durable: it waits with what came after it."""
        self._buffer, self._offered = [*self._offered, *self._buffer], []

    def store_full(self) -> None:
        """Gauges stop; told once. What waits in memory keeps readings and events only."""
        if not self.gauges_refused:
            self.gauges_refused = True
            self._buffer = self.without_gauges(self._buffer)
        if not self._store_full:
            self._store_full = True
            self.keep(Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FULL, reason=Reason.STORE_FULL))

    def store_free(self) -> None:
        """There is room again: told with how many values were not kept, and per channel with a gap."""
        self.gauges_refused = False
        if self._shed and (self._store_full or self._clock.uptime_ms() - self._told_shed_ms >= TELL_SHED_MS):
            self._tell_shed()
        if self._store_full:
            self._store_full = False
            self.keep(Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FREE, total=self.shed))
            self.shed = 0

    def without_gauges(self, items: Sequence[Item]) -> list[Item]:
        """The items that money hangs on; the others are counted as not kept."""
        kept, gauges = _parted(items, lambda item: isinstance(item, GaugeReading))
        self._count_shed(gauges)
        return kept

    # --- steps -------------------------------------------------------------------------------------------------

    def _state(self, channel: int) -> ChannelState:
        return self.channels.get(channel) or ChannelState(channel)

    def _set(self, state: ChannelState) -> None:
        self.channels[state.number] = state
        self._dirty.add(state.number)

    def _meter(self, plan: MeterPlan, s: Sample, at: Moment) -> dict[int, Metered]:
        found: dict[int, Metered] = {}
        for each in plan.counters:
            value = s.values.get(each.register)
            if value is not None:
                metered = meter(self._state(each.channel), each.rule, Seen(at, value, s.serial, s.state))
                self._set(metered.state)
                found[each.channel] = metered
        return found

    def _step_wash(self, plan: WashPlan, s: Sample, at: Moment, metered: Mapping[int, Metered]) -> int | None:
        """The number of the use this sample lies inside; the machine only steps on an energy that is believed. One that
        may be an old value told again (docs/adr/0605) is held until that is known."""
        channel = plan.rule.channel
        before = self.machines.get(channel) or WashState()
        energy, power = metered.get(plan.energy_channel), s.values.get(plan.power)
        if energy is None or energy.reading is None or power is None:
            return before.open_use
        total = plan.energy_scale.milli(energy.reading.total)
        held = self._held.setdefault(channel, [])
        held.append(WashSample(at, max(0, plan.power_scale.milli(power)), total))
        if energy.state.after_break is not None:
            return before.open_use
        after, events = before, list[Happening]()
        for sample in believable(held):
            after, happened = step(after, plan.rule, sample)
            events += happened
        held.clear()
        self.machines[channel] = after
        self._dirty_machines.add(channel)
        if events:
            self._set(self._state(channel)._replace(value=after.count, at=at))
            self.keep(*events)
        return after.open_use or before.open_use

    def _take_session(self, rule: SessionRule, s: Sample, at: Moment) -> None:
        """A session its meter signed is one use; a record that is none is told and changes nothing."""
        from tallystick_edge.usage.session import Replayed, take_session  # as in `plan`: for charge points only

        machine = self.machines.get(rule.channel) or WashState()
        try:
            state, items = take_session(self._state(rule.channel), machine.number + 1, rule, s.raw or b"", at)
        except ProtocolError as error:
            reason = "replayed" if isinstance(error, Replayed) else "bad-frame"
            log.warning("charge point %s: %s", s.meter, error)
            self.fault(Fault(s.meter, s.uptime_ms, reason, str(error)))
            return
        self._set(state)
        self.machines[rule.channel] = replace(machine, number=machine.number + 1)
        self._dirty_machines.add(rule.channel)
        self.keep(*items)

    def _tell_silent(self, plan: MeterPlan, at: Moment, except_for: Collection[int] = ()) -> None:
        """A gap event for each counter that has given no value for a few polls: once, until it gives one again."""
        for each in plan.counters:
            if each.channel in self._silent or each.channel in except_for:
                continue
            found = gap(self._state(each.channel), plan.every_ms, at)
            if found is not None:
                self._silent.add(each.channel)
                self.keep(found)

    def _at(self, uptime_ms: int, utc_ms: int) -> Moment:
        return Moment(self._boot, uptime_ms, utc_ms, self._watch.look(uptime_ms, utc_ms, self._clock.quality()))

    def server_said(self, server_ms: int) -> None:
        """A signed time of the aggregator arrived now."""
        self._watch.server_said(server_ms, self._clock.uptime_ms())
        self._correct_clock(self.now())

    def _correct_clock(self, at: Moment) -> None:
        """When the time is known, one event gives it to everything this boot read without."""
        correction = self._watch.correction(at.quality)
        if correction is not None:
            clock = (at.boot, *correction)
            self.keep(Happening(GATEWAY_CHANNEL, at, EventCode.CLOCK_CORRECTED, clock=clock))

    def _thin(self) -> None:
        """The disk takes nothing for long, or too much comes: gauges go first, then every second reading of a channel;
        totals keep the money, the newest reading and all events stay."""
        self._buffer = self.without_gauges(self._buffer)
        if len(self._buffer) + len(self._offered) > BUFFER_ITEMS_MAX * 3 // 4:
            seen: Counter[int] = Counter()

            def is_spare(item: Item) -> bool:
                seen[item.channel] += isinstance(item, Reading)
                return isinstance(item, Reading) and item.mark is None and seen[item.channel] % 2 == 0

            self._buffer.reverse()  # the newest of a channel is the first that is seen, and stays
            self._buffer, spare = _parted(self._buffer, is_spare)
            self._buffer.reverse()
            self._count_shed(spare)

    def _count_shed(self, items: Sequence[Item]) -> None:
        self.shed += len(items)
        self._shed.update(item.channel for item in items)

    def _tell_shed(self) -> None:
        at = self.now()
        self._told_shed_ms = at.uptime_ms
        for channel in sorted(self._shed):
            state = self._state(channel)
            total = None if state.value is None else state.total
            self.keep(Happening(channel, at, EventCode.GAP, total=total, reason=Reason.STORE_FULL))
        self._shed.clear()


def _parted(items: Sequence[Item], is_out: Callable[[Item], bool]) -> tuple[list[Item], list[Item]]:
    kept: list[Item] = []
    out: list[Item] = []
    for item in items:
        (out if is_out(item) else kept).append(item)
    return kept, out
