"""A disk that somebody fills: telemetry stops first, proofs last, and all comes back by itself when there is room.
The limit stands where SQLite writes (a VFS answers "full" as for ENOSPC), so that it needs no mount and no root."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.disk import FULL, OK, Disk, Kind, Op, disk_under
from support.edge import T0, CountedEntropy, HandClock
from support.gateway_life import GAUGE, JOURNAL, life_plans
from tallystick_edge import journal_rows
from tallystick_edge.core import Core
from tallystick_edge.errors import JournalFull
from tallystick_edge.room import KEEP_MS, TRY_AGAIN_MS, StoreLimits
from tallystick_edge.sample import Sample
from tallystick_protocol.batch import open_upload
from tallystick_protocol.codes import EventCode, MeterState, Reason
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.part import Event, Part

MIB = 1024 * 1024
CAPACITY = 40 * MIB


@dataclass
class Card:
    """A disk of `CAPACITY` on which `others` bytes are somebody else's."""

    folder: Path
    others: int = 0

    def free(self, folder: Path) -> int:
        used = sum(each.stat().st_size for each in self.folder.iterdir())
        return max(0, CAPACITY - self.others - used)

    def fails(self, op: Op) -> int:
        if op.kind is not Kind.WRITE:
            return OK
        path = self.folder / op.file
        grows = op.offset + len(op.data) - (path.stat().st_size if path.exists() else 0)
        return FULL if grows > 0 and grows > self.free(self.folder) else OK


class Gateway:
    """A core that a test feeds, on that card."""

    def __init__(self, folder: Path, limits: StoreLimits) -> None:
        self.clock, self.value, self.shift = HandClock(), 0, 0
        signer = P256Signer.generate()
        self.core = Core(folder / JOURNAL, signer, life_plans(), self.clock, CountedEntropy(), "test 1", limits=limits)

    def feed(self, count: int) -> None:
        for _ in range(count):
            self.clock.ms += 1_000
            self.value += 1
            values = {"r21": self.value, "r22": self.value << self.shift, "gauge": (self.value % 13) << self.shift}
            self.core.desk.sample(Sample("meter", self.clock.ms, T0 + self.clock.ms, values, "4711", MeterState.OK))

    def parts(self) -> list[Part]:
        uploads = [self.core.upload(each) for each in self.core.waiting(100_000)]
        return [part for data in uploads if data for part in open_upload(data).parts if isinstance(part, Part)]

    def totals(self, channel: int) -> list[int]:
        segments = [each for part in self.parts() if part.channel == channel for each in part.segments]
        return [reading.total for segment in segments for reading in segment.readings()]

    def gauges(self) -> int:
        return sum(len(list(each.values())) for part in self.parts() for each in part.gauges)

    def events(self, channel: int) -> list[Event]:
        return [each for part in self.parts() if part.channel == channel for each in part.events]


@pytest.fixture
def card() -> Iterator[Card]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tallystick-", dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        found = Card(folder)
        with disk_under(folder, Disk(folder, fails=found.fails)):
            yield found


def test_a_disk_that_others_fill_stops_gauges_then_waits_and_comes_back_by_itself(card: Card) -> None:
    gateway = Gateway(card.folder, StoreLimits(free=card.free))
    gateway.feed(20)
    gateway.core.seal()
    assert (card.folder / "ballast").exists()

    card.others = CAPACITY  # others fill it to the last byte; the ballast is what they cannot have
    card.others -= sum(each.stat().st_size for each in card.folder.iterdir())
    assert card.free(card.folder) == 0
    gateway.feed(30)
    gateway.core.seal()  # proofs go on in the room that the ballast held
    assert not (card.folder / "ballast").exists()
    assert gateway.gauges() <= 20
    assert gateway.totals(21) == list(range(1, 51))
    assert gateway.core.finalise(1, 1, 1, b"receipt", T0) == 1  # deletes and receipts find room as well

    card.others = CAPACITY
    gateway.feed(40)
    with pytest.raises(JournalFull):
        gateway.core.flush()
    with pytest.raises(JournalFull):
        gateway.core.flush()

    card.others = 0
    gateway.core.flush()  # what the agent does each second
    gateway.core.flush()
    gateway.feed(10)
    gateway.core.seal()
    assert (card.folder / "ballast").exists()
    assert gateway.totals(21)[-50:] == list(range(51, 101))
    codes = [event.code for event in gateway.events(0)]
    assert codes == [EventCode.STORE_FULL, EventCode.STORE_FREE]
    assert gateway.events(0)[1].total == 70  # gauge values that were not kept
    assert [(e.code, e.reason) for e in gateway.events(GAUGE)] == [(EventCode.GAP, Reason.STORE_FULL)]
    assert gateway.gauges() == 10
    gateway.core.close()


def test_a_full_disk_is_not_offered_all_that_waits_every_second(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding takes what waits as a whole, and after hours that is much; the disk is asked how full it is instead."""
    gateway = Gateway(card.folder, StoreLimits(free=card.free, ballast_bytes=0))
    gateway.feed(20)
    gateway.core.seal()
    encoded: list[int] = []
    real = journal_rows.encode_items
    monkeypatch.setattr(journal_rows, "encode_items", lambda items: encoded.append(len(items)) or real(items))

    card.others = CAPACITY
    refused = 0
    for _ in range(600):
        gateway.feed(1)
        try:
            gateway.core.flush()
        except JournalFull:
            refused += 1
    assert refused > 500
    assert len(encoded) <= 2 * (600_000 // TRY_AGAIN_MS + 30)  # not 600 times; each try is made twice

    tried = len(encoded)
    card.others = 0
    gateway.feed(1)
    gateway.core.flush()  # at the next second, not after a pause
    assert len(encoded) == tried + 1
    gateway.core.seal()
    assert gateway.totals(21)[-1] == gateway.value
    assert gateway.totals(21) == list(range(1, gateway.value + 1))

    card.others = CAPACITY
    for _ in range(60):
        gateway.feed(1)
        with suppress(JournalFull):
            gateway.core.flush()
    tried = len(encoded)
    with suppress(JournalFull):
        gateway.core.close()
    assert len(encoded) > tried, "a clean end tries whatever the signs are"


def test_a_disk_that_gives_no_sign_is_tried_again_within_a_minute(card: Card) -> None:
    """`statvfs` says the same before and after: a quota, a file system that counts in its own way."""
    gateway = Gateway(card.folder, StoreLimits(free=lambda folder: CAPACITY, ballast_bytes=0))
    gateway.feed(5)
    gateway.core.seal()
    card.others = CAPACITY
    gateway.feed(200)
    with pytest.raises(JournalFull):
        gateway.core.flush()
    card.others = 0
    waited = 0
    while gateway.core.desk.held_count:
        gateway.feed(1)
        waited += 1
        with suppress(JournalFull):
            gateway.core.flush()
    assert 1 < waited <= 60
    gateway.core.close()


def test_at_its_own_limit_the_store_drops_receipted_evidence_first_and_never_what_waits(card: Card) -> None:
    limit = MIB // 2
    gateway = Gateway(card.folder, StoreLimits(bytes_max=limit, free=card.free))
    gateway.shift, sealed = 45, 0  # large steps fill a small store
    while sealed < 300 and not gateway.core.desk.gauges_refused:
        gateway.feed(150)
        sealed += gateway.core.seal()
        if sealed <= 10:
            gateway.core.finalise(1, 1, sealed, b"receipt", T0 + sealed)
    waits = [each.seq for each in gateway.core.waiting(10_000)]
    assert waits == list(range(11, sealed + 1))
    seqs = [seq for (seq,) in gateway.core._opened()._db.execute("SELECT seq FROM batch ORDER BY seq")]
    assert seqs == [10, *waits]  # the newest receipted one stays, a new epoch would begin on it
    full = False
    for _ in range(200):
        gateway.feed(60)
        try:
            gateway.core.seal()
        except JournalFull:
            full = True
            break
    assert full
    assert gateway.events(0)[-1].code is EventCode.STORE_FULL
    assert (card.folder / JOURNAL).stat().st_size <= limit
    gateway.core.finalise(1, 11, gateway.core.chain.next_seq - 1, b"receipt", T0 + 9)
    gateway.core.seal()
    gateway.feed(1)
    gateway.core.seal()
    assert [event.code for event in gateway.events(0)][-1] is EventCode.STORE_FREE
    assert gateway.totals(21)[-1] == gateway.value
    gateway.core.close()


def test_evidence_goes_two_years_after_its_receipt_by_the_aggregators_clock(card: Card) -> None:
    gateway = Gateway(card.folder, StoreLimits(free=card.free))
    for _ in range(3):
        gateway.feed(5)
        gateway.core.seal()
    gateway.core.finalise(1, 1, 1, b"first", T0)
    gateway.clock.ms += 50 * KEEP_MS  # the gateway's own clock proves nothing
    assert gateway.core.forget_old() == 0
    gateway.core.finalise(1, 2, 2, b"second", T0 + KEEP_MS + 1)
    assert gateway.core.forget_old() == 1
    assert gateway.core.forget_old() == 0
    assert [each.seq for each in gateway.core.waiting(8)] == [3]
    gateway.core.close()
