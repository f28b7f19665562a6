"""The aggregator's books on PostgreSQL beside pgbench TPC-B on the same server, and beside the same path without any.
Prints a table and one JSON line per figure; exits 1 when a goal of design/ledger.md, Speed, is missed.

    python tests/bench/bench_cloud.py [--seconds 6] [--only intervals,events,single,reads,file]

Uploads are sealed and signed before the clock runs. What is measured is from an upload's bytes to its signed receipt:
open, verify, decode, log leaf, cut, rate with a capped step and time of use, split in five, rows, balances, commit.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import psycopg
from sqlalchemy.engine import make_url
from support import postgres
from support.figures import Figure, at_least, at_most, show
from support.load import FLATS, LATER, SLICES, WASHES, in_turn, open_load
from support.money import (
    BANK,
    CHAIN,
    ELENA,
    FUND,
    HADDAD,
    HOUR,
    KOFLER,
    T0,
    contract,
    energy,
    interval,
    loan,
    price,
    ratio,
)
from support.money import rest as split_rest
from support.paper import Paper
from tallystick_cloud import garbage, schema
from tallystick_cloud.ingest.commit import GROUP_MAX
from tallystick_cloud.ingest.rate import Rate
from tallystick_cloud.ingest.workers import Workers, usual_count
from tallystick_cloud.ledger.balances import as_of, balances
from tallystick_cloud.payouts import pain001
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.ports import NoEvents
from tallystick_cloud.uplink import Uplink
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.money.rating import rate
from tallystick_protocol.money.tariff import Band, Window
from tallystick_protocol.receipt import Receipt

HOUSES = 64  # gateways that each wait for their receipt before they send on: two groups of 32 are under way
PAPER_HOUSES = 8  # whose batches never reach the database
USES = {"intervals": FLATS * SLICES, "events": WASHES, "single": 1}
CALIBRATION = 64  # batches from which the number for a run is taken
PARTS = ("intervals", "events", "single", "reads", "file")
PAYMENTS = 2_000
READS = 400
RATED = 20_000
NO_LIMIT = Rate(batch_ms=0)


@dataclass(slots=True)
class SteppingClock:
    """Goes on by 20 s each time somebody asks, so that thousands of batches are spread over days."""

    now_ms: int = LATER

    def utc_ms(self) -> int:
        self.now_ms += 20_000
        return self.now_ms


@dataclass(slots=True)
class Run:
    """What one load took. `cpu_s`: of this process and of the server's."""

    uses: int = 0
    seconds: float = 0.0
    own_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    wal_bytes: int = 0
    disk_bytes: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.uses / self.seconds


class Server:
    """The cluster of this run and what it costs."""

    def __init__(self, cluster: postgres.Cluster) -> None:
        self.url = cluster.url
        self._admin = psycopg.connect(f"{self.url}/postgres", autocommit=True)
        self._postmaster = psutil.Process(cluster.pid)

    def _one(self, query: str) -> tuple[object, ...]:
        row = self._admin.execute(query.encode()).fetchone()
        assert row is not None
        return row

    def cpu_s(self) -> float:
        """Processor seconds of all its processes that are alive, and of those that it has reaped."""
        reaped = self._postmaster.cpu_times()
        total: float = reaped.children_user + reaped.children_system
        for process in [self._postmaster, *self._postmaster.children()]:
            spent = process.cpu_times()
            total += spent.user + spent.system
        return total

    def wal_bytes(self) -> int:
        (at,) = self._one("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(at)  # type: ignore[call-overload, no-any-return]

    def disk_bytes(self, database: str) -> int:
        (size,) = self._one(f"SELECT pg_database_size('{database}')")
        return int(size)  # type: ignore[call-overload, no-any-return]

    def checkpoint(self) -> None:
        """So that no run pays for the writes of the one before it."""
        self._admin.execute("CHECKPOINT")

    def close(self) -> None:
        self._admin.close()


def pgbench(server: Server, seconds: int) -> float:
    """Transactions per second of TPC-B, scale 10, 8 clients, prepared."""
    server.checkpoint()
    done = run_pgbench(server, "-c", "8", "-j", "2", "-M", "prepared", "-T", str(seconds), "-n")
    found = re.search(r"tps = ([\d.]+) \(without", done)
    assert found, done
    return float(found[1])


def make_tpcb(server: Server) -> None:
    """The database that pgbench works in."""
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as conn:
        conn.execute("CREATE DATABASE tpcb")
    run_pgbench(server, "-i", "-s", "10", "-q")


def run_pgbench(server: Server, *words: str) -> str:
    folder, address = postgres.binaries(), make_url(server.url)
    assert folder is not None
    where = ["-h", str(address.host), "-p", str(address.port), "-U", "postgres"]
    done = subprocess.run([folder / "pgbench", *where, *words, "tpcb"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


class Bench:
    """One database with its houses; every run goes on where the one before it stopped."""

    def __init__(self, server: Server, url: str, seconds: int) -> None:
        self.server, self.url, self.seconds = server, url, seconds
        self.clock = SteppingClock()
        self.books, houses = open_load(url, HOUSES + PAPER_HOUSES)
        for house in houses:
            self.books.send(house.gateway, house.begin(), LATER)
        self.houses, self._paper_houses = houses[:HOUSES], houses[HOUSES:]
        self._paper = Paper(self.books, self._paper_houses)
        self.workers = Workers(self.books.database, self.books.aggregator, usual_count())
        asyncio.run(self._begin())

    async def _begin(self) -> None:
        """The processes for uploads are there, as they are soon after the load of a city begins."""
        tell(f"starting {usual_count()} processes for uploads ...")
        self.workers.call()
        async with asyncio.timeout(120):
            while self.workers.there < usual_count():  # noqa: ASYNC110 - once, before the clock runs
                await asyncio.sleep(0.1)

    def close(self) -> None:
        self.workers.close()
        self.books.database.close()

    def uplink(self, group_max: int = GROUP_MAX) -> Uplink:
        """What gateways reach over HTTPS or MQTT, without limits per gateway and with nobody watching."""
        db, aggregator = self.books.database, self.books.aggregator
        real_now = partial(datetime.now, UTC)
        return Uplink(db, aggregator, self.clock, real_now, NoEvents(), NO_LIMIT, group_max, self.workers)

    def measured(self, kind: str, group_max: int = GROUP_MAX) -> Run:
        """As fast as it goes for about `seconds`."""
        rate_found = self._sent(kind, CALIBRATION, group_max).rate / USES[kind]
        return self._sent(kind, max(HOUSES, int(rate_found * self.seconds)), group_max)

    def _sent(self, kind: str, count: int, group_max: int) -> Run:
        queues = self._sealed(kind, count)
        name = self.url.rsplit("/", 1)[-1]
        self.server.checkpoint()
        gc.collect()
        run = Run(count * USES[kind])
        wal, disk = self.server.wal_bytes(), self.server.disk_bytes(name)
        server_cpu, own_cpu, begun = self.server.cpu_s(), self._own_cpu_s(), time.perf_counter()
        asyncio.run(self._drain(queues, group_max))
        run.seconds, run.own_cpu_s = time.perf_counter() - begun, self._own_cpu_s() - own_cpu
        run.server_cpu_s = self.server.cpu_s() - server_cpu
        run.wal_bytes, run.disk_bytes = self.server.wal_bytes() - wal, self.server.disk_bytes(name) - disk
        return run

    def _own_cpu_s(self) -> float:
        """Of this process and those for uploads."""
        return time.process_time() + sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.workers.pids())

    def _sealed(self, kind: str, count: int) -> dict[bytes, deque[bytes]]:
        queues: dict[bytes, deque[bytes]] = {house.gateway.gid: deque() for house in self.houses}
        for number, (house, upload) in enumerate(in_turn(self.houses, kind, count)):
            queues[house.gateway.gid].append(upload)
            if number % 2_000 == 1_999:
                tell(f"{number + 1} of {count} batches sealed")
        return queues

    async def _drain(self, queues: dict[bytes, deque[bytes]], group_max: int) -> None:
        uplink = self.uplink(group_max)

        async def gateway(gid: bytes, queue: deque[bytes]) -> None:
            while queue:
                check(await uplink.batch(gid, queue.popleft()))

        async with asyncio.TaskGroup() as group:
            for gid, queue in queues.items():
                group.create_task(gateway(gid, queue))

    def at_half_load(self, batches_per_s: float) -> list[float]:
        """ms from the moment a batch was due to its receipt; batches come evenly, gateway after gateway."""
        count = max(HOUSES, int(batches_per_s / 2 * self.seconds))
        queues = self._sealed("intervals", count)
        self.server.checkpoint()
        gc.collect()
        return asyncio.run(self._paced(queues, count, 2 / batches_per_s))

    async def _paced(self, queues: dict[bytes, deque[bytes]], count: int, every_s: float) -> list[float]:
        uplink, found = self.uplink(), []
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def gateway(index: int, gid: bytes) -> None:
            for number in range(index, count, HOUSES):
                due = begun + number * every_s
                await asyncio.sleep(max(0.0, due - loop.time()))
                check(await uplink.batch(gid, queues[gid].popleft()))
                found.append((loop.time() - due) * 1000)

        async with asyncio.TaskGroup() as group:
            for index, house in enumerate(self.houses):
                group.create_task(gateway(index, house.gateway.gid))
        return found

    def on_paper(self, kind: str, rate_found: float) -> Run:
        """The same pure steps in the same order, and rows made, but no database and no second process."""
        count = max(PAPER_HOUSES, int(rate_found / USES[kind] * self.seconds))
        uploads = list(in_turn(self._paper_houses, kind, count))
        gc.collect()
        before, begun = self._paper.uses, time.perf_counter()
        for house, upload in uploads:
            self._paper.take(house.gateway.gid, upload)
        run = Run(count * USES[kind], time.perf_counter() - begun)
        assert self._paper.uses - before == run.uses, f"{self._paper.uses - before} uses on paper, not {run.uses}"
        return run


@dataclass(frozen=True, slots=True)
class Goals:
    """Times TPC-B with group commit and with a commit per batch; of the rate on paper."""

    group: float
    batch: float
    ceiling: float = 0.6


def check(receipt: bytes) -> None:
    said = Receipt.decode(cose.parse(receipt).payload)
    if said.status is not ReceiptStatus.ACCEPTED or said.quarantined:
        raise RuntimeError(f"not accepted: {said}")


def of_load(kind: str, bench: Bench, tpcb_tps: Callable[[], float], goals: Goals) -> Iterator[Figure]:
    """One load with group commit, with a commit per batch, and on paper, between two runs of the peer.

    The honest ceiling is what as many processes would do on paper if they had a core each.
    """
    before = tpcb_tps()
    run = bench.measured(kind)
    single = bench.measured(kind, group_max=1)
    after = tpcb_tps()
    paper = bench.on_paper(kind, run.rate * 1.5)
    peer, ceiling = (before + after) / 2, paper.rate * max(1, bench.workers.there)
    yield Figure(f"cloud.{kind}.pgbench", round(peer), "transactions/s")
    yield Figure(f"cloud.{kind}.uses", round(run.rate), "uses/s")
    yield at_least(f"cloud.{kind}.times_pgbench", run.rate / peer, "x", goals.group)
    yield Figure(f"cloud.{kind}.uses_commit_per_batch", round(single.rate), "uses/s")
    yield at_least(f"cloud.{kind}.times_pgbench_commit_per_batch", single.rate / peer, "x", goals.batch)
    yield Figure(f"cloud.{kind}.without_database", round(ceiling), "uses/s")
    yield at_least(f"cloud.{kind}.of_the_ceiling", run.rate / ceiling, "x", goals.ceiling)
    yield from costs(kind, run)


def costs(kind: str, run: Run) -> Iterator[Figure]:
    million = 1e6 / run.uses
    goal = 400
    yield at_most(f"cloud.{kind}.wal_per_use", run.wal_bytes / run.uses, "bytes", goal, 0)
    yield Figure(f"cloud.{kind}.own_cpu_per_million", round(run.own_cpu_s * million, 1), "s")
    yield Figure(f"cloud.{kind}.server_cpu_per_million", round(run.server_cpu_s * million, 1), "s")
    yield Figure(f"cloud.{kind}.disk_per_million", round(run.disk_bytes * million / 1e6), "MB")


def of_single(bench: Bench) -> Iterator[Figure]:
    run = bench.measured("single")
    yield at_least("cloud.single.uses", run.rate, "uses/s", 5_000, 0)


def of_receipts(bench: Bench, batches_per_s: float) -> Iterator[Figure]:
    found = bench.at_half_load(batches_per_s)
    yield Figure("cloud.receipt.median_at_half_load", round(median(found), 1), "ms")
    yield at_most("cloud.receipt.p99_at_half_load", quantiles(found, n=100)[98], "ms", 250, 1)


def of_reads(bench: Bench) -> Iterator[Figure]:
    """Balances of one party, over everything that was posted to it so far."""
    database, community = bench.books.database, bench.books.community
    party = next(row["id"] for row in bench.books.rows(schema.party) if row["name"] == "Bank")
    (postings,) = database.read_now(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM posting").one())
    yield Figure("cloud.reads.postings", postings, "rows")
    yield at_most("cloud.reads.balance_p95", p95(lambda: database.glance_now(balances, community, party)), "ms", 1)
    span = bench.clock.now_ms - LATER
    yield Figure("cloud.reads.days", round(span / 86_400_000, 1), "days")
    moments = cycle([LATER + span * at // 97 for at in range(98)])  # any time of any of these days
    yield at_most(
        "cloud.reads.as_of_p95", p95(lambda: database.glance_now(as_of, community, next(moments), party)), "ms", 5
    )


def p95(read: Callable[[], object]) -> float:
    """ms; stops after two seconds."""
    found: list[float] = []
    until = time.perf_counter() + 2
    while len(found) < READS and (len(found) < 2 or time.perf_counter() < until):
        begun = time.perf_counter()
        read()
        found.append((time.perf_counter() - begun) * 1000)
    return quantiles(found, n=20)[18]


def of_rating() -> Iterator[Figure]:
    """Rating and splitting alone, processor time per use, a batch's uses at a time as the ledger has it: time of use, a
    capped step, five parties. Where what is left for four of them comes out even, no use is hashed; dithered: it never
    does, and every use is."""
    day = Band("day", (price("0.31"),), windows=(Window(31, 480, 1200),))
    night = Band("night", (price("0.19"),))
    five = split_rest((ELENA, 45), (KOFLER, 30), (FUND, 20), (HADDAD, 5))
    uses = [interval(n * 250, n * 250 + 250, T0 + n * HOUR // 4) for n in range(RATED)]
    batches = [uses[n : n + USES["intervals"]] for n in range(0, RATED, USES["intervals"])]
    for name, portion in (("cloud.rating_and_split", ratio(1, 2)), ("cloud.rating_and_split_dithered", ratio(1, 3))):
        version = contract(energy(day, night), loan("1000000", portion), five)
        assert {party for step in version.split for party, _ in step.to} == {ELENA, KOFLER, HADDAD, FUND, BANK}
        best = float("inf")
        for _ in range(15):
            begun = time.process_time()
            for batch in batches:
                rate([version], CHAIN, batch, {})
            best = min(best, time.process_time() - begun)
        yield at_most(name, best / RATED * 1e6, "us/use", 2)


def of_file() -> Iterator[Figure]:
    """A bank file of 2,000 payments, checked and written."""
    payee = BankParty("Coop", "DE89370400440532013000")
    debtor = BankParty("Owner", "IT60X0542811101000000123456")
    transfers = tuple(
        pain001.Transfer(f"E{number:06}", 100 + number, payee, f"Payout {number}") for number in range(PAYMENTS)
    )
    block = pain001.Block("B1", debtor, date(2026, 11, 5), transfers)
    begun = time.perf_counter()
    data = pain001.write(pain001.CreditTransferFile("M1", LATER, "Owner", (block,)))
    seconds = time.perf_counter() - begun
    assert data.count(b"<CdtTrfTxInf>") == PAYMENTS
    yield at_most("cloud.bank_file_of_2000", seconds, "s", 0.5, 3)


_BEGUN = time.monotonic()


def tell(text: str) -> None:
    """Progress, on stderr."""
    print(f"{time.monotonic() - _BEGUN:5.0f} s  {text}", file=sys.stderr, flush=True)


def measure(only: set[str], seconds: int) -> list[Figure]:
    figures: list[Figure] = []
    with postgres.running() as cluster:
        server = Server(cluster)
        make_tpcb(server)
        with postgres.database(cluster.url) as database:
            bench = Bench(server, database, seconds)
            garbage.settle()  # as `tallystick serve` does

            def tps() -> float:
                tell("pgbench ...")
                return pgbench(server, max(3, seconds // 2))

            for kind, goals in (("intervals", Goals(20, 10)), ("events", Goals(6, 6))):
                if kind in only:
                    tell(f"{kind} ...")
                    figures += of_load(kind, bench, tps, goals)
            if "single" in only:
                tell("single ...")
                figures += of_single(bench)
            if "intervals" in only:
                tell("receipts at half load ...")
                uses = next(each.value for each in figures if each.name == "cloud.intervals.uses")
                figures += of_receipts(bench, uses / USES["intervals"])
            if "reads" in only:
                figures += of_reads(bench)
            tell("audit ...")
            amiss = bench.books.audit()
            figures.append(Figure("cloud.audit", len(amiss), "faults", "= 0", not amiss))
            bench.close()
        server.close()
    if "file" in only:
        figures += [*of_rating(), *of_file()]
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=6, help="about so long for each load (2 to 60)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    given = parser.parse_args()
    only = set(given.only.split(","))
    if only - set(PARTS) or not 2 <= given.seconds <= 60:
        parser.error(f"--only of {', '.join(PARTS)}; --seconds 2 to 60")
    return 0 if show(measure(only, given.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
