"""Uploads that share a transaction: the books are those of one by one, and none of them can harm another."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.exc import OperationalError
from support.books import Books
from support.load import LATER, House, in_turn, open_load
from support.uploads import SimGateway
from tallystick_cloud import schema
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.db import Database
from tallystick_cloud.errors import Busy, CloudError
from tallystick_cloud.ingest import commit
from tallystick_cloud.ingest.commit import Commits
from tallystick_cloud.ingest.group import Sent, ingest_group
from tallystick_cloud.ingest.work import ChannelWork
from tallystick_protocol.batch import Upload
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.errors import ProtocolError

HOUSES = 3


@pytest.fixture
def town() -> Iterator[tuple[Books, list[House]]]:
    """On SQLite in memory."""
    yield from begun("sqlite://")


@pytest.fixture
def either_town(either_url: str) -> Iterator[tuple[Books, list[House]]]:
    yield from begun(either_url)


def begun(url: str) -> Iterator[tuple[Books, list[House]]]:
    books, houses = open_load(url, HOUSES)
    together(books, [(house, house.begin()) for house in houses])
    yield books, houses
    books.database.close()


def sent(house: House, upload: bytes) -> Sent:
    return Sent(house.gateway.gid, upload, LATER)


def together(books: Books, uploads: list[tuple[House, bytes]]) -> list[ReceiptStatus | None]:
    """In one transaction; what became of each."""
    group = [sent(*one) for one in uploads]
    found = books.database.write_now(ingest_group, books.aggregator, group)
    return [None if one is None else one.receipt.status for one in found]


def money(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """What an upload leaves, without moments and journal numbers."""
    columns = {
        schema.use_frame: ("id", "channel_hash", "contract", "payer", "level", "parties"),
        schema.use_row: ("use_id", "frame", "end_ms", "from_total", "to_total", "batch", "fee", "shares", "counters"),
        schema.rerating: ("use_id", "revision", "fee", "shares", "counters"),
        schema.counter: ("counter", "position", "value"),
        schema.channel: ("channel_hash", "billed_total", "last_use", "last_pagination", "last_event", "tail"),
        schema.balance: ("holder", "account", "party", "chain", "amount"),
        schema.journal: ("key", "cause", "cause_ref", "metered_from_ms", "metered_to_ms"),
        schema.open_use: ("channel_hash", "number", "state"),
        schema.gateway_head: ("gid", "epoch", "next_seq", "head"),
        schema.gateway_contact: ("gid", "batches", "readings"),
        schema.batch: ("hash", "seq", "prev", "envelope", "standing", "readings", "leaf"),
        schema.part: ("batch", "position", "channel", "salt", "data", "standing", "reason"),
        schema.log_leaf: ("leaf", "h", "leaf_hash"),
        schema.log_head: ("size", "root"),
    }
    return {
        table.name: sorted(tuple(row) for row in conn.execute(select(*(table.c[name] for name in names))))
        for table, names in columns.items()
    }


def test_together_and_one_by_one_give_the_same_books(either_town: tuple[Books, list[House]]) -> None:
    books, houses = either_town
    rounds = [list(in_turn(houses, kind, HOUSES)) for kind in ("intervals", "events", "single", "events")]
    with books.database.engine.connect() as conn, conn.begin() as transaction:
        for uploads in rounds:
            outcomes = ingest_group(conn, books.aggregator, [sent(*one) for one in uploads])
            assert [one is not None for one in outcomes] == [True] * HOUSES
        as_groups = money(conn)
        transaction.rollback()
    for uploads in rounds:
        for house, upload in uploads:
            assert books.send(house.gateway, upload, LATER).receipt.status is ReceiptStatus.ACCEPTED
    assert as_groups == books.database.read_now(money)
    assert len(as_groups["use"]) == HOUSES * (60 + 20 + 1 + 20)
    assert books.audit() == []


def test_a_book_is_the_same_object_until_its_contracts_or_their_users_change(
    either_town: tuple[Books, list[House]],
) -> None:
    books, _ = either_town
    read = partial(books.database.write_now, contracts.book, books.community)
    before = read()
    assert read() is before
    (user,) = [row["id"] for row in books.rows(schema.party) if row["name"] == "house-0 flat 1"]
    flat = before.of_channel("house-0-flat-1", "1-0:1.8.0").at(LATER)
    assert flat is not None
    assert flat.payer == user
    assert isinstance(user, bytes)
    books.database.write_now(contracts.erase_user, books.community, user)
    after = read()
    erased = after.of_channel("house-0-flat-1", "1-0:1.8.0").at(LATER)
    assert erased is not None
    assert erased.payer is None
    books.database.write_now(contracts.put_in_force, flat.version.h, "ended", None)
    assert len(read().versions) == len(after.versions) - 1


def test_what_is_not_the_next_batch_is_left_alone_and_changes_nothing(town: tuple[Books, list[House]]) -> None:
    books, (one, two, three) = town
    first, second = one.intervals(), one.intervals()
    opened = Upload.decode(three.intervals())
    unsigned = Upload(opened.envelope[:-1] + bytes([opened.envelope[-1] ^ 1]), opened.parts).encode()
    before = books.dump()
    assert together(books, [(one, second)]) == [None]
    assert together(books, [(two, b"no upload")]) == [None]
    assert together(books, [(House("stranger", SimGateway("stranger")), first), (three, unsigned)]) == [None, None]
    assert books.dump() == before
    assert together(books, [(one, first)]) == [ReceiptStatus.ACCEPTED]
    after = books.dump()
    assert together(books, [(one, first)]) == [None]
    assert books.dump() == after


def fails_for(monkeypatch: pytest.MonkeyPatch, gid: bytes) -> None:
    """A program that cannot cut what this gateway reads."""
    cut = ChannelWork.cut_intervals

    def cut_or_fail(work: ChannelWork) -> None:
        if work.gid == gid:
            raise ZeroDivisionError("a bug")
        cut(work)

    monkeypatch.setattr(ChannelWork, "cut_intervals", cut_or_fail)


async def all_of(commits: Commits, uploads: list[tuple[House, bytes]]) -> list[object]:
    return await asyncio.gather(*(commits.take(sent(*one)) for one in uploads), return_exceptions=True)


async def test_one_upload_that_the_program_fails_on_costs_the_others_nothing(
    town: tuple[Books, list[House]], monkeypatch: pytest.MonkeyPatch
) -> None:
    books, houses = town
    fails_for(monkeypatch, houses[1].gateway.gid)
    found = await all_of(Commits(books.database, books.aggregator), list(in_turn(houses, "intervals", HOUSES)))
    assert [one.receipt.status for one in found] == [ReceiptStatus.ACCEPTED] * HOUSES  # type: ignore[attr-defined]
    assert [len(one.receipt.quarantined) for one in found] == [0, 4, 0]  # type: ignore[attr-defined]
    assert len(books.rows(schema.use)) == 2 * 60
    assert books.audit() == []


async def test_lost_commit_of_a_group_tells_everybody_and_all_may_come_again(
    either_town: tuple[Books, list[House]], monkeypatch: pytest.MonkeyPatch
) -> None:
    books, houses = either_town
    uploads = list(in_turn(houses, "events", HOUSES))
    before = books.dump()

    def gone(*_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    with monkeypatch.context() as patch:
        patch.setattr(books.database.engine.dialect, "do_commit", gone)
        found = await all_of(Commits(books.database, books.aggregator), uploads)
    assert [type(one) for one in found] == [Busy] * HOUSES
    assert "server closed the connection" in str(found[0])
    assert books.dump() == before
    again = await all_of(Commits(books.database, books.aggregator), uploads)
    assert [one.receipt.status for one in again] == [ReceiptStatus.ACCEPTED] * HOUSES  # type: ignore[attr-defined]


async def test_a_gateway_with_several_uploads_under_way_is_taken_in_its_order(
    town: tuple[Books, list[House]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none of them needs a second try: the next one goes into a group when the one before is committed."""
    books, houses = town
    monkeypatch.setattr(commit, "ingest", None)
    uploads = [one for _ in range(3) for one in in_turn(houses, "intervals", HOUSES)]
    found = await all_of(Commits(books.database, books.aggregator), uploads)
    assert [one.receipt.status for one in found] == [ReceiptStatus.ACCEPTED] * len(uploads)  # type: ignore[attr-defined]
    assert [one.receipt.from_seq for one in found[::HOUSES]] == [2, 3, 4]  # type: ignore[attr-defined]
    assert books.audit() == []


async def test_refusals_come_through_the_group_as_they_are(town: tuple[Books, list[House]]) -> None:
    books, (one, two, three) = town
    first, second = one.intervals(), one.intervals()
    stranger = House("stranger", SimGateway("stranger"))
    commits = Commits(books.database, books.aggregator)
    found = await all_of(commits, [(two, two.events()), (stranger, first), (three, b"no upload"), (one, second)])
    assert found[0].receipt.status is ReceiptStatus.ACCEPTED  # type: ignore[attr-defined]
    assert isinstance(found[1], CloudError)
    assert isinstance(found[2], ProtocolError)
    assert found[3].receipt.status is ReceiptStatus.OUT_OF_ORDER  # type: ignore[attr-defined]


def statements(database: Database) -> list[str]:
    found: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: found.append(args[2]))
    return found


def test_statements_of_a_group_do_not_grow_with_it(town: tuple[Books, list[House]]) -> None:
    books, houses = town
    found = statements(books.database)
    counts = []
    for number in (1, HOUSES):
        uploads = list(in_turn(houses, "intervals", HOUSES))
        found.clear()
        together(books, uploads[:number])
        counts.append(len(found))
        together(books, uploads[number:])
    assert counts[0] <= 27
    assert counts[1] <= counts[0] + HOUSES - 1  # on SQLite each journal is asked for its number


async def test_what_was_known_at_a_moment_stays_whoever_is_written_first(town: tuple[Books, list[House]]) -> None:
    """Uploads that came later may be written earlier: none is recorded before one that stands in the books already."""
    books, houses = town
    commits = Commits(books.database, books.aggregator)
    for order in ((2, 0, 1), (0, 2, 1)):
        uploads = [
            Sent(house.gateway.gid, upload, LATER + order[at] * 1_000)
            for at, (house, upload) in enumerate(in_turn(houses, "intervals", HOUSES))
        ]
        await asyncio.gather(*(commits.take(one) for one in uploads))
    times = [row["recorded_ms"] for row in sorted(books.rows(schema.journal), key=lambda row: row["id"])]  # type: ignore[arg-type, return-value]
    assert len(times) == 2 * HOUSES
    assert times == sorted(times)  # type: ignore[type-var]


async def test_a_server_clock_that_was_far_ahead_is_believed_no_longer_once_it_is_set_right(
    town: tuple[Books, list[House]],
) -> None:
    """Its time stands in receipts, which gateways without a clock go by."""
    books, houses = town
    commits = Commits(books.database, books.aggregator)
    times = []
    for now_ms in (LATER + 3_600_000, LATER, LATER + 1_000):
        ((house, upload),) = in_turn(houses[:1], "intervals", 1)
        done = await commits.take(Sent(house.gateway.gid, upload, now_ms))
        times.append(done.receipt.server_ms)
    assert times == [LATER + 3_600_000, LATER, LATER + 1_000]
