"""The journal: what returned is there after a restart, all of a flush or nothing, and clear refusals."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.edge import moment
from tallystick_edge.errors import InvariantError, JournalError, JournalFull
from tallystick_edge.items import GaugeReading, Happening, Reading
from tallystick_edge.journal import Chain, Flush, Journal, SealedBatch
from tallystick_edge.metering.channel import ChannelState, Suspect
from tallystick_edge.usage.wash import Phase, WashState
from tallystick_protocol.codes import EventCode, MeterState, Reason

PREV = bytes(range(32))
READING = Reading(1, moment(5_000), 0, -5, 105, MeterState.OK, "4711", Reason.BEGIN, 7)
GAUGE = GaugeReading(2, moment(6_000), -40)
EVENT = Happening(
    11,
    moment(7_000),
    EventCode.EXCHANGE,
    total=3,
    use=1,
    programme="30",
    samples_hash=bytes(32),
    reason=Reason.STALE,
    exchange=("A", 5, None, 0),
    ref=bytes(32),
    clock=(b"boot-1", 5, 6),
    personal=True,
    number=9,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def batch(seq: int, epoch: int = 1, size: int = 100) -> SealedBatch:
    return SealedBatch(epoch, seq, seq.to_bytes(32, "big"), 1_000 + seq, bytes(size))


def test_a_flush_is_there_after_opening_again(path: Path) -> None:
    journal = Journal.open(path, PREV)
    channel = ChannelState(1, 0, -5, 105, moment(5_000), "4711", 3, 2)
    machine = WashState(Phase.RUNNING, 3, 4)
    journal.flush(Flush([READING, GAUGE, EVENT], [channel], {11: machine}, {"AA": (5, bytes(32))}))
    journal.close()
    loaded = Journal.open(path, PREV).load()
    assert loaded.pending == [READING, GAUGE, EVENT]
    assert loaded.channels == {1: channel}
    assert loaded.machines == {11: machine}
    assert loaded.replay == {"AA": (5, bytes(32))}


def test_a_new_journal_chains_from_the_key(path: Path) -> None:
    assert Journal.open(path, PREV).load().chain == Chain(1, 1, PREV)


def test_synchronous_is_full_and_the_log_is_a_wal(path: Path) -> None:
    journal = Journal.open(path, PREV)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_seal_replaces_what_was_pending(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.flush(Flush([READING]))
    journal.seal([batch(1)], [ChannelState(1, pagination=1)], Chain(1, 2, bytes(32)))
    loaded = journal.load()
    assert loaded.pending == []
    assert loaded.chain == Chain(1, 2, bytes(32))
    assert [each.seq for each in journal.waiting(8)] == [1]
    assert journal.upload(1, 1) == bytes(100)


def test_a_number_that_is_taken_undoes_the_whole_seal(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.flush(Flush([READING]))
    journal.seal([batch(1)], [], Chain(1, 2, bytes(32)))
    journal.flush(Flush([GAUGE]))
    with pytest.raises(JournalError):
        journal.seal([batch(1)], [ChannelState(5)], Chain(1, 3, bytes(32)))
    loaded = journal.load()
    assert loaded.pending == [GAUGE]
    assert loaded.chain.next_seq == 2
    assert set(loaded.channels) == {1}


def test_a_receipt_makes_final_and_only_what_waited(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.seal([batch(1), batch(2), batch(3)], [], Chain(1, 4, bytes(32)))
    assert journal.finalise(1, 1, 2, b"receipt", 5) == 2
    assert journal.finalise(1, 1, 2, b"receipt", 6) == 0
    assert [each.seq for each in journal.waiting(8)] == [3]
    last = journal.last_final()
    assert last is not None
    assert last.seq == 2


def test_a_batch_that_is_to_be_sent_again_is_never_final_alone_on_the_card(path: Path) -> None:
    """A power cut after a receipt finds both or neither: that the rest is final, that this one waits."""
    journal = Journal.open(path, PREV)
    journal.seal([batch(1), batch(2), batch(3)], [], Chain(1, 4, bytes(32)))
    commits = []
    journal._db.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    assert journal.finalise(1, 1, 2, b"receipt", 5, again=[2]) == 2
    assert commits == ["COMMIT"]
    assert [each.seq for each in journal.waiting(8)] == [2, 3]


def test_a_new_epoch_supersedes_what_waited_and_never_goes_back(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.seal([batch(1)], [], Chain(1, 2, bytes(32)))
    journal.start_epoch(Chain(3, 1, PREV), [EVENT], [], {})
    assert journal.waiting(8) == []
    assert journal.load().pending == [EVENT]
    with pytest.raises(InvariantError):
        journal.start_epoch(Chain(3, 1, PREV), [], [], {})


def test_a_full_disk_is_said_and_leaves_everything_as_it_was(path: Path) -> None:
    journal = Journal.open(path, PREV)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    journal.flush(Flush([READING]))
    with pytest.raises(JournalFull):
        journal.seal([batch(1, size=40_000)], [], Chain(1, 2, bytes(32)))
    assert journal.load().pending == [READING]
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.seal([batch(1, size=40_000)], [], Chain(1, 2, bytes(32)))


def test_a_journal_of_a_newer_agent_is_refused(path: Path) -> None:
    Journal.open(path, PREV).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="newer agent"):
        Journal.open(path, PREV)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(JournalError, match="Next: check the disk"):
        Journal.open(path, PREV)


def test_damaged_rows_are_refused_and_not_guessed(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal._db.execute("INSERT INTO pending VALUES (1, x'00ff', row_sum(1, x'00ff'))")
    with pytest.raises(JournalError, match="damaged bytes"):
        journal.load()


def test_old_evidence_is_dropped_but_never_what_waits(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.seal([batch(seq) for seq in range(1, 6)], [], Chain(1, 6, bytes(32)))
    journal.finalise(1, 1, 2, b"first", 1_000)
    journal.finalise(1, 3, 4, b"second", 9_000)
    assert journal.forget(8_001) == 0
    assert journal.forget(7_999) == 2
    assert journal.forget(0) == 0
    assert [each.seq for each in journal.waiting(8)] == [5]
    assert journal._db.execute("SELECT seq FROM batch ORDER BY seq").fetchall() == [(3,), (4,), (5,)]


def test_age_is_counted_by_the_aggregators_clock_and_the_newest_evidence_stays(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.seal([batch(1), batch(2)], [], Chain(1, 3, bytes(32)))
    assert journal.forget(0) == 0
    journal.finalise(1, 1, 2, b"receipt", 1_000)
    assert journal.forget(-1) == 1
    last = journal.last_final()
    assert last is not None
    assert last.seq == 2
    assert journal._db.execute("SELECT to_seq FROM receipt").fetchall() == [(2,)]


def test_command_numbers_only_rise(path: Path) -> None:
    journal = Journal.open(path, PREV)
    journal.command_taken(5)
    journal.command_taken(4)
    assert journal.chain().last_command == 5


def test_readings_move_their_channel_on_without_a_row_of_its_own(path: Path) -> None:
    journal = Journal.open(path, PREV)
    first = ChannelState(1, 0, -5, 105, READING.at, "4711", readings=1)
    journal.flush(Flush([READING], [first]))
    assert journal._db.execute("SELECT count(*) FROM channel").fetchone() == (0,)
    assert Journal.open(path, PREV).load().channels == {1: first}


def test_a_row_that_says_more_than_its_readings_wins_over_older_ones(path: Path) -> None:
    journal = Journal.open(path, PREV)
    aside = ChannelState(
        1, 0, -5, 105, READING.at, "4711", suspect=Suspect(Reason.FELL, 1, 1, moment(6_000), 1, moment(6_000), 1)
    )
    journal.flush(Flush([READING], [aside]))
    journal.flush(Flush([EVENT], [aside]))
    assert Journal.open(path, PREV).load().channels == {1: aside}
    later = READING._replace(at=moment(9_000), value=106)
    journal.flush(Flush([later], [ChannelState(1, 0, -5, 106, later.at, "4711")]))
    assert Journal.open(path, PREV).load().channels[1].suspect is None


def test_a_flush_that_found_the_disk_full_forgets_nothing_when_it_is_tried_again(path: Path) -> None:
    journal = Journal.open(path, PREV)
    aside = ChannelState(
        1, 0, 0, 5, moment(0), None, suspect=Suspect(Reason.FELL, 1, 1, moment(6_000), 1, moment(6_000), 1)
    )
    many = [READING._replace(value=105 + index, at=moment(index)) for index in range(3_000)]
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(JournalFull):
        journal.flush(Flush(many, [aside]))
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.flush(Flush([EVENT], [aside]))
    assert Journal.open(path, PREV).load().channels == {1: aside}
