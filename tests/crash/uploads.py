"""Kills processes that take uploads in, connections and the whole PostgreSQL under load, again and again, while
gateways send what was not acknowledged once more; then the books must hold every batch once.

    python tests/crash/uploads.py --kills 100 [--seed SEED]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from support import postgres
from support.load import LATER, House, open_load
from tallystick_cloud import schema
from tallystick_cloud.errors import Busy
from tallystick_cloud.ingest.rate import Rate
from tallystick_cloud.ingest.workers import Workers
from tallystick_cloud.ports import NoEvents
from tallystick_cloud.uplink import Uplink
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.receipt import Receipt

HOUSES = 12
GROUP_MAX = 4  # so that groups are full, and three of them are under way
WORKERS = 2
USES = 60  # of a batch
BETWEEN = (5, 60)  # batches acknowledged from one kill to the next
AGAIN_S = 0.2  # until a process that died is replaced
RESEND_S = 0.1
ACKNOWLEDGED = (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
WORKER, CONNECTION, SERVER = "worker", "connection", "server"
VICTIMS = (*[WORKER] * 5, *[CONNECTION] * 4, SERVER)  # a server takes a second or two to come back


class Clock:
    """One moment: nothing here is about time."""

    def utc_ms(self) -> int:
        return LATER


@dataclass(slots=True)
class Outcome:
    """What a run showed. `amiss`: one sentence per thing that must not be."""

    kills: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    again: int = 0  # uploads that were sent once more
    amiss: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Storm:
    """Gateways that send, and somebody who kills."""

    def __init__(self, cluster: postgres.Cluster, url: str, seed: str) -> None:
        self._cluster, self._url, self._random = cluster, url, Random(seed)
        self.books, self._houses = open_load(url, HOUSES)
        for house in self._houses:
            self.books.send(house.gateway, house.begin(), LATER)
        db, aggregator = self.books.database, self.books.aggregator
        self.workers = Workers(db, aggregator, WORKERS, AGAIN_S)
        no_limit = Rate(batch_ms=0)
        self._uplink = Uplink(
            db, aggregator, Clock(), partial(datetime.now, UTC), NoEvents(), no_limit, GROUP_MAX, self.workers
        )
        self._acknowledged = asyncio.Condition()
        self._over = False
        self.outcome = Outcome()

    async def run(self, kills: int) -> None:
        async with asyncio.TaskGroup() as group:
            for house in self._houses:
                group.create_task(self._gateway(house))
            while self.outcome.kills.total() < kills:
                await self._batches(self._random.randint(*BETWEEN))
                await self._kill(self._random.choice(VICTIMS))
            await self._batches(BETWEEN[1])
            self._over = True

    async def _gateway(self, house: House) -> None:
        while not self._over:
            upload = house.intervals()
            while not await self._is_acknowledged(house, upload):
                self.outcome.again += 1
                await asyncio.sleep(RESEND_S)
            self.outcome.batches += 1
            async with self._acknowledged:
                self._acknowledged.notify_all()

    async def _is_acknowledged(self, house: House, upload: bytes) -> bool:
        try:
            answer = await self._uplink.batch(house.gateway.gid, upload)
        except Busy:
            return False
        status = Receipt.decode(cose.parse(answer).payload).status
        if status not in (*ACKNOWLEDGED, ReceiptStatus.BUSY):
            raise AssertionError(f"{house.name}: {status.name}")
        return status in ACKNOWLEDGED

    async def _batches(self, count: int) -> None:
        """Until so many more are acknowledged."""
        wanted = self.outcome.batches + count
        async with self._acknowledged:
            await self._acknowledged.wait_for(lambda: self.outcome.batches >= wanted)

    async def _kill(self, victim: str) -> None:
        kill: dict[str, Callable[[], Awaitable[bool]]] = {
            WORKER: self._kill_worker,
            CONNECTION: self._kill_connection,
            SERVER: self._kill_server,
        }
        if await kill[victim]():
            self.outcome.kills[victim] += 1

    async def _kill_worker(self) -> bool:
        """One that takes uploads now; false when load has not called for one again."""
        pids = self.workers.pids()
        if pids:
            os.kill(self._random.choice(pids), signal.SIGKILL)
        return bool(pids)

    async def _kill_connection(self) -> bool:
        """One that is in the middle of a transaction, as a network does that breaks."""
        query = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND xact_start IS NOT NULL
                   ORDER BY pid LIMIT 1"""
        name = self._url.rsplit("/", 1)[-1]
        with psycopg.connect(f"{self._cluster.url}/postgres", autocommit=True) as conn:
            return conn.execute(query, (name,)).fetchone() is not None

    async def _kill_server(self) -> bool:
        self._cluster.kill()
        await asyncio.to_thread(self._cluster.start)
        return True

    def judge(self) -> None:
        """Every batch that was sent is there once, with all its uses, and the books are true."""
        outcome, books = self.outcome, self.books
        batches = len(books.rows(schema.batch)) - HOUSES  # without the first of each gateway
        if batches != outcome.batches:
            outcome.amiss.append(f"{outcome.batches} batches acknowledged, {batches} in the books")
        uses = len(books.rows(schema.use_row))
        if uses != outcome.batches * USES:
            outcome.amiss.append(f"{outcome.batches * USES} uses sent, {uses} billed")
        outcome.amiss += books.audit()


async def storm(kills: int, seed: str) -> Outcome:
    begun = time.monotonic()
    with postgres.running() as cluster, postgres.database(cluster.url) as url:
        played = Storm(cluster, url, seed)
        try:
            await played.run(kills)
            played.judge()
        finally:
            played.workers.close()
            played.books.database.close()
    played.outcome.seconds = time.monotonic() - begun
    return played.outcome


def describe(outcome: Outcome) -> str:
    kills = ", ".join(f"{count} x {victim}" for victim, count in sorted(outcome.kills.items()))
    told = f"killed {kills}; {outcome.batches} batches, sent again {outcome.again} times; {outcome.seconds:.0f} s"
    return "\n".join([told, *outcome.amiss])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    given = parser.parse_args()
    print(f"seed {given.seed}")
    outcome = asyncio.run(storm(given.kills, given.seed))
    print(describe(outcome))
    return 1 if outcome.amiss else 0


if __name__ == "__main__":
    sys.exit(main())
