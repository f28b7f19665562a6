"""The aggregator: the real use cases behind the real front, on a SQLite engine of this process, called inline.
It may die before a commit or between a commit and the receipt; what it answers is checked against what is committed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from sim.chance import RandomBytes
from sim.clocks import TrueTime
from sim.rates import Rates
from sim.sql import QuickConnection
from sim.town import COMMUNITY, MIDNIGHT_MS, Town
from sim.trace import Kind, Trace
from sqlalchemy import Connection, Engine, select
from tallystick_cloud import schema
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database, engine_of
from tallystick_cloud.errors import CloudError
from tallystick_cloud.ledger.period import close
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.log import store as log_store
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.ports import NoEvents
from tallystick_cloud.uplink import Uplink
from tallystick_edge.uplink.transport import Incoming
from tallystick_edge.uplink.transport import Kind as MessageKind
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.receipt import Receipt

FINAL = (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
THINKING_S = 0.004  # one transaction takes about this long; others come in between


class ServerDied(Exception):
    """The process is gone; whoever asked hears nothing."""


@cache
def engine() -> Engine:
    """One per process; every world begins by loading the town into it."""
    return engine_of("sqlite://")


@cache
def connection() -> Connection:
    """That engine's one connection, kept: asking the pool for it costs more than BEGIN and COMMIT do."""
    return QuickConnection(engine())


@cache
def books() -> sqlite3.Connection:
    """The same without SQLAlchemy, for whoever needs no statement built. No transaction is open between steps."""
    found = connection().connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


class InlineDatabase(Database):
    """The same two calls without threads, and with the faults of a process that may die at its commit."""

    def __init__(self, server: Server) -> None:
        self.engine, self.is_sqlite, self._server = engine(), True, server

    async def write(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(THINKING_S)
        self._server.check_alive()
        with connection().begin():
            done = fn(connection(), *args, **kwargs)
            self._server.before_commit()
        self._server.after_commit()
        await asyncio.sleep(0)
        return done

    async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        self._server.check_alive()
        return self.read_now(fn, *args, **kwargs)

    def read_now(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        with connection().begin() as looking:
            try:
                return fn(connection(), *args, **kwargs)
            finally:
                looking.rollback()


class Server:
    """One aggregator. `on_death`: who is told that every connection is gone."""

    def __init__(self, town: Town, true: TrueTime, rates: Rates, chance: Random, trace: Trace) -> None:
        self._true, self._rates, self._chance, self._trace = true, rates, chance, trace
        context = town.aggregator.of(COMMUNITY)
        self._context = context
        self._aggregator = Aggregator({COMMUNITY: context}, town.aggregator.authority, RandomBytes(chance))
        self.calm = True
        self.up = False
        self.lives = 0
        self.busy_until_s = 0.0
        self.receipts: dict[tuple[bytes, int, int], bytes] = {}
        self.notes: list[tuple[int, bytes]] = []
        self.on_death: Callable[[], None] = lambda: None
        books().deserialize(town.image)
        self.database = InlineDatabase(self)
        self.boot()

    def boot(self) -> None:
        self.up = True
        self.lives += 1
        self._uplink = Uplink(self.database, self._aggregator, self._true, lambda: datetime.now(UTC), NoEvents())

    def die(self, why: str) -> None:
        if self.up:
            self.up = False
            self._trace.tell("server", "server-dies", why)
            self.on_death()

    def check_alive(self) -> None:
        if not self.up:
            raise ServerDied

    def before_commit(self) -> None:
        self.check_alive()
        if not self.calm and self._chance.random() < self._rates.server_commit_fails:
            self.die("before a commit")
            raise ServerDied

    def after_commit(self) -> None:
        if not self.calm and self._chance.random() < self._rates.server_dies_after_commit:
            self.die("between commit and receipt")
            raise ServerDied

    async def hello(self, gid: bytes, data: bytes, transport: str) -> Incoming:
        """Raises ServerDied or CloudError."""
        self.check_alive()
        return Incoming(MessageKind.STATE, await self._uplink.hello(gid, data, transport))

    async def batch(self, gid: bytes, place: tuple[int, int] | None, data: bytes) -> Incoming:
        """Raises ServerDied or CloudError."""
        self.check_alive()
        if asyncio.get_running_loop().time() < self.busy_until_s:
            answer = await self._uplink._later(gid, data, 2_000)
        else:
            answer = await self._uplink.batch(gid, data, place)
        self._check_receipt(gid, answer)
        return Incoming(MessageKind.RECEIPT, answer)

    def _check_receipt(self, gid: bytes, envelope: bytes) -> None:
        """A final receipt says that its batch is committed, and no receipt ever says otherwise."""
        receipt = Receipt.decode(cose.parse(envelope).payload)
        self._trace.tell("server", "receipt", f"{gid.hex()[:4]} {receipt.epoch}/{receipt.to_seq} {receipt.status.name}")
        if receipt.status not in FINAL:
            return
        place = gid, receipt.epoch, receipt.to_seq
        if not self.holds(gid, receipt.epoch, receipt.to_seq, receipt.hash):
            self._trace.wrong(
                f"receipt for {receipt.epoch}/{receipt.to_seq} of a batch that is not committed", Kind.LOST
            )
        if self.receipts.setdefault(place, receipt.hash) != receipt.hash:
            self._trace.wrong(f"two final receipts for {receipt.epoch}/{receipt.to_seq} with different hashes")

    def holds(self, gid: bytes, epoch: int, seq: int, digest: bytes) -> bool:
        """Whether the committed books hold this batch."""
        found = books().execute("SELECT gid, epoch, seq FROM batch WHERE hash = ?", (digest,)).fetchall()
        return (gid, epoch, seq) in found

    async def checkpoint(self) -> None:
        """Sign the log's head; a witness keeps what it saw."""
        if not self.up:
            return
        try:
            await self.database.write(checkpoint, self._context, self._true.utc_ms())
        except ServerDied:
            return
        head = self.database.read_now(log_store.read_head, COMMUNITY)
        assert head is not None
        self.notes.append((head.size, head.root))

    def uses(self) -> list[bytes]:
        """Ids of all uses that are in the books."""
        with self.database.engine.connect() as conn:
            return sorted(bytes(each) for each in conn.execute(select(schema.use.c.use_id)).scalars())

    async def reverse(self, use: bytes) -> None:
        """Decide that a use never was, once more when the answer did not come."""
        for _ in range(2):
            try:
                await self.database.write(reverse, COMMUNITY, use, "it never ran", self._true.utc_ms())
            except CloudError as error:
                self._trace.tell("server", "reversal-refused", type(error).__name__)
            except ServerDied:
                self._trace.tell("server", "reversal-fails", use.hex()[:8])
                await asyncio.sleep(60)
                continue
            else:
                self._trace.tell("server", "reversed", use.hex()[:8])
            return

    async def close_period(self) -> bool:
        """Close the day that midnight ended; True when it is done."""
        if not self.up:
            return False
        try:
            await self.database.write(close, COMMUNITY, MIDNIGHT_MS - 1, self._true.utc_ms())
        except (ServerDied, CloudError) as error:
            self._trace.tell("server", "close-fails", type(error).__name__)
            return False
        self._trace.tell("server", "period-closed")
        return True
