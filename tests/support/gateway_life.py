"""The real gateway core living on a recorded disk, what it was told is durable, and whether an image still holds that.
The truth is what was fed to the desk; nothing here believes the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from support.disk import Disk
from support.edge import T0, HandClock, plans
from tallystick_edge.core import Core
from tallystick_edge.errors import JournalError
from tallystick_edge.items import GaugeReading, Item, Reading
from tallystick_edge.journal import Journal
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.parts import uncut
from tallystick_edge.plan import CounterPlan, GaugePlan, MeterPlan
from tallystick_edge.room import StoreLimits
from tallystick_edge.sample import Sample
from tallystick_protocol.batch import LogView, first_prev, open_upload
from tallystick_protocol.codes import MeterState
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import P256Signer, public_key_of
from tallystick_protocol.part import Part

JOURNAL = "journal.sqlite"
FREE = CounterRule(modulus=None, rated_max_per_h=None, every_ms=1_000)
COUNTERS = (21, 22)
GAUGE = 23
STEPS = 90  # things done in one life: some hundreds of disk operations
YEAR_MS = 365 * 86_400_000


def life_plans() -> dict[str, MeterPlan]:
    """A washing machine and a meter with two counters and a gauge."""
    counters = tuple(CounterPlan(each, f"r{each}", FREE) for each in COUNTERS)
    meter = MeterPlan("meter", 1_000, counters, (GaugePlan(GAUGE, "gauge"),), None)
    return {**plans(FREE), "meter": meter}


class SeededEntropy:
    """Random bytes that the seed gives again."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def bytes(self, n: int) -> bytes:
        return self._chance.randbytes(n)


@dataclass(frozen=True, slots=True)
class Acked:
    """What the core had returned from at one moment. `fed`: readings per channel; `seqs`: hash by sequence number."""

    fed: tuple[tuple[int, int], ...] = ()
    seqs: tuple[tuple[int, bytes], ...] = ()
    final: int = 0
    command: int = 0
    log_size: int = 0
    forgotten: int = 0  # batches up to here may be gone


@dataclass
class Life:
    """A gateway at work. `values`: every reading ever fed, by channel, in order; each value is there once."""

    folder: Path
    signer: P256Signer
    chance: Random
    disk: Disk
    adjust: Callable[[Journal], None] = lambda journal: None
    clock: HandClock = field(default_factory=HandClock)
    values: dict[int, list[int]] = field(default_factory=lambda: {1: [], 21: [], 22: [], GAUGE: []})
    acked: Acked = field(default_factory=Acked)
    errors: int = 0

    def start(self) -> None:
        self.core = open_core(self.folder, self.signer, self.clock, self.chance, self.adjust)
        self._power = 2

    def live(self, steps: int = STEPS) -> None:
        """Do `steps` random things, saying into the recording what was acknowledged."""
        for _ in range(steps):
            self.clock.ms += self.chance.randrange(200, 4_000)
            act = self.chance.choices(
                (self._feed, self._flush, self._seal, self._receipt, self._rest), (40, 30, 12, 8, 2)
            )[0]
            try:
                act()
            except JournalError:
                self.errors += 1

    def _feed(self) -> None:
        for _ in range(self.chance.randrange(1, 12)):
            self.clock.ms += 250
            values = {f"r{channel}": self._next(channel) for channel in COUNTERS}
            self._give("meter", values | {"gauge": self._next(GAUGE)})
        if self.chance.random() < 0.2:
            self._power = self.chance.choice((2, 2, 40, 2_000, 0))
        self._give("washer", {"energy": self._next(1), "power": self._power})

    def _next(self, channel: int) -> int:
        found = self.values[channel]
        found.append((found[-1] if found else 1_000) + self.chance.randrange(1, 50))
        return found[-1]

    def _give(self, meter: str, values: dict[str, int]) -> None:
        self.core.desk.sample(Sample(meter, self.clock.ms, T0 + self.clock.ms, values, "4711", MeterState.OK))

    def _flush(self) -> None:
        fed = self._fed()
        self.core.flush()
        self._acknowledge(replace(self.acked, fed=fed))

    def _fed(self) -> tuple[tuple[int, int], ...]:
        return tuple((channel, len(found)) for channel, found in self.values.items())

    def _seal(self) -> None:
        fed = self._fed()
        self.core.seal(heartbeat=self.chance.random() < 0.5)
        known = dict(self.acked.seqs)
        for seq in range(max(known, default=0) + 1, self.core.chain.next_seq):
            digest = self.core.hash_of(1, seq)
            assert digest is not None
            known[seq] = digest
        self._acknowledge(replace(self.acked, fed=fed, seqs=tuple(sorted(known.items()))))

    def _receipt(self) -> None:
        top = self.chance.randrange(self.acked.final, self.core.chain.next_seq)
        if top > self.acked.final:
            self.core.finalise(1, self.acked.final + 1, top, self.chance.randbytes(200), T0 + self.clock.ms)
            self._acknowledge(replace(self.acked, final=top))

    def _rest(self) -> None:
        number = self.acked.command + 1
        self.core.command_taken(number)
        size = self.acked.log_size + 1
        self.core.log_seen(LogView(bytes(4), size, H32(bytes(32))))
        self._acknowledge(replace(self.acked, command=number, log_size=size))
        if self.chance.random() < 0.3:
            self._acknowledge(replace(self.acked, forgotten=self.acked.final))  # may be gone from now on
            self.clock.ms += 3 * YEAR_MS
            self.core.forget_old()

    def _acknowledge(self, acked: Acked) -> None:
        self.acked = acked
        self.disk.mark(acked)


def open_core(
    folder: Path, signer: P256Signer, clock: HandClock, chance: Random, adjust: Callable[[Journal], None]
) -> Core:
    """The agent's own way of opening, and `adjust` for what a test plants."""

    def opened(path: Path, prev: bytes) -> Journal:
        journal = Journal.open(path, prev)
        adjust(journal)
        return journal

    limits = StoreLimits(ballast_bytes=0)  # room is another test's question
    return Core(folder / JOURNAL, signer, life_plans(), clock, SeededEntropy(chance), "test 1", opened, limits)


class Examiner:
    """Looks at images. Batches that were seen before are not checked again: same bytes, same answer."""

    def __init__(self, signer: P256Signer) -> None:
        self._signer = signer
        self._key = public_key_of(signer)
        self._seen: dict[bytes, tuple[bytes, tuple[Item, ...], bytes]] = {}

    def amiss(self, folder: Path, acked: Acked, life: Life) -> str | None:
        """The first thing that is not as it must be, None when all is well."""
        try:
            return self._amiss(folder, acked, life)
        except Exception as error:  # whatever escapes here would have kept a gateway from starting
            return f"{type(error).__name__}: {error}".replace(str(folder), "")

    def _amiss(self, folder: Path, acked: Acked, life: Life) -> str | None:
        clock = HandClock()
        clock.ms = life.clock.ms
        core = open_core(folder, self._signer, clock, Random(0), lambda journal: None)
        try:
            return next(self._findings(core, acked, life), None)
        finally:
            core._journal.close()

    def _findings(self, core: Core, acked: Acked, life: Life) -> Iterator[str]:
        db = core._journal._db
        if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            yield "integrity_check is not ok"
        chain = core.chain
        found, items = dict[int, bytes](), list[Item]()
        prev = first_prev(self._signer.spki)
        first = True
        for seq, upload, status in db.execute("SELECT seq, upload, status FROM batch ORDER BY epoch, seq"):
            digest, inside, before = self._batch(upload)
            if first and seq > 1:
                if seq > acked.forgotten + 1:
                    yield f"batches before {seq} are gone, only up to {acked.forgotten} were forgotten"
            elif before != prev:
                yield f"batch {seq} does not follow the one before it"
            if not first and seq != max(found) + 1:
                yield f"batch {seq} follows {max(found)}"
            found[seq], prev, first = digest, digest, False
            items.extend(inside)
            if seq <= acked.final and status != 1:
                yield f"batch {seq} had a receipt and has none"
        top = max(found, default=0)
        if chain.next_seq != top + 1 and not (first and chain.next_seq <= acked.forgotten + 1):
            yield f"next is {chain.next_seq} after {top}"
        if found and chain.head != prev:
            yield "the head is not the last batch"
        for seq, digest in acked.seqs:
            if seq > acked.forgotten and found.get(seq) != digest:
                yield f"acknowledged batch {seq} is {'another' if seq in found else 'lost'}"
        if chain.next_seq <= max(dict(acked.seqs), default=0):
            yield f"number {chain.next_seq} would be used again"
        yield from _readings(items, core, acked, life)
        if chain.last_command < acked.command:
            yield "an obeyed command would be obeyed again"
        if acked.log_size and (chain.log_view is None or LogView.decode(chain.log_view).size < acked.log_size):
            yield "a checkpoint is forgotten"
        core.seal(heartbeat=True)
        if core.chain.next_seq <= chain.next_seq:
            yield "nothing can be sealed any more"

    def _batch(self, upload: bytes) -> tuple[bytes, tuple[Item, ...], bytes]:
        if upload not in self._seen:
            opened = open_upload(upload)
            opened.unverified.verify(self._key)
            parts = [part for part in opened.parts if isinstance(part, Part)]
            items = uncut(parts, -1)
            self._seen[upload] = (opened.unverified.hash, tuple(items), opened.header.prev)
        return self._seen[upload]


def _readings(items: list[Item], core: Core, acked: Acked, life: Life) -> Iterator[str]:
    """What is there must be the beginning of what was fed, without holes, and reach what was acknowledged."""
    numbers: dict[int, list[int]] = {channel: [] for channel in life.values}
    for item in (*items, *core._pending):
        if isinstance(item, Reading | GaugeReading) and item.channel in numbers:
            numbers[item.channel].append(item.value)
    for channel, count in acked.fed:
        have, truth = numbers[channel], life.values[channel]
        begins = truth.index(have[0]) if have else (0 if not acked.forgotten else count)
        if begins and not acked.forgotten:
            yield f"channel {channel} begins with reading {begins}"
        if have != truth[begins : begins + len(have)]:
            yield f"channel {channel} is not what was read"
        if begins + len(have) < count:
            yield f"channel {channel}: {count - begins - len(have)} acknowledged readings are lost"
