"""Where samples become items: metering, usage machines and quarantine, in memory, between two flushes.
It opens no file; `Core` makes its items durable and gives it back the states after a restart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from tallystick_protocol.codes import EventCode, Reason, TimeQuality

from tallystick_edge.items import GATEWAY_CHANNEL, GaugeReading, Happening, Item, Moment, Reading
from tallystick_edge.journal import Flush
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import Metered, Seen, meter
from tallystick_edge.metering.refusals import Refusals
from tallystick_edge.metering.silence import gap
from tallystick_edge.plan import MeterPlan, WashPlan
from tallystick_edge.ports import Clock
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.usage.wash import WashSample, WashState, step

CLOCK_ERROR_MS = 1_000  # what a clock that NTP just set may still be off
BUFFER_ITEMS_MAX = 20_000  # about 10 MB in memory: what a full disk may make us hold before readings are shed
USE_CODES = frozenset((EventCode.USE_STARTED, EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED))
USE_ENDS = frozenset((EventCode.USE_ENDED, EventCode.USE_ABORTED))


class Desk:
    """Sink of the drivers and ReplayStore of the radio; every method is quick and synchronous."""

    def __init__(self, plans: Mapping[str, MeterPlan], clock: Clock, boot: bytes) -> None:
        self._plans, self._clock, self._boot = plans, clock, boot
        self._refusals = Refusals()
        self._silent: set[int] = set()
        self._unset_clock = clock.quality() is TimeQuality.U
        self._full = False
        self.shed = 0
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
        """Go on from durable states; what was not flushed is forgotten, because nobody knows what became of it."""
        self.channels, self.machines, self._replay = dict(channels), dict(machines), dict(replay)
        self._buffer: list[Item] = []
        self._dirty: set[int] = set()
        self._dirty_machines: set[int] = set()
        self._dirty_replay: dict[str, tuple[int, bytes]] = {}

    def now(self) -> Moment:
        return Moment(self._boot, self._clock.uptime_ms(), self._clock.utc_ms(), self._clock.quality())

    def sample(self, s: Sample) -> None:
        """Sink.sample: meter it, step the usage machine, keep the items until the next flush."""
        plan = self._plans.get(s.meter)
        if plan is None:
            return
        at = Moment(self._boot, s.uptime_ms, s.utc_ms, self._clock.quality())
        self._correct_clock(at)
        metered = self._meter(plan, s, at)
        self._silent -= metered.keys()
        self._tell_silent(plan, at, except_for=metered.keys())
        use = None if plan.wash is None else self._step_wash(plan.wash, s, at, metered)
        for each in metered.values():
            self.keep(*each.events)
            if each.reading is not None:
                self.keep(replace(each.reading, use=use))
        gauges = [each for each in plan.gauges if each.register in s.values]
        self.keep(*(GaugeReading(each.channel, at, s.values[each.register], use) for each in gauges))

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
        if len(self._buffer) > BUFFER_ITEMS_MAX:
            self._shed()
        if self.urgent_flush:
            self.on_urgent()

    # --- what Core does with it --------------------------------------------------------------------------------

    def is_clean(self) -> bool:
        """Nothing to flush."""
        return not (self._buffer or self._dirty or self._dirty_machines or self._dirty_replay)

    def unflushed(self) -> Flush:
        """Everything since the last flush; `flushed` forgets it once it is durable."""
        items = list(self._buffer)
        if self._full:
            items.append(Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FREE))
        channels = [self.channels[number] for number in sorted(self._dirty)]
        machines = {number: self.machines[number] for number in sorted(self._dirty_machines)}
        return Flush(items, channels, machines, dict(self._dirty_replay))

    def flushed(self) -> None:
        self._buffer, self._dirty_replay = [], {}
        self._dirty.clear()
        self._dirty_machines.clear()
        self._full = False

    def store_full(self) -> None:
        """Told once per full disk; the event becomes durable when there is room again."""
        if not self._full:
            self._full = True
            self.keep(Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FULL, reason=Reason.STORE_FULL))

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
        """The number of the use this sample lies inside; the machine only steps on an energy that is believed."""
        channel = plan.rule.channel
        before = self.machines.get(channel) or WashState()
        energy, power = metered.get(plan.energy_channel), s.values.get(plan.power)
        if energy is None or energy.reading is None or power is None:
            return before.open_use
        total = plan.energy_scale.milli(energy.reading.total)
        after, events = step(before, plan.rule, WashSample(at, max(0, plan.power_scale.milli(power)), total))
        self.machines[channel] = after
        self._dirty_machines.add(channel)
        if events:
            self._set(replace(self._state(channel), value=after.count, at=at))
            self.keep(*events)
        return after.open_use or before.open_use

    def _tell_silent(self, plan: MeterPlan, at: Moment, except_for: Collection[int] = ()) -> None:
        """A gap event for each counter that has given no value for a few polls: once, until it gives one again."""
        for each in plan.counters:
            if each.channel in self._silent or each.channel in except_for:
                continue
            found = gap(self._state(each.channel), plan.every_ms, at)
            if found is not None:
                self._silent.add(each.channel)
                self.keep(found)

    def _correct_clock(self, at: Moment) -> None:
        """When the time becomes trusted, one event gives time to everything this boot read before."""
        if self._unset_clock and at.quality is not TimeQuality.U:
            self._unset_clock = False
            clock = (at.boot, at.utc_ms - at.uptime_ms, CLOCK_ERROR_MS)
            self.keep(Happening(GATEWAY_CHANNEL, at, EventCode.CLOCK_CORRECTED, clock=clock))

    def _shed(self) -> None:
        """The disk is full for long: gauges go first, then every second reading; totals keep the money, events stay."""
        kept: list[Item] = [item for item in self._buffer if not isinstance(item, GaugeReading)]
        if len(kept) > BUFFER_ITEMS_MAX * 3 // 4:
            kept = [each for index, each in enumerate(kept) if index % 2 or not isinstance(each, Reading)]
        self.shed += len(self._buffer) - len(kept)
        self._buffer = kept
