"""fsck --repair: what can be proved stays, what is gone is said, and the power may fail at any of its writes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from support.crash_images import Platter
from support.disk import FULL, OK, Disk, Kind, disk_under
from support.edge import WASH_RULE, CountedEntropy
from support.gateway_life import COUNTERS, JOURNAL, Life
from tallystick_edge import repair as repair_module
from tallystick_edge.app import DataLock
from tallystick_edge.cli import main
from tallystick_edge.core import settle
from tallystick_edge.errors import RepairError
from tallystick_edge.fsck import fsck
from tallystick_edge.identity import load_identity
from tallystick_edge.journal import Chain
from tallystick_edge.journal import Journal as OpenJournal
from tallystick_edge.repair import Journal, Outcome, repair
from tallystick_edge.switch import READY, beside
from tallystick_protocol.batch import first_prev
from tallystick_protocol.keys import P256Signer

AGENTS_USER = 54_321  # that nobody has
TABLES = ("chain", "channel", "machine", "pending", "replay", "receipt", "batch")


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tallystick-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def lived(folder: Path, disk: Disk, seed: int = 4) -> Life:
    """A gateway with sealed, receipted, waiting and pending data, a use and a radio counter."""
    life = Life(folder, P256Signer.generate(), Random(seed), disk)
    life.start()
    life.live(40)
    life._seal()
    life._receipt()
    life._feed()
    life._seal()
    life.core.desk.save("AA:BB:CC:DD:EE:FF", 7, bytes(range(32)))
    for _ in range(3):
        life._feed()
        life._flush()
    return life


@pytest.fixture
def life(folder: Path) -> Life:
    """Its journal is closed and in one file."""
    found = lived(folder, Disk(folder))
    found.core._opened().close()
    return found


def journal_of(life: Life, path: Path | None = None) -> Journal:
    channels = [1, *COUNTERS]
    return Journal(path or life.folder / JOURNAL, life.signer.spki, None, channels, {WASH_RULE.channel: WASH_RULE})


def mend(life: Life, path: Path | None = None) -> Outcome:
    return repair(journal_of(life, path), life.clock, CountedEntropy("repair"), lambda outcome: True)


def said(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {each: db.execute(f"SELECT * FROM {each} ORDER BY 1, 2").fetchall() for each in TABLES}


def spoil(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert db.execute(statement).rowcount > 0, statement


def test_a_sound_journal_needs_no_repair_and_is_not_touched(life: Life) -> None:
    before = (life.folder / JOURNAL).read_bytes()
    outcome = mend(life)
    assert not outcome.is_needed
    assert outcome.kept is None
    assert (life.folder / JOURNAL).read_bytes() == before
    assert [each.name for each in life.folder.iterdir() if "repair" in each.name or "damaged" in each.name] == []


LAST = "(SELECT max(seq) FROM batch)"


@pytest.mark.parametrize(
    ("damage", "losses", "changed"),
    [
        ("UPDATE channel SET state = x'00' WHERE number = 21", {"channel-rebuilt"}, {"channel"}),
        ("UPDATE chain SET next_seq = next_seq + 1", {"chain-lost"}, {"chain"}),
        ("UPDATE machine SET state = x'00'", {"machine-rebuilt"}, {"machine", "pending"}),
        ("UPDATE pending SET items = x'00' WHERE id = (SELECT max(id) FROM pending)", {"readings-lost"}, {"pending"}),
        ("UPDATE replay SET counter = 1", {"replay-lost"}, {"replay"}),
        ("DELETE FROM receipt", set(), {"receipt", "batch"}),
        ("UPDATE receipt SET envelope = x'00'", {"receipt-lost"}, {"receipt", "batch"}),
        ("UPDATE batch SET created_ms = created_ms + 1 WHERE seq = 1", {"batch-row"}, set()),
        ("UPDATE batch SET upload = x'00' WHERE seq = 1", {"evidence-lost"}, {"batch"}),
        (f"UPDATE batch SET upload = x'00' WHERE seq = {LAST}", {"batch-lost"}, {"batch"}),
        (f"UPDATE batch SET upload = x'00', created_ms = 1 WHERE seq = {LAST}", {"batch-lost"}, {"batch"}),
        ("DELETE FROM batch WHERE seq = 2", {"evidence-lost"}, {"batch"}),
        (f"DELETE FROM batch WHERE seq = {LAST}", {"batch-lost"}, {"batch"}),
        (f"DELETE FROM batch WHERE seq > {LAST} - 2", {"batch-lost", "batch-missing"}, {"batch"}),
    ],
)
def test_what_fits_its_sum_stays_and_what_is_gone_is_said(
    life: Life, damage: str, losses: set[str], changed: set[str]
) -> None:
    path = life.folder / JOURNAL
    truth = said(path)
    spoil(path, damage)
    damaged = path.read_bytes()
    outcome = mend(life)
    assert outcome.kept is not None
    assert outcome.kept.read_bytes() == damaged
    assert {each.code for each in outcome.losses} >= losses
    assert fsck(path, life.signer.spki, None).is_sound
    now = said(path)
    assert {each for each in TABLES if now[each] != truth[each]} <= changed
    assert not mend(life).is_needed
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        assert journal.chain().next_seq == life.core.chain.next_seq
        assert journal.load().pending


def test_a_channels_row_is_read_off_the_newest_batch_and_the_readings_after_it(life: Life) -> None:
    path = life.folder / JOURNAL
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        before = journal.load().channels
    spoil(path, "UPDATE channel SET sum = x'00000000' WHERE number <> 0")
    outcome = mend(life)
    assert {each.code for each in outcome.losses} == {"channel-rebuilt"}
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        after = journal.load().channels
    for number in (1, *COUNTERS):  # the batch does not say how many readings there were before it
        assert 0 < after[number].readings <= before[number].readings
        assert after[number] == before[number]._replace(suspect=None, readings=after[number].readings), number
    for number, state in before.items():
        assert (after[number].pagination, after[number].event) == (state.pagination, state.event), number


def test_numbers_that_a_batch_which_is_gone_may_have_used_are_not_given_again(life: Life) -> None:
    path = life.folder / JOURNAL
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        before = journal.load().channels
    spoil(path, f"UPDATE batch SET upload = x'00' WHERE seq = {LAST}")
    spoil(path, "UPDATE channel SET state = x'00' WHERE number = 21")
    mend(life)
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        assert journal.load().channels[21].pagination > before[21].pagination
        assert [each.seq for each in journal.lost()] == [life.core.chain.next_seq - 1]  # what the Hello declares


def test_uses_are_counted_on_when_their_row_is_gone(life: Life) -> None:
    path = life.folder / JOURNAL
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        before = journal.load().machines[WASH_RULE.channel]
    spoil(path, "UPDATE machine SET sum = x'00000000'")
    mend(life)
    with closing(OpenJournal.open(path, first_prev(life.signer.spki))) as journal:
        after = journal.load().machines.get(WASH_RULE.channel)
    assert (0, 0) if after is None else (after.count, after.number) >= (before.count, before.number)


def test_where_nothing_says_how_to_go_on_the_books_must_and_nothing_is_changed(life: Life) -> None:
    path = life.folder / JOURNAL
    spoil(path, "UPDATE channel SET state = x'00' WHERE number = 21")
    spoil(path, "UPDATE batch SET upload = x'00'")
    before = path.read_bytes()
    with pytest.raises(RepairError, match=r"channel 21.*aggregator's books"):
        mend(life)
    assert path.read_bytes() == before


@pytest.mark.parametrize("data", [b"something else entirely" * 1_000, b"SQLite format 3\0" + bytes(8_000), b""])
def test_a_file_that_is_no_journal_is_refused(life: Life, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(data)
    with pytest.raises(RepairError, match="Next: "):
        mend(life, path)
    assert path.read_bytes() == data


def test_pages_of_noise_cost_what_was_on_them_and_nothing_else(life: Life, folder: Path) -> None:
    """Real damage: bits flipped, and whole pages of a card that came back as zeros or noise."""
    truth, data = said(folder / JOURNAL), (folder / JOURNAL).read_bytes()
    with closing(OpenJournal.open(folder / JOURNAL, first_prev(life.signer.spki))) as journal:
        before = journal.load()
    copy, mended = folder / "copy" / JOURNAL, 0
    for seed in range(40):
        chance, spoilt = Random(seed), bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            page = chance.randrange(1, len(data) // 4096) * 4096
            if chance.random() < 0.5:
                spoilt[page : page + 4096] = chance.choice((bytes(4096), chance.randbytes(4096)))
            else:
                spoilt[page + chance.randrange(4096)] ^= 1 << chance.randrange(8)
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        copy.write_bytes(spoilt)
        try:
            outcome = mend(life, copy)
        except RepairError:
            assert copy.read_bytes() == spoilt, seed
            continue
        mended += 1
        assert fsck(copy, life.signer.spki, None).is_sound, seed
        now = said(copy)
        for epoch, seq, digest, _, _, _, upload in now["batch"]:
            [was] = [row for row in truth["batch"] if row[:2] == (epoch, seq)]
            assert digest == was[2], seed
            assert upload in (was[6], b"") or len(str(upload)) < len(str(was[6])), seed
        if len(now["batch"]) < len(truth["batch"]):
            assert {each.code for each in outcome.losses} & {
                "batch-missing",
                "batch-lost",
                "evidence-lost",
                "chain-lost",
            }, seed
        with closing(OpenJournal.open(copy, first_prev(life.signer.spki))) as journal:
            after = journal.load()
        for number, state in before.channels.items():
            if after.chain.next_seq >= before.chain.next_seq and number in after.channels:
                numbers = after.channels[number].pagination, after.channels[number].event
                assert numbers >= (state.pagination, state.event) or not state.pagination, (seed, number)
            if number in after.channels:
                assert after.channels[number].total <= state.total, (seed, number)
    assert mended > 20


def test_a_power_cut_at_any_write_leaves_the_old_journal_or_the_new_one(folder: Path) -> None:
    """The old log is there, as after the crash that one repairs after, and holds some pages of the old journal."""
    real, image = folder / "real", folder / "image"
    real.mkdir()
    with disk_under(real) as disk:
        life = lived(real, disk)
        reader = sqlite3.connect(real / JOURNAL)  # who keeps the log from being put away at the last close
        spoil(real / JOURNAL, "UPDATE batch SET upload = x'00' WHERE seq = 1")  # mended in the file, not in the log
        reader.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        life._feed()
        life._flush()
        spoil(real / JOURNAL, "UPDATE channel SET sum = x'00000000' WHERE number = 21")
        life.core._opened().close()
        old, begun = said(real / JOURNAL), len(disk.ops)
        assert (real / f"{JOURNAL}-wal").stat().st_size > 0
        outcome = mend(life)
        reader.close()
        new = said(real / JOURNAL)
    assert outcome.kept is not None
    assert old != new
    chance, seen = Random(1), set()
    platter = Platter(chance)
    for done, op in enumerate(disk.ops):
        platter.take(op)
        if done < begun:
            continue
        for _ in range(
            2 if op.kind in (Kind.WRITE, Kind.SYNC) else 40
        ):  # names change few times, and each order matters
            shutil.rmtree(image, ignore_errors=True)
            image.mkdir()
            platter.image(image, chance)
            settle(image / JOURNAL)
            state = said(image / JOURNAL)
            assert state in (old, new), f"after operation {done} of {len(disk.ops)}: {op.kind} {op.file}"
            seen.add(state == new)
            assert not beside(image / JOURNAL, READY).exists()
    assert seen == {False, True}


def test_the_command_asks_says_what_it_did_and_keeps_the_damaged_one(
    life: Life, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = 'version = 1\n[gateway]\nname = "cellar"\ndata = "."\nflush_s = 1\n[uplink]\ntransport = "https"\n'
    (folder / "edge.toml").write_text(head)
    (folder / "proof.pem").write_bytes(life.signer.to_pem())
    command = ["fsck", "--config", str(folder / "edge.toml"), "--repair"]
    assert main(command) == 0
    assert "nothing to repair" in capsys.readouterr().out
    spoil(folder / JOURNAL, "UPDATE batch SET upload = x'00' WHERE seq = 1")
    before = (folder / JOURNAL).read_bytes()
    assert main([*command[:-1], "--yes"]) == 1
    assert "add --repair" in capsys.readouterr().err
    assert main(command) == 1  # nobody is there to be asked
    assert "evidence-lost" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n" if "kept beside" in question else "y")
    assert main(command) == 1
    assert "nothing was changed" in capsys.readouterr().out
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["repaired"] is False
    assert (folder / JOURNAL).read_bytes() == before
    with DataLock(folder):
        assert main([*command, "--yes"]) == 1
    assert "another agent runs" in capsys.readouterr().err
    assert main([*command, "--yes", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["repaired"] is True
    assert Path(answer["kept"]).read_bytes() == before
    assert [each["code"] for each in answer["losses"]] == ["evidence-lost"]
    assert main(command[:-1]) == 0
    assert "sound" in capsys.readouterr().out


def test_what_root_repairs_or_enrols_belongs_to_the_agents_user(life: Life) -> None:
    """The agent could not open the journal that it was told to have repaired. (Nobody but root can show this.)"""
    if os.geteuid() == 0:
        os.chown(life.folder, AGENTS_USER, AGENTS_USER)
    spoil(life.folder / JOURNAL, "UPDATE channel SET sum = x'00000000'")
    assert mend(life).kept is not None
    load_identity(life.folder)
    with DataLock(life.folder):
        pass
    made = [life.folder / name for name in (JOURNAL, "proof.pem", "tls.pem", "lock")]
    assert {path.stat().st_uid for path in made} == {life.folder.stat().st_uid}


def test_a_disk_without_room_is_said_before_anything_is_written(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(life.folder / JOURNAL, "UPDATE batch SET upload = x'00' WHERE seq = 1")
    before = {each.name for each in life.folder.iterdir()}
    monkeypatch.setattr(repair_module, "free_bytes", lambda folder: 1_000)
    with pytest.raises(RepairError, match="free the disk"):
        mend(life)
    assert {each.name for each in life.folder.iterdir()} - before <= {f"{JOURNAL}-wal", f"{JOURNAL}-shm"}


def test_a_disk_that_fills_on_the_way_leaves_the_damaged_journal_and_nothing_else(folder: Path) -> None:
    real = folder / "real"
    real.mkdir()
    with disk_under(real) as disk:
        life = lived(real, disk)
        life.core._opened().close()
        spoil(real / JOURNAL, "UPDATE batch SET upload = x'00' WHERE seq = 1")
        before, names = (real / JOURNAL).read_bytes(), {each.name for each in real.iterdir()}
        writes = iter(range(6))
        disk.fails = lambda op: FULL if op.kind is Kind.WRITE and next(writes, None) is None else OK
        with pytest.raises(RepairError, match="nothing was changed"):
            mend(life)
    assert (real / JOURNAL).read_bytes() == before
    assert {each.name for each in real.iterdir()} - names <= {f"{JOURNAL}-wal", f"{JOURNAL}-shm"}


def test_a_journal_that_sealed_nothing_begins_at_the_beginning(folder: Path) -> None:
    life = Life(folder, P256Signer.generate(), Random(1), Disk(folder))
    life.start()
    life._feed()
    life._flush()
    life.core._opened().close()
    spoil(folder / JOURNAL, "UPDATE chain SET sum = x'00000000'")
    mend(life)
    with closing(OpenJournal.open(folder / JOURNAL, first_prev(life.signer.spki))) as journal:
        assert journal.chain() == Chain(1, 1, first_prev(life.signer.spki))
        assert journal.load().channels[21].value == life.values[21][-1]
