"""The gateway between its drivers and its uplink: samples in, durable sealed batches out, one journal underneath.
It never waits and never sends; after a failed commit it reopens the journal and goes on from what is durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tallystick_protocol import cose
from tallystick_protocol.batch import LogView, first_prev
from tallystick_protocol.codes import EventCode, Reason, TimeQuality
from tallystick_protocol.hello import Hello, State
from tallystick_protocol.ids import H32, gid_from_spki
from tallystick_protocol.keys import Signer

from tallystick_edge.batching import SealContext, seal
from tallystick_edge.errors import JournalError, JournalFull
from tallystick_edge.items import GATEWAY_CHANNEL, GaugeReading, Happening, Item, Moment, Reading
from tallystick_edge.journal import Chain, Flush, Journal, StoredBatch
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import Metered, Seen, meter
from tallystick_edge.metering.refusals import Refusals
from tallystick_edge.metering.silence import gap
from tallystick_edge.plan import MeterPlan, WashPlan
from tallystick_edge.ports import Clock, Entropy
from tallystick_edge.restore import Card, restore
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.usage.wash import WashSample, WashState, step

BOOT_BYTES, NONCE_BYTES = 6, 16
CLOCK_ERROR_MS = 1_000  # what a clock that NTP just set may still be off
EVIDENCE_MS = 2 * 365 * 86_400_000  # sealed batches are kept this long after their receipt (devices.md, "Store")
BUFFER_ITEMS_MAX = 20_000  # about 10 MB in memory: what a full disk may make us hold before readings are shed
SUPERSEDED_MAX = 100_000  # unreceipted batches looked through at a restore: ten weeks at one a minute
T = TypeVar("T")
USE_CODES = frozenset((EventCode.USE_STARTED, EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED))
USE_ENDS = frozenset((EventCode.USE_ENDED, EventCode.USE_ABORTED))


@dataclass(frozen=True, slots=True)
class Known:
    """What enrolment gave: descriptors in force and the log the batches are meant for."""

    descriptors: Mapping[int, H32]
    log_for: bytes | None


class Core:
    """Every method is quick and synchronous; drivers call `sample` and `fault`, tasks call the rest."""

    def __init__(
        self,
        path: Path,
        signer: Signer,
        plans: Mapping[str, MeterPlan],
        clock: Clock,
        entropy: Entropy,
        software: str,
        open_journal: Callable[[Path, bytes], Journal] = Journal.open,
    ) -> None:
        self._path, self._signer, self._plans = path, signer, plans
        self._clock, self._entropy, self._software = clock, entropy, software
        self._open_journal = open_journal
        self.boot = entropy.bytes(BOOT_BYTES)
        self.nonce = entropy.bytes(NONCE_BYTES)
        self._known = Known({}, None)
        self._silent: set[str] = set()
        self._refusals = Refusals()
        self._unset_clock = clock.quality() is TimeQuality.U
        self._full = False
        self.shed = 0
        self.urgent_flush = False
        self.urgent_seal = False
        self.last_seal_ms = clock.utc_ms()
        self.on_change: Callable[[], None] = lambda: None
        self._reopen()

    def _reopen(self) -> None:
        self._journal = self._open_journal(self._path, first_prev(self._signer.spki))
        loaded = self._journal.load()
        self._chain = loaded.chain
        self._channels = dict(loaded.channels)
        self._machines = dict(loaded.machines)
        self._pending = list(loaded.pending)
        self._replay = dict(loaded.replay)
        self._buffer: list[Item] = []
        self._dirty: set[int] = set()
        self._dirty_machines: set[int] = set()
        self._dirty_replay: dict[str, tuple[int, bytes]] = {}

    def enrolled(self, known: Known) -> None:
        """From now on batches name their descriptors and their log."""
        self._known = known

    def now(self) -> Moment:
        return Moment(self.boot, self._clock.uptime_ms(), self._clock.utc_ms(), self._clock.quality())

    # --- drivers -----------------------------------------------------------------------------------------------

    def sample(self, s: Sample) -> None:
        """Sink.sample: meter it, step the usage machine, keep the items until the next flush."""
        plan = self._plans.get(s.meter)
        if plan is None:
            return
        self._silent.discard(s.meter)
        at = Moment(self.boot, s.uptime_ms, s.utc_ms, self._clock.quality())
        self._correct_clock(at)
        metered = {
            each.channel: self._meter(each.channel, meter(self._state(each.channel), each.rule, seen))
            for each in plan.counters
            if (value := s.values.get(each.register)) is not None
            and (seen := Seen(at, value, s.serial, s.state)) is not None
        }
        use = self._step_wash(plan.wash, s, at, metered) if plan.wash is not None else None
        for each in metered.values():
            self._keep(*each.events)
            if each.reading is not None:
                self._keep(replace(each.reading, use=use))
        self._keep(
            *(
                GaugeReading(each.channel, at, s.values[each.register], use)
                for each in plan.gauges
                if each.register in s.values
            )
        )

    def fault(self, f: Fault) -> None:
        """Sink.fault: what a driver threw away is told; one gap event per silence, after a few missed polls."""
        plan = self._plans.get(f.meter)
        if plan is None:
            return
        at = replace(self.now(), uptime_ms=f.uptime_ms)
        self._keep(*self._refusals.tell(plan, f, at))
        if f.meter in self._silent:
            return
        gaps = [found for each in plan.counters if (found := gap(self._state(each.channel), plan.every_ms, at))]
        if gaps:
            self._silent.add(f.meter)
            self._keep(*gaps)

    def _correct_clock(self, at: Moment) -> None:
        """When the time becomes trusted, one event gives time to everything this boot read before."""
        if self._unset_clock and at.quality is not TimeQuality.U:
            self._unset_clock = False
            clock = (at.boot, at.utc_ms - at.uptime_ms, CLOCK_ERROR_MS)
            self._keep(Happening(GATEWAY_CHANNEL, at, EventCode.CLOCK_CORRECTED, clock=clock))

    def last(self, address: str) -> tuple[int, bytes] | None:
        """ReplayStore.last."""
        return self._replay.get(address)

    def save(self, address: str, counter: int, digest: bytes) -> None:
        """ReplayStore.save."""
        self._replay[address] = self._dirty_replay[address] = (counter, digest)

    def _state(self, channel: int) -> ChannelState:
        return self._channels.get(channel) or ChannelState(channel)

    def _meter(self, channel: int, metered: Metered) -> Metered:
        self._channels[channel] = metered.state
        self._dirty.add(channel)
        return metered

    def _step_wash(self, plan: WashPlan, s: Sample, at: Moment, metered: Mapping[int, Metered]) -> int | None:
        """The number of the use this sample lies inside; the machine only steps on an energy that is believed."""
        before = self._machines.get(plan.rule.channel) or WashState()
        energy = metered.get(plan.energy_channel)
        power = s.values.get(plan.power)
        if energy is None or energy.reading is None or power is None:
            return before.open_use
        total = plan.energy_scale.milli(energy.reading.total)
        after, events = step(before, plan.rule, WashSample(at, max(0, plan.power_scale.milli(power)), total))
        self._machines[plan.rule.channel] = after
        self._dirty_machines.add(plan.rule.channel)
        if events:
            cycles = replace(self._state(plan.rule.channel), value=after.count, at=at, use=after.number)
            self._channels[plan.rule.channel] = cycles
            self._dirty.add(plan.rule.channel)
            self._keep(*events)
        return after.open_use or before.open_use

    def _keep(self, *items: Item) -> None:
        self._buffer.extend(items)
        for item in items:
            if isinstance(item, Happening) and item.code in USE_CODES:
                self.urgent_flush = True
                self.urgent_seal |= item.code in USE_ENDS
        if len(self._buffer) > BUFFER_ITEMS_MAX:
            self._shed()
        if self.urgent_flush:
            self.on_change()

    def _shed(self) -> None:
        """The disk is full for long: gauges go first, then every second reading; totals keep the money, events stay."""
        kept: list[Item] = [item for item in self._buffer if not isinstance(item, GaugeReading)]
        if len(kept) > BUFFER_ITEMS_MAX * 3 // 4:
            kept = [each for index, each in enumerate(kept) if index % 2 or not isinstance(each, Reading)]
        self.shed += len(self._buffer) - len(kept)
        self._buffer = kept

    # --- durable -----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Group commit. JournalFull: everything stays in memory. JournalError: the journal was opened anew."""
        self.urgent_flush = False
        if not (self._buffer or self._dirty or self._dirty_machines or self._dirty_replay):
            return
        items = self._full_or_free(self._buffer)
        flush = Flush(
            items,
            [self._channels[number] for number in sorted(self._dirty)],
            {number: self._machines[number] for number in sorted(self._dirty_machines)},
            self._dirty_replay,
        )
        self._write(lambda: self._journal.flush(flush))
        self._pending.extend(items)
        self._buffer, self._dirty_replay = [], {}
        self._dirty.clear()
        self._dirty_machines.clear()
        self._full = False

    def _full_or_free(self, items: list[Item]) -> list[Item]:
        if not self._full:
            return items
        return [*items, Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FREE)]

    def _write(self, write: Callable[[], T]) -> T:
        try:
            return write()
        except JournalFull:
            if not self._full:
                self._full = True
                told = Happening(GATEWAY_CHANNEL, self.now(), EventCode.STORE_FULL, reason=Reason.STORE_FULL)
                self._buffer.append(told)
            raise
        except JournalError:
            self._journal.close()  # after a failed commit nothing in memory is known to be on the disk
            self._reopen()
            raise

    def seal(self, heartbeat: bool = False) -> int:
        """Seal what is durable; with `heartbeat` an empty batch when there is nothing. Returns how many batches."""
        self.flush()
        self.urgent_seal = False
        if not self._pending and not heartbeat:
            return 0
        view = self._chain.log_view
        context = SealContext(
            self._signer,
            self.now(),
            self._software,
            self._entropy.bytes,
            self._known.descriptors,
            None if view is None else LogView.decode(view),
            self._known.log_for,
        )
        sealing = seal(self._pending, self._channels, self._chain, context)
        self._write(lambda: self._journal.seal(sealing.batches, list(sealing.channels.values()), sealing.chain))
        self._chain = sealing.chain
        self._channels.update(sealing.channels)
        self._pending = []
        self.last_seal_ms = context.now.utc_ms
        self.on_change()
        return len(sealing.batches)

    @property
    def has_pending(self) -> bool:
        return bool(self._pending or self._buffer)

    def close(self) -> None:
        """Flush, seal and close: a clean end leaves nothing in memory."""
        try:
            self.seal()
        finally:
            self._journal.close()

    # --- uplink ------------------------------------------------------------------------------------------------

    @property
    def chain(self) -> Chain:
        return self._chain

    def hello(self) -> bytes:
        """The signed Hello of this boot."""
        hello = Hello(
            gid=gid_from_spki(self._signer.spki),
            epoch=self._chain.epoch,
            last_seq=self._chain.next_seq - 1,
            last_hash=H32(self._chain.head),
            boot=self.boot,
            versions=(1,),
            software=self._software,
            nonce=self.nonce,
            last_cmd_seq=self._chain.last_command,
        )
        return cose.sign(self._signer, cose.ContentType.HELLO, hello.encode())

    def waiting(self, count_max: int) -> list[StoredBatch]:
        return self._journal.waiting(count_max)

    def waiting_count(self) -> int:
        return self._journal.waiting_count()

    def upload(self, epoch: int, seq: int) -> bytes:
        return self._journal.upload(epoch, seq)

    def hash_of(self, epoch: int, seq: int) -> bytes | None:
        return self._journal.hash_of(epoch, seq)

    def finalise(self, epoch: int, from_seq: int, to_seq: int, receipt: bytes) -> int:
        return self._write(lambda: self._journal.finalise(epoch, from_seq, to_seq, receipt))

    def reopen_batches(self, epoch: int, from_seq: int) -> int:
        return self._write(lambda: self._journal.reopen(epoch, from_seq))

    def forget_old(self) -> int:
        """Drop evidence beyond its age; returns how many batches."""
        return self._write(lambda: self._journal.forget(self._clock.utc_ms() - EVIDENCE_MS))

    def begin_epoch(self, state: State, forked: bool) -> None:
        """Go on from the books: nothing this card holds is thrown away, nothing billed is billed again."""
        self.flush()
        uploads = [self.upload(each.epoch, each.seq) for each in self.waiting(SUPERSEDED_MAX)]
        rules = {plan.wash.rule.channel: plan.wash.rule for plan in self._plans.values() if plan.wash is not None}
        card = Card(self._chain, self._pending, uploads, self._channels, self._machines, rules)
        last = self._journal.last_final()
        common = first_prev(self._signer.spki) if last is None else last.hash
        if self._journal.has_hash(state.head):
            common = state.head
        restored = restore(card, state, common, forked, self.now())
        channels = list(restored.channels.values())
        self._write(lambda: self._journal.start_epoch(restored.chain, restored.items, channels, restored.machines))
        self._chain = restored.chain
        self._channels, self._machines = dict(restored.channels), dict(restored.machines)
        self._pending = list(restored.items)
        self.seal()

    def log_seen(self, view: LogView) -> None:
        """Remember a checkpoint larger than the last one; batches echo it."""
        old = self._chain.log_view
        if old is not None and LogView.decode(old).size >= view.size:
            return
        data = view.encode()
        self._write(lambda: self._journal.save_log_view(data))
        self._chain = replace(self._chain, log_view=data)

    def command_taken(self, number: int) -> None:
        """Durable before the command's effect."""
        self._write(lambda: self._journal.command_taken(number))
        self._chain = replace(self._chain, last_command=number)

    def tell(self, event: Happening) -> None:
        """An event of the gateway itself."""
        self._keep(event)
