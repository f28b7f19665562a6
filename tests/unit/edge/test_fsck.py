"""fsck: every flipped bit of a real journal is found, or provably changes nothing that the journal says."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from support.disk import Disk
from support.gateway_life import JOURNAL, Life
from support.seeds import drawn
from tallystick_edge import fsck as fsck_module
from tallystick_edge.cli import main
from tallystick_edge.fsck import fsck
from tallystick_protocol.keys import P256Signer

FLIPS = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tallystick-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def life(folder: Path) -> Life:
    """A gateway that lived, sealed, was receipted and has something pending; its journal is closed and in one file."""
    found = Life(folder, P256Signer.generate(), Random(4), Disk(folder))
    found.start()
    found.live(40)
    found._seal()
    found._receipt()
    found.core.desk.save("AA:BB:CC:DD:EE:FF", 7, bytes(range(32)))
    found._feed()
    found._flush()
    found.core._opened().close()
    return found


def codes(life: Life, path: Path) -> list[str]:
    return [each.code for each in fsck(path, life.signer.spki, None).findings]


def said(path: Path) -> list[list[object]]:
    """Everything the journal says, row by row, and nothing of how it is laid out."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        tables = ("chain", "channel", "machine", "pending", "replay", "receipt", "batch")
        schema: list[object] = db.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
        ).fetchall()
        return [schema, *(db.execute(f"SELECT * FROM {each} ORDER BY 1, 2").fetchall() for each in tables)]


def test_a_sound_journal_has_no_findings_and_is_not_touched(life: Life) -> None:
    path = life.folder / JOURNAL
    before = path.read_bytes()
    report = fsck(path, life.signer.spki, None)
    assert report.findings == []
    assert report.batches == life.core.chain.next_seq - 1 > 3
    assert report.receipts >= 1
    assert path.read_bytes() == before


def flipped(data: bytes, at: int, chance: Random) -> bytes:
    spoilt = bytearray(data)
    spoilt[at] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


@pytest.mark.drawn
@pytest.mark.parametrize("kept", [None, "562201bd"], ids=["drawn", "a receipt without its first batch"])
def test_every_flipped_bit_is_found_or_changes_nothing(kept: str | None, life: Life, folder: Path) -> None:
    seed = kept or drawn("fsck")
    chance, path = Random(seed), life.folder / JOURNAL
    data, truth = path.read_bytes(), said(path)
    with closing(sqlite3.connect(path)) as db:
        (upload,) = db.execute("SELECT upload FROM batch ORDER BY length(upload) LIMIT 1").fetchone()
    row = data.index(upload[:200])
    start, end = row - 60, row + len(upload[:200])  # the row's other columns stand before its upload
    places = [chance.choice(each) for each in (range(100), range(start, end), range(len(data))) for _ in range(FLIPS)]
    found = 0
    copy = folder / "copy" / JOURNAL
    for at in places:
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        copy.write_bytes(flipped(data, at, chance))
        if codes(life, copy):
            found += 1
        else:
            assert said(copy) == truth, f"seed {seed}: a bit at {at} was not found"
            assert not row <= at < end, "every byte of an upload means something"
    assert found > len(places) // 4  # most of the others are in the unused half of pages


def test_names_that_are_no_text_any_more_are_found(life: Life, folder: Path) -> None:
    """A bit of a name in the schema, after which it is no UTF-8: found by a run of the test above."""
    copy = folder / "copy" / JOURNAL
    copy.parent.mkdir()
    data = (life.folder / JOURNAL).read_bytes()
    start = data.index(b"sqlite_autoindex")
    for place in range(start, start + len(b"sqlite_autoindex")):
        copy.write_bytes(data[:place] + b"\xc2" + data[place + 1 :])
        assert codes(life, copy), place


def test_a_bit_in_the_log_is_a_tail_that_was_not_completed(life: Life, folder: Path) -> None:
    life.start()
    life._feed()
    life._flush()
    life._feed()
    life._flush()
    log = folder / f"{JOURNAL}-wal"
    data, chance = log.read_bytes(), Random(1)
    copy = folder / "copy" / JOURNAL
    for at in [*range(56), *(chance.randrange(len(data)) for _ in range(40))]:
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        shutil.copy(folder / JOURNAL, copy)
        (copy.parent / f"{JOURNAL}-wal").write_bytes(flipped(data, at, chance))
        if "log-tail" not in codes(life, copy):
            shutil.copy(folder / JOURNAL, copy)
            assert said(copy) == said(folder / JOURNAL), at
    life.core._opened().close()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("UPDATE channel SET state = x'00' WHERE number = 21", "row-sum"),
        ("UPDATE chain SET next_seq = next_seq + 1", "row-sum"),
        ("DELETE FROM batch WHERE seq = 2", "batch-missing"),
        ("DELETE FROM batch WHERE seq = (SELECT max(seq) FROM batch)", "chain-head"),
        ("DELETE FROM receipt", "receipt-missing"),
        ("UPDATE batch SET created_ms = created_ms + 1 WHERE seq = 1", "batch-row"),
        ("UPDATE batch SET upload = (SELECT upload FROM batch WHERE seq = 2) WHERE seq = 1", "batch-other"),
        ("UPDATE batch SET upload = x'00' WHERE seq = 1", "batch-unreadable"),
        ("PRAGMA user_version = 1", "schema-version"),
    ],
)
def test_each_damage_has_its_name_and_a_next_step(life: Life, damage: str, code: str) -> None:
    path = life.folder / JOURNAL
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(damage)
    report = fsck(path, life.signer.spki, None)
    assert code in [each.code for each in report.findings]
    assert all(len(each.next) > 10 for each in report.findings)
    assert not report.is_sound


def test_another_gateways_journal_is_said(life: Life) -> None:
    assert "batch-unreadable" in [
        each.code for each in fsck(life.folder / JOURNAL, P256Signer.generate().spki, None).findings
    ]


def test_a_file_that_is_no_journal_is_a_finding(tmp_path: Path, life: Life) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"something else entirely" * 1_000)
    assert codes(life, path) == ["file-unreadable"]


def test_findings_end_somewhere(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsck_module, "FINDINGS_MAX", 2)
    with closing(sqlite3.connect(life.folder / JOURNAL, isolation_level=None)) as db:
        db.execute("UPDATE channel SET sum = x'00000000'")
    assert len(codes(life, life.folder / JOURNAL)) == 2


def test_the_command_says_it_in_words_and_as_json(life: Life, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "edge.toml").write_text(
        'version = 1\n[gateway]\nname = "cellar"\ndata = "."\nflush_s = 1\n[uplink]\ntransport = "https"\n'
    )
    (folder / "proof.pem").write_bytes(life.signer.to_pem())
    command = ["fsck", "--config", str(folder / "edge.toml")]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("sound: ")
    with closing(sqlite3.connect(folder / JOURNAL, isolation_level=None)) as db:
        db.execute("UPDATE batch SET upload = x'00' WHERE seq = 1")
    assert main(command) == 1
    assert "fail: batch 1/1: " in capsys.readouterr().out
    assert main([*command, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["findings"][0]["next"]
