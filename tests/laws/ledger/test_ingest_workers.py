"""Uploads taken in by processes: the same books as in one, and a process that dies costs its group a second try."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from support import odd_workers, postgres
from support.edge_online import until
from support.load import LATER, in_turn, open_load
from tallystick_cloud import schema
from tallystick_cloud.errors import Busy
from tallystick_cloud.ingest import commit, workers
from tallystick_cloud.ingest.commit import Commits
from tallystick_cloud.ingest.group import Sent
from tallystick_cloud.ingest.outcome import Outcome
from tallystick_cloud.ingest.workers import Workers
from tallystick_protocol.codes import ReceiptStatus

HOUSES = 4
GROUP = 2  # so that four houses are a group for each of two processes
START_S = 120.0  # two processes on a machine that does other things
REFUSED = """
CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.gid = decode('{gid}', 'hex') THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refused BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION refused()
"""


class Town:
    """Houses on PostgreSQL, and processes for their uploads."""

    def __init__(self, url: str) -> None:
        self.books, self.houses = open_load(url, HOUSES)
        self.commits = self.with_workers(2, GROUP)

    def with_workers(self, count: int, group_max: int) -> Commits:
        self.workers = Workers(self.books.database, self.books.aggregator, count)
        return Commits(self.books.database, self.books.aggregator, group_max, self.workers)

    def sealed(self) -> list[Sent]:
        found = in_turn(self.houses, "intervals", HOUSES)
        return [Sent(house.gateway.gid, upload, LATER) for house, upload in found]

    async def take(self, uploads: list[Sent], commits: Commits | None = None) -> list[ReceiptStatus | type]:
        commits = commits or self.commits
        found = await asyncio.gather(*(commits.take(one) for one in uploads), return_exceptions=True)
        return [one.receipt.status if isinstance(one, Outcome) else type(one) for one in found]

    async def ready(self) -> None:
        """More uploads than a group takes have come, and the processes they called for are there."""
        assert await self.take(self.sealed()) == [ReceiptStatus.ACCEPTED] * HOUSES
        await until(lambda: self.workers.there == 2, START_S)

    async def again(self, count: int) -> None:
        """All processes have ended, and as many as there may be are there anew."""
        await until(lambda: not self.workers.there, START_S)
        self.workers._next_start_s = 0.0
        self.workers.call()
        await until(lambda: self.workers.there == count, START_S)

    def is_stuck(self, count: int) -> bool:
        """Whether so many transactions wait for a lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(self.books.database.read_now(lambda conn: conn.exec_driver_sql(query).scalar_one()) == count)


@pytest.fixture
def town(postgres_server: str) -> Iterator[Town]:
    with postgres.database(postgres_server) as url:
        town = Town(url)
        for house in town.houses:
            town.books.send(house.gateway, house.begin(), LATER)
        yield town
        town.workers.close()
        town.books.database.close()


def children() -> list[psutil.Process]:
    """Processes for uploads that this one started."""
    found = psutil.Process().children()
    return [one for one in found if any("spawn_main" in word for word in one.cmdline())]


async def test_processes_are_started_by_load_and_their_books_are_true_and_ending_ends_them(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in town.sealed():
        assert await town.take([one]) == [ReceiptStatus.ACCEPTED]
    assert children() == []  # one upload at a time is nothing that a second process would help with
    await town.ready()
    monkeypatch.setattr(commit, "ingest_group", None)  # nothing of what follows is taken by this process
    monkeypatch.setattr(commit, "ingest", None)
    for _ in range(3):
        assert await town.take(town.sealed()) == [ReceiptStatus.ACCEPTED] * HOUSES
    assert len(town.books.rows(schema.use)) == 5 * HOUSES * 60
    assert town.books.audit() == []
    assert len(children()) == 2
    town.workers.close()
    assert (town.workers.there, children()) == (0, [])


async def test_a_process_that_dies_over_its_group_makes_it_come_again(town: Town) -> None:
    await town.ready()
    uploads = town.sealed()
    heads = select(schema.gateway_head.c.gid).with_for_update()
    with town.books.database.engine.begin() as lock:
        lock.execute(heads)
        waiting = asyncio.create_task(town.take(uploads))
        await until(lambda: town.is_stuck(2), START_S)
        for process in children():
            process.kill()
        await until(lambda: town.workers.there == 0, START_S)
    accepted = ReceiptStatus.ACCEPTED
    assert await waiting == [Busy, Busy, accepted, accepted]  # the first two were with a process each, the rest waited
    assert await town.take(uploads[:2]) == [Busy, Busy]  # this process does what none is there for, but not these
    await town.again(2)
    assert await town.take(uploads[:2]) == [accepted, accepted]
    assert town.books.audit() == []


async def test_an_answer_that_cannot_be_read_makes_its_group_come_again_and_ends_its_process(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "work", odd_workers.work)
    commits = town.with_workers(HOUSES + 1, group_max=1)  # each upload is with a process of its own
    town.workers.call()
    await until(lambda: town.workers.there == HOUSES + 1, START_S)
    house, *others = town.houses
    real = Sent(house.gateway.gid, house.intervals(), LATER)
    words = [word for word in odd_workers.ODD if word != odd_workers.SILENT]
    odd = [Sent(other.gateway.gid, word, LATER) for other, word in zip(others, words, strict=True)]
    assert await town.take([*odd, real], commits) == [Busy] * HOUSES
    assert town.workers.there == 1
    monkeypatch.setattr(workers, "ANSWER_S", 0.1)
    assert await town.take([replace(real, upload=odd_workers.SILENT)], commits) == [Busy]
    assert (town.workers.there, children()) == (0, [])
    monkeypatch.setattr(town.workers, "refused", True)  # no other process can be had: this one takes it
    assert await town.take([real], commits) == [ReceiptStatus.DUPLICATE]  # it was committed before the answer
    assert town.books.audit() == []


async def test_an_upload_that_ends_a_process_costs_the_others_one_more_try_and_its_gateway_is_named(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "work", odd_workers.mortal)
    commits = town.with_workers(1, group_max=HOUSES)
    accepted = ReceiptStatus.ACCEPTED

    def uploads() -> list[Sent]:
        return [Sent(house.gateway.gid, house.intervals(), LATER) for house in others]

    bad, *others = town.houses
    deadly = Sent(bad.gateway.gid, odd_workers.DEADLY, LATER)
    first, *good = uploads()
    await town.again(1)
    assert await town.take([first, deadly, *good], commits) == [accepted, Busy, Busy, Busy]  # the first was alone
    assert await town.take([deadly], commits) == [Busy]  # no process is there, and the server never tries it itself
    await town.again(1)
    assert await town.take([*good, deadly], commits) == [accepted, accepted, Busy]
    assert town.books.rows(schema.alarm) == []  # once alone may have been the machine
    await town.again(1)
    assert await town.take([deadly, *uploads()], commits) == [Busy, accepted, accepted, accepted]
    (alarm,) = town.books.rows(schema.alarm)
    assert (alarm["code"], bytes(alarm["gid"])) == ("upload-ends-process", bad.gateway.gid)
    assert await town.take([Sent(bad.gateway.gid, bad.intervals(), LATER)], commits) == [accepted]
    assert town.books.audit() == []


async def test_one_upload_that_a_process_fails_on_costs_the_others_nothing(town: Town) -> None:
    await town.ready()
    with town.books.database.engine.begin() as conn:
        conn.exec_driver_sql(REFUSED.format(gid=town.houses[1].gateway.gid.hex()))
    uploads = town.sealed()
    accepted = ReceiptStatus.ACCEPTED
    assert await town.take(uploads) == [accepted, IntegrityError, accepted, accepted]
    with town.books.database.engine.begin() as conn:
        conn.exec_driver_sql("DROP TRIGGER refused ON batch")
    assert await town.take(uploads) == [ReceiptStatus.DUPLICATE, accepted, *[ReceiptStatus.DUPLICATE] * 2]
    assert town.workers.there == 2
    assert town.books.audit() == []


async def test_sqlite_has_one_writer_and_no_processes() -> None:
    books, _houses = open_load("sqlite://", HOUSES)
    found = Workers(books.database, books.aggregator, 2)
    found.call()
    assert found.there == 0
    assert children() == []
    found.close()
    books.database.close()
