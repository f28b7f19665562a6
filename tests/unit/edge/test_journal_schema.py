"""A journal of every released version opens, keeps what it held and goes on; a newer one is left alone."""

from __future__ import annotations

import gzip
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from support.edge import moment
from support.repository import ROOT
from tallystick_edge import journal_schema
from tallystick_edge.errors import JournalError
from tallystick_edge.items import Reading
from tallystick_edge.journal import Flush, Journal
from tallystick_edge.journal_schema import SCHEMA_VERSION
from tallystick_protocol.batch import open_upload
from tallystick_protocol.keys import PublicKey

OLD = ROOT / "tests" / "fixtures"
SPKI = bytes.fromhex(  # of the gateway that wrote the files
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004398257e2653a0c77680d14a12e5d2afd23e8b56ddab8dd2a103ad5fb"
    "844865ee31fd058ea83a193ed15fc5a6f766cd54af7182394353636c1eff033d51de7c4d"
)


def old_file(version: int, folder: Path) -> Path:
    path = folder / "journal.sqlite"
    path.write_bytes(gzip.decompress((OLD / f"journal_v{version}.sqlite.gz").read_bytes()))
    return path


def test_there_is_an_old_file_of_every_version_before_this_one() -> None:
    assert [(OLD / f"journal_v{number}.sqlite.gz").exists() for number in range(1, SCHEMA_VERSION)] == [True] * (
        SCHEMA_VERSION - 1
    )


def test_a_journal_of_version_1_keeps_its_batches_receipts_items_and_numbers(tmp_path: Path) -> None:
    journal = Journal.open(old_file(1, tmp_path), bytes(32))
    db = journal._db
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    loaded = journal.load()
    assert (loaded.chain.epoch, loaded.chain.next_seq, loaded.chain.last_command) == (1, 5, 3)
    assert len(loaded.pending) == 3
    assert loaded.replay == {"AA:BB": (7, bytes(32))}
    assert loaded.channels[1].total == 1_123
    assert db.execute("SELECT from_seq, to_seq, envelope FROM receipt ORDER BY to_seq").fetchall() == [
        (1, 1, b"receipt one"),
        (2, 3, b"receipt two"),
    ]
    assert [each.seq for each in journal.waiting(8)] == [4]
    prev = sha256(SPKI).digest()
    for seq in range(1, 5):
        upload = journal.upload(1, seq)
        assert upload is not None
        opened = open_upload(upload)
        opened.unverified.verify(PublicKey.from_spki(SPKI))
        assert opened.header.prev == prev
        prev = opened.unverified.hash
    assert prev == loaded.chain.head
    journal.flush(Flush([Reading(1, moment(1), 0, 0, 1_124)]))
    assert journal.finalise(1, 4, 4, b"receipt three", 5) == 1
    journal.close()


def test_a_step_that_fails_leaves_the_old_version_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_file(1, tmp_path)
    broken = tmp_path / "steps"
    broken.mkdir()
    (broken / "schema_v2.sql").write_text("CREATE TABLE receipt (epoch INTEGER); CREATE TABLE chain (id INTEGER);")
    with monkeypatch.context() as patch:
        patch.setattr(journal_schema, "STEPS", broken)
        with pytest.raises(JournalError, match="already exists"):
            Journal.open(path, bytes(32))
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(receipt) FROM batch").fetchone() == (3,)
    db.close()
    Journal.open(path, bytes(32)).close()


def test_a_newer_file_is_refused_with_its_version_and_not_touched(tmp_path: Path) -> None:
    path = old_file(1, tmp_path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=rf"schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}\).*Next:"):
        Journal.open(path, bytes(32))
    assert path.read_bytes() == before
