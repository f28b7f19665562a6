"""The gateway's core: a full disk, refused values, a clock that is set late, and what survives all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.edge import CountedEntropy, HandClock, plans, sample
from tallystick_edge import desk as desk_module
from tallystick_edge.core import Core, Known, lost_spans
from tallystick_edge.errors import JournalError, JournalFull
from tallystick_edge.identity import load_identity
from tallystick_edge.journal import StoredBatch
from tallystick_edge.room import TRY_AGAIN_MS
from tallystick_edge.sample import Fault
from tallystick_protocol.batch import LogView, open_upload
from tallystick_protocol.checkpoint import later_log_id
from tallystick_protocol.codes import EventCode, Reason, TimeQuality
from tallystick_protocol.ids import H32
from tallystick_protocol.part import Event, Part


class LateClock(HandClock):
    """A clock that is set when the test says so."""

    trusted = False

    def quality(self) -> TimeQuality:
        return TimeQuality.S if self.trusted else TimeQuality.U


@dataclass
class Gateway:
    """A core on a real journal."""

    core: Core
    clock: LateClock

    def read(self, ms: int, energy_wh: int, power_w: int = 2, serial: str | None = "4711") -> None:
        self.clock.ms = ms
        self.core.desk.sample(sample(ms, energy_wh, power_w, serial))

    def parts(self) -> list[Part]:
        uploads = [self.core.upload(each) for each in self.core.waiting(100)]
        return [part for data in uploads if data for part in open_upload(data).parts if isinstance(part, Part)]

    def events(self, channel: int) -> list[Event]:
        return [event for part in self.parts() if part.channel == channel for event in part.events]

    def totals(self) -> list[int]:
        segments = [segment for part in self.parts() if part.channel == 1 for segment in part.segments]
        return [each.total for segment in segments for each in segment.readings()]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    clock = LateClock()
    signer = load_identity(tmp_path).signer
    core = Core(tmp_path / "journal.sqlite", signer, plans(), clock, CountedEntropy(), "test 1")
    yield Gateway(core, clock)
    core._journal.close()


def limit_pages(gateway: Gateway, more: int) -> None:
    db = gateway.core._journal._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_keeps_readings_in_memory_and_says_so_when_it_is_over(gateway: Gateway) -> None:
    gateway.read(0, 1_000)
    gateway.core.flush()
    limit_pages(gateway, 0)
    for index in range(1, 3_000):
        gateway.read(index * 5_000, 1_000 + index, serial=None)
    with pytest.raises(JournalFull):
        gateway.core.flush()
    with pytest.raises(JournalFull):
        gateway.core.flush()
    limit_pages(gateway, 10_000)
    gateway.clock.ms += TRY_AGAIN_MS  # nothing that is looked at says that there is room again
    gateway.core.flush()
    gateway.core.seal()
    assert len(gateway.totals()) > 2_900
    assert [event.code for event in gateway.events(0)] == [EventCode.STORE_FULL, EventCode.STORE_FREE]


def test_when_memory_is_full_too_readings_are_thinned_and_events_and_the_last_total_stay(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "BUFFER_ITEMS_MAX", 100)
    gateway.read(0, 1_000)
    gateway.read(5_000, 3)  # set aside: an event
    for index in range(2, 1_000):
        gateway.read(index * 5_000, 1_000 + index)
    gateway.core.seal()
    assert gateway.core.desk.shed > 800
    assert gateway.totals()[-1] == 1_999
    told = [(event.code, event.reason) for event in gateway.events(1)]
    assert told == [(EventCode.QUARANTINED, Reason.FELL), (EventCode.GAP, Reason.STORE_FULL)]


def test_what_a_driver_threw_away_is_told_once_a_minute(gateway: Gateway) -> None:
    gateway.read(0, 1_000)
    for ms in (1_000, 2_000, 61_000):
        gateway.clock.ms = ms
        gateway.core.desk.fault(Fault("washer", ms, "late-answer", "unit 11 answered late"))
    gateway.core.desk.fault(Fault("washer", 62_000, "replayed", "counter 5 again"))
    gateway.core.seal()
    told = [event.reason for event in gateway.events(1) if event.code is EventCode.QUARANTINED]
    assert told == [Reason.STALE, Reason.STALE, Reason.REPLAYED]


def test_a_silent_meter_has_one_gap_and_the_next_reading_ends_it(gateway: Gateway) -> None:
    gateway.read(0, 1_000)
    for ms in range(5_000, 100_000, 5_000):
        gateway.clock.ms = ms
        gateway.core.desk.fault(Fault("washer", ms, "timeout", "no answer"))
    gateway.read(100_000, 1_010)
    for ms in range(105_000, 200_000, 5_000):
        gateway.clock.ms = ms
        gateway.core.desk.fault(Fault("washer", ms, "timeout", "no answer"))
    gateway.core.seal()
    assert [event.code for event in gateway.events(1)] == [EventCode.GAP, EventCode.GAP]
    assert gateway.totals() == [1_000, 1_010]


def test_a_clock_that_is_set_late_gives_its_boot_the_time_once(gateway: Gateway) -> None:
    gateway.read(0, 1_000)
    gateway.clock.trusted = True
    gateway.read(5_000, 1_001)
    gateway.read(10_000, 1_002)
    gateway.core.seal()
    [event] = gateway.events(0)
    assert event.code is EventCode.CLOCK_CORRECTED
    assert event.clock is not None
    assert (event.clock.boot, event.clock.offset_ms) == (gateway.core.boot, gateway.clock.utc_ms() - 10_000)
    qualities = [s.quality for p in gateway.parts() if p.channel == 1 for s in p.segments]
    assert qualities == [((0, 0), (1, 2))]


def test_a_sample_of_a_meter_nobody_configured_changes_nothing(gateway: Gateway) -> None:
    from dataclasses import replace

    gateway.core.desk.sample(replace(sample(0, 1, 1), meter="stranger"))
    assert gateway.core.desk.is_clean()


def test_a_start_of_a_use_asks_for_the_disk_and_its_end_for_a_seal(gateway: Gateway) -> None:
    gateway.read(0, 1_000)
    assert not gateway.core.desk.urgent_flush
    gateway.read(5_000, 1_000, power_w=40)
    assert gateway.core.desk.urgent_flush
    assert not gateway.core.desk.urgent_seal
    gateway.core.flush()
    for index in range(2, 30):
        gateway.read(index * 5_000, 1_000, power_w=0)
    assert gateway.core.desk.urgent_seal


def test_a_heartbeat_is_sealed_only_when_asked_for(gateway: Gateway) -> None:
    assert gateway.core.seal() == 0
    assert gateway.core.seal(heartbeat=True) == 1


def test_after_a_failed_commit_the_gateway_goes_on_from_what_is_durable(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.read(0, 1_000)
    gateway.core.flush()
    gateway.read(5_000, 1_001)
    with monkeypatch.context() as patch:
        patch.setattr(type(gateway.core._journal), "flush", _fails)
        with pytest.raises(JournalError):
            gateway.core.flush()
    assert gateway.core._pending[-1].at.uptime_ms == 0
    gateway.read(10_000, 1_002)
    gateway.core.seal()
    assert gateway.totals() == [1_000, 1_001, 1_002]


def _fails(*_: object) -> None:
    raise JournalError("disk I/O error")


def test_lost_batches_are_declared_in_spans() -> None:
    batches = [StoredBatch(1, seq, seq.to_bytes(32, "big")) for seq in (2, 3, 5)]
    spans = [(each.from_seq, each.to_seq, each.hash[-1]) for each in lost_spans(batches)]
    assert spans == [(2, 3, 3), (5, 5, 5)]


def test_a_later_epoch_of_the_log_counts_more_than_a_larger_size(gateway: Gateway) -> None:
    """After the log was set back the gateway echoes the smaller one, and never again the one that was left."""
    first = b"\xff\xff\xff\xf0"
    gateway.core.enrolled(Known({}, first))
    for epoch, size, kept in [(0, 100, True), (0, 90, False), (1_796_000_000, 50, True), (0, 200, False)]:
        view = LogView(later_log_id(first, epoch), size, H32(bytes([size]) * 32))
        before = gateway.core.chain.log_view
        gateway.core.log_seen(view)
        assert gateway.core.chain.log_view == (view.encode() if kept else before)
