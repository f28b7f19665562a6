"""The aggregator itself behind TLS on localhost, in the test's own process: its gateway port, database and backups."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from sqlalchemy import Connection, Table, select
from support import edge_online
from support.books import ENERGY, TOWN, WASHES, context_for
from support.edge import HandClock
from support.tables import make_tables
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.ca import create_authority, server_files
from tallystick_cloud.clock import real_utc, real_utc_ms
from tallystick_cloud.commands.witness import begun
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.gateways.api import gateway_routes
from tallystick_cloud.gateways.claims import file_text
from tallystick_cloud.http.listeners import gateway_tls, open_socket, port_of, serve_on
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.route import Port
from tallystick_cloud.http.serve import bind
from tallystick_cloud.http.sessions import DatabaseDoorkeeper
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.town.service import found
from tallystick_cloud.town.toml import load_town
from tallystick_cloud.uplink import Uplink

SINCE = "2026-05-01"  # before the tests' clock begins


class _Silent:
    def publish(self, kind: str, data: object) -> None:
        return


class _OnTheWay(Uplink):
    """A broker or proxy in between that a test may make do what it likes."""

    def __init__(self, real: RealAggregator) -> None:
        super().__init__(real.database, real.aggregator, real.clock, real_utc, _Silent())
        self._real = real

    async def batch(self, gid: bytes, upload: bytes, path: tuple[int, int] | None = None) -> bytes:
        return await super().batch(gid, self._real.on_the_way(upload), path)


class RealAggregator:
    """A founded community with one site: energy on channel 1 (serial 4711), washes on channel 11."""

    def __init__(self, folder: Path, clock: HandClock, town: str = TOWN) -> None:
        self.clock = clock
        self.file = folder / "cloud.db"
        town = town.replace("number = 2", "number = 11").replace('serial = "S1"', 'serial = "4711"')
        (folder / "town.toml").write_text(town)
        (folder / "washes.toml").write_text(WASHES.replace("2026-10-01", SINCE))
        (folder / "energy.toml").write_text(ENERGY.replace("2026-10-01", SINCE))
        loaded = load_town(folder / "town.toml")
        self.community = loaded.id
        self._tls = folder / "ca"
        self._authority = create_authority(self._tls, ("localhost", "127.0.0.1"), datetime.now(UTC))
        context = replace(context_for(loaded.id, loaded.log_origin), signed=folder)
        entropy = Randomness("aggregator")
        self.aggregator = Aggregator({loaded.id: context}, self._authority, entropy)
        self.database = Database(f"sqlite:///{self.file}")
        make_tables(self.database)
        self._claims = self.database.write_now(found, context, loaded, entropy, clock.utc_ms()).claims
        self.port = 0
        self.on_the_way: Callable[[bytes], bytes] = lambda upload: upload
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        uplink = _OnTheWay(self)
        pages = Pages(self.clock, is_demo=False)
        app = bind(gateway_routes(uplink), Port.GATEWAY, DatabaseDoorkeeper(self.database, real_utc_ms), pages.error)
        certificate, key = server_files(self._authority, self._tls, ("localhost", "127.0.0.1"), datetime.now(UTC))
        opened = open_socket("127.0.0.1", self.port)
        self.port = port_of(opened)
        self._runner = await serve_on(app, opened, gateway_tls(certificate, key, self._authority.pem.decode()))
        self._task = asyncio.create_task(uplink.run())

    async def stop(self) -> None:
        """Ends the port; the database stays open for the test to look at."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def claim_toml(self) -> str:
        server = f"https://localhost:{self.port}"
        return file_text(self._claims["cellar"], "cellar", server, self._authority.pem.decode())

    def back_up(self, to: Path) -> None:
        """As an operator does: a copy of the database while it runs."""
        with closing(sqlite3.connect(self.file)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)

    async def restore(self, backup: Path) -> None:
        """The server comes back with the database of another time."""
        await self.stop()
        self._put_back(backup)
        await self.start()

    def _put_back(self, backup: Path) -> None:
        self.database.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(self.file)) as copy:
            source.backup(copy)
        self.database = Database(f"sqlite:///{self.file}")

    def sign(self) -> bytes:
        """The checkpoint that everybody may see."""
        return self.database.write_now(checkpoint, self.aggregator.of(self.community), self.clock.utc_ms())

    def begin_epoch(self) -> str:
        """What `tallystick restore` does, and `tallystick log begin-epoch`."""
        context, now_ms = self.aggregator.of(self.community), self.clock.utc_ms()
        return self.database.write_now(begun, context, self.aggregator.entropy, now_ms, "a test")

    def rows(self, table: Table) -> list[dict[str, object]]:
        def read(conn: Connection) -> list[dict[str, object]]:
            return [dict(row._mapping) for row in conn.execute(select(table))]

        return self.database.read_now(read)

    def audit(self) -> list[str]:
        return self.database.read_now(audit)

    def batches(self) -> list[tuple[int, int]]:
        """(epoch, seq) in the order of the log."""
        return [(row["epoch"], row["seq"]) for row in sorted(self.rows(schema.batch), key=lambda row: row["leaf"])]  # type: ignore[misc,arg-type,return-value]

    def washes(self) -> list[tuple[int, int]]:
        """(number, total after it) of every use of the washing machine that was not aborted."""
        mine = [row for row in self.rows(schema.use) if row["form"] == "event" and not row["aborted"]]
        return sorted((row["number"], row["to_total"]) for row in mine)  # type: ignore[misc]

    def channel(self, number: int) -> dict[str, object]:
        return next(row for row in self.rows(schema.channel) if row["channel"] == number)


Gateway = edge_online.Gateway[RealAggregator]
"""A gateway that talks to it."""
