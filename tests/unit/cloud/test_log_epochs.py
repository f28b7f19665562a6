"""A database that was set back never forks its log: nothing is signed until a new epoch begins, under another name."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from support import backups
from support.books import DAY, T0, Books
from support.uploads import SimGateway
from tallystick_cloud import schema
from tallystick_cloud.backup.measure import measure
from tallystick_cloud.checkpoints import CheckpointKeeper
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import CloudError, Conflict, KeyStoreError, LogSetBack
from tallystick_cloud.log import cosign, epochs, signed_file
from tallystick_cloud.log.signing import checkpoint
from tallystick_protocol import cose
from tallystick_protocol.batch import LogView
from tallystick_protocol.checkpoint import Checkpoint, epoch_of, log_id, open_in_any_epoch
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.note import Note
from tallystick_protocol.records import Continuation

NOW = T0 + 2 * DAY


class Server:
    """Books in a file, the record beside the log's key, and every checkpoint that anybody ever saw."""

    def __init__(self, folder: Path, used: tuple[Books, SimGateway]) -> None:
        self.file = folder / "cloud.db"
        self.books, self.gateway = backups.copied(*used, self.file)
        (folder / "keys").mkdir()
        self.context = replace(self.books.aggregator.of(self.books.community), signed=folder / "keys")
        self.books.aggregator = Aggregator(
            {self.context.community: self.context}, self.books.aggregator.authority, self.books.aggregator.entropy
        )
        self.seen: dict[tuple[str, int], H32] = {}
        self.uses = 3

    @property
    def record(self) -> Path:
        assert self.context.signed is not None
        return self.context.signed / signed_file.NAME

    def sign(self, now_ms: int = NOW) -> Checkpoint:
        """Sign; whoever watches sees no two heads of one size under one name."""
        note = self.books.run(checkpoint, self.context, now_ms)
        assert isinstance(note, bytes)
        found, _ = open_in_any_epoch(note, self.context.log_origin, public_key_of(self.context.keys.log))
        assert self.seen.setdefault((found.origin, found.size), found.root) == found.root, "two heads of one size"
        return found

    def use(self, count: int = 1) -> None:
        for _ in range(count):
            self.uses += 1
            backups.use(self.books, self.gateway, self.uses)

    def copy(self, to: Path) -> Path:
        with closing(sqlite3.connect(self.file)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)
        return to

    def put_back(self, copy: Path) -> None:
        """A file copied over the database, without any command of ours."""
        self.books.database.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, self.file)
        self.books.database = Database(f"sqlite:///{self.file}")

    def begin(self, now_ms: int = NOW, why: str = "a test") -> Checkpoint:
        self.books.run(epochs.begin, self.context, self.books.aggregator.entropy, now_ms, why)
        return self.sign(now_ms)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Books, SimGateway]]:
    books, gateway = backups.used_books(f"sqlite:///{tmp_path_factory.mktemp('used') / 'cloud.db'}")
    yield books, gateway
    books.database.close()


@pytest.fixture
def server(tmp_path: Path, used: tuple[Books, SimGateway]) -> Iterator[Server]:
    made = Server(tmp_path, used)
    yield made
    made.books.database.close()


def test_a_copied_back_database_signs_nothing_until_a_new_epoch_begins(server: Server, tmp_path: Path) -> None:
    old = server.copy(tmp_path / "old.db")
    server.use(2)
    before = server.sign()
    server.put_back(old)
    with pytest.raises(LogSetBack, match=r"signed 27 entries .* has 25 .*tallystick log begin-epoch --community"):
        server.sign()
    with pytest.raises(LogSetBack):
        server.books.database.read_now(epochs.check_all, [server.context])
    after = server.begin()
    assert after.origin == f"{before.origin}/e{NOW // 1000}"
    assert after.size == 26
    server.uses, server.gateway = 3, replace_chain(server)
    server.use(2)
    assert server.sign(NOW + 1).size == 28
    assert server.books.audit() == []


def replace_chain(server: Server) -> SimGateway:
    """The gateway goes on where the books are, as a real one does after State."""
    (row,) = server.books.rows(schema.gateway_head)
    server.gateway.seq, server.gateway.prev = int(str(row["next_seq"])), H32(bytes(row["head"]))  # type: ignore[call-overload]
    return server.gateway


def test_a_longer_log_of_another_branch_is_no_continuation_either(server: Server, tmp_path: Path) -> None:
    """The copy grew past what was signed, for instance under a server with another folder."""
    old = server.copy(tmp_path / "old.db")
    server.use(1)
    server.sign()
    server.put_back(old)
    replace_chain(server)
    server.gateway.random.bytes(1)  # the same uses, signed anew
    server.uses = 3
    server.use(3)
    with pytest.raises(LogSetBack):
        server.sign()


def test_books_that_are_complete_need_no_new_epoch(server: Server, tmp_path: Path) -> None:
    server.use(1)
    server.sign()
    newest = server.copy(tmp_path / "newest.db")
    server.put_back(newest)
    assert server.books.database.read_now(epochs.continues, server.context)
    server.use(1)
    assert server.sign(NOW + 1).origin == server.context.log_origin


def test_the_same_backup_twice_makes_two_epochs_and_the_second_names_what_the_first_signed(
    server: Server, tmp_path: Path
) -> None:
    old = server.copy(tmp_path / "old.db")
    server.use(2)
    server.sign()
    server.put_back(old)
    first = server.begin()
    replace_chain(server)
    server.uses = 3
    server.use(1)
    server.sign(NOW + 5)
    server.put_back(old)
    second = server.begin(NOW)  # the clock stands still, and yet
    assert second.origin != first.origin
    assert second.size == first.size == 26
    (row,) = server.books.rows(schema.log_epoch)
    record = Continuation.decode(cose.parse(bytes(row["envelope"])).payload)  # type: ignore[call-overload]
    assert [(one.epoch, one.size) for one in record.lost] == [(NOW // 1000, 27)]


def test_an_epoch_that_was_left_is_never_signed_again(server: Server, tmp_path: Path) -> None:
    """After the new epoch the newer database of the old one comes back: that would be two logs as well."""
    old = server.copy(tmp_path / "old.db")
    server.use(2)
    server.sign()
    newer = server.copy(tmp_path / "newer.db")
    server.put_back(old)
    server.begin()
    server.put_back(newer)
    replace_chain(server)
    server.use(1)
    with pytest.raises(LogSetBack):
        server.sign(NOW + 1)


def test_crash_between_the_record_and_the_commit_loses_no_name(server: Server) -> None:
    """The record is durable before the checkpoint is: the log that it names is committed already, so it still fits."""
    server.use(1)

    def dies(conn: object) -> None:
        checkpoint(conn, server.context, NOW)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.books.run(dies)
    assert signed_file.read(server.context.signed or Path()) is not None
    assert server.sign(NOW + 1).size == 26


def test_a_damaged_record_stops_the_signing(server: Server) -> None:
    server.sign()
    for content in ("", "{}", '{"origin": "x", "size": -1, "root": ""}', server.record.read_text()[:-9]):
        server.record.write_text(content)
        server.use(1)
        with pytest.raises(KeyStoreError, match="never remove it"):
            server.sign(NOW + 1)


def test_a_witness_brings_the_larger_log_of_a_machine_that_came_back_whole(server: Server, tmp_path: Path) -> None:
    """An image of the machine brings database and record of the same day; only somebody outside knows better."""
    old = server.copy(tmp_path / "old.db")
    record = server.record.read_bytes() if server.record.exists() else None
    server.use(2)
    note = server.books.run(checkpoint, server.context, NOW)
    assert isinstance(note, bytes)
    server.put_back(old)
    server.record.unlink() if record is None else server.record.write_bytes(record)
    server.sign(NOW)
    with pytest.raises(LogSetBack, match="older than what was signed"):
        server.books.run(cosign.accept, server.context, note)
    server.uses = 3
    replace_chain(server)
    server.use(1)
    with pytest.raises(LogSetBack):
        server.sign(NOW + 1)
    server.begin(NOW + 2)
    with pytest.raises(Conflict, match="before it was set back"):
        server.books.run(cosign.accept, server.context, note)


def test_a_checkpoint_that_somebody_else_signed_stops_nothing(server: Server) -> None:
    server.sign()
    other = replace(server.context, keys=replace(server.context.keys, log=server.context.keys.root))
    note = server.books.database.read_now(lambda conn: checkpoint(conn, replace(other, signed=None), NOW + 2 * DAY))
    big = Note.decode(note).encode().replace(b"\n25\n", b"\n99\n")
    with pytest.raises(CloudError, match="never signed here"):
        server.books.run(cosign.accept, server.context, big)
    server.use(1)
    server.sign(NOW + 1)


@pytest.mark.parametrize(
    ("view", "raised"),
    [
        (lambda first, size: LogView(first, size + 1, H32(bytes(32))), True),
        (lambda first, size: LogView(first, size, H32(bytes(32))), False),
        (lambda first, size: None, False),
    ],
    ids=["larger", "as large", "none"],
)
def test_a_gateway_that_saw_more_than_there_is_raises_an_alarm(
    server: Server, view: Callable[[bytes, int], LogView | None], raised: bool
) -> None:
    (head,) = server.books.rows(schema.log_head)
    after = int(str(head["size"])) + 1
    upload = server.gateway.seal([], log=view(log_id(server.context.keys.log.spki), after))
    assert server.books.send(server.gateway, upload).receipt.status.name == "ACCEPTED"
    codes = {row["code"] for row in server.books.rows(schema.alarm)}
    assert ("log-set-back" in codes) == raised


def test_receipts_and_backups_name_the_epoch(server: Server) -> None:
    origin = server.begin().origin
    assert [one.origin for one in server.books.database.read_now(measure)] == [origin]
    outcome = server.books.seal_and_send(server.gateway, [])
    assert outcome.receipt.log is not None
    assert epoch_of(outcome.receipt.log.log, server.context.log_id) == NOW // 1000


async def test_keeper_says_aloud_that_it_signs_nothing(server: Server, tmp_path: Path) -> None:
    old = server.copy(tmp_path / "old.db")
    server.use(1)
    server.sign()
    server.put_back(old)

    class Clock:
        def utc_ms(self) -> int:
            return NOW + 1

    database = server.books.database
    keeper = asyncio.create_task(CheckpointKeeper(database, server.books.aggregator, Clock()).run())  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(60):
            query = select(schema.alarm.c.text).where(schema.alarm.c.code == "log-set-back")
            texts: list[str] = []
            while not texts:
                await asyncio.sleep(0.05)
                texts = database.read_now(lambda conn: list(conn.execute(query).scalars()))
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    assert "begin-epoch" in texts[0]
    server.begin(NOW + 2)
    assert [row for row in server.books.rows(schema.alarm) if row["cleared_ms"] is None] == []
