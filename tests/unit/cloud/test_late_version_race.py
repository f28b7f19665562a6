"""An upload in the very moment of the last yes to a version that begins before it: whichever comes first, no use is
priced by a version that is not in force, on PostgreSQL by a lock and on SQLite by its one writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support import postgres
from support.books import DAY, HOUR, T0
from support.late_versions import OTHERS, begins, proposed, says_yes, washes
from support.settled import World, open_world
from support.uploads import wash
from tallystick_cloud import schema
from tallystick_cloud.contracts import service as contracts
from tallystick_cloud.contracts import store as versions
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.db import Database
from tallystick_cloud.ingest import service as one_by_one
from tallystick_cloud.ingest.group import Sent, ingest_group
from tallystick_cloud.ledger import service as ledger

START = T0 + 3 * DAY
PATIENCE_S = 60  # of a test on a busy machine, for what takes milliseconds
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
Act = Callable[..., Any]


class Gate:
    """Stops the first who has come through a function until it is opened."""

    def __init__(self, honest: Act) -> None:
        self._honest = honest
        self.reached, self.opened = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def __call__(self, *about: Any, **more: Any) -> Any:
        found = self._honest(*about, **more)
        with self._lock:
            is_first = not self.reached.is_set()
            self.reached.set()
        if is_first:
            assert self.opened.wait(PATIENCE_S)
        return found


class Race:
    """A wash on 4 November, and the last yes to a version that begins on 2 November."""

    def __init__(self, world: World) -> None:
        self.world = world
        h, contract = washes(world)
        self.late = proposed(world, begins(world, h, contract, 1), T0)
        for name in OTHERS[:-1]:
            assert says_yes(world, self.late, name, T0) == "draft"
        world.uses = 1
        self.gid, self.upload = world.gateway.gid, world.gateway.seal(wash(2, 1, 1, 1, START, START + HOUR, "60"))

    def upload_alone(self) -> str:
        books = self.world.books
        server = books.aggregator
        books.database.write_now(one_by_one.ingest, server, self.gid, self.upload, START + HOUR)
        return "uploaded"

    def upload_in_a_group(self) -> str:
        books, sent = self.world.books, Sent(self.gid, self.upload, START + HOUR)
        (outcome,) = books.database.write_now(ingest_group, books.aggregator, [sent])
        assert outcome is not None
        return "uploaded"

    def last_yes(self) -> str:
        try:
            return says_yes(self.world, self.late, OTHERS[-1], START)
        except ContractRefused as refused:
            return "refused" if "uses that began since" in refused.reason else refused.reason

    def check(self, yes: str) -> None:
        """The use is priced by what was in force when it began, whoever was first."""
        (priced,) = {bytes(row["contract"]) for row in self.world.books.rows(schema.use_frame)}
        assert (priced == self.late) is (yes == "live"), yes
        assert self.world.books.audit() == []


def is_stuck(database: Database, done: Future[str]) -> bool:
    """Whether somebody waits for a lock; False once there is nothing left to wait for."""
    with database.engine.connect() as conn:
        while not done.done():
            if conn.execute(WAITING).scalar_one():
                return True
            conn.rollback()
    return False


@pytest.mark.parametrize(
    ("how", "module", "function"),
    [
        ("upload_alone", versions, "book"),
        ("upload_in_a_group", versions, "book"),
        ("upload_in_a_group", ledger, "_write"),
    ],
    ids=["it has read which version holds", "its group has", "its group has booked the use"],
)
def test_the_last_yes_waits_for_an_upload_that_is_under_way(
    how: str, module: Any, function: str, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database(postgres_server) as url:
        race = Race(open_world(url))
        gate = Gate(getattr(module, function))
        monkeypatch.setattr(module, function, gate)
        with ThreadPoolExecutor(2) as pool:
            uploaded = pool.submit(getattr(race, how))
            assert gate.reached.wait(PATIENCE_S)
            yes = pool.submit(race.last_yes)
            waited = is_stuck(race.world.books.database, yes)
            gate.opened.set()
            assert uploaded.result(PATIENCE_S) == "uploaded"
            assert (yes.result(PATIENCE_S), waited) == ("refused", True)
        race.check("refused")
        race.world.books.database.close()


def test_an_upload_waits_for_a_yes_that_is_under_way_and_is_priced_by_it(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database(postgres_server) as url:
        race = Race(open_world(url))
        gate = Gate(contracts.check_begins_late_enough)
        monkeypatch.setattr(contracts, "check_begins_late_enough", gate)
        with ThreadPoolExecutor(2) as pool:
            yes = pool.submit(race.last_yes)
            assert gate.reached.wait(PATIENCE_S)
            uploaded = pool.submit(race.upload_alone)
            waited = is_stuck(race.world.books.database, uploaded)
            gate.opened.set()
            assert (yes.result(PATIENCE_S), uploaded.result(PATIENCE_S)) == ("live", "uploaded")
            assert waited
        race.check("live")
        race.world.books.database.close()


def test_on_sqlite_the_one_writer_keeps_them_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an upload reads which version holds, nobody else can begin to write; so it needs no other lock."""
    race = Race(open_world(f"sqlite:///{tmp_path / 'cloud.db'}"))
    honest, refusals = versions.book, []

    def book(*about: Any) -> Any:
        other = sqlite3.connect(tmp_path / "cloud.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="database is locked") as refused:
            other.execute("BEGIN IMMEDIATE")
        other.close()
        refusals.append(refused)
        return honest(*about)

    monkeypatch.setattr(versions, "book", book)
    assert race.upload_alone() == "uploaded"
    assert refusals
    monkeypatch.setattr(versions, "book", honest)
    assert race.last_yes() == "refused"
    race.check("refused")
    race.world.books.database.close()
