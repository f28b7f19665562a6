"""The gateway's store: bytes written per value, signed durable values per second, excess, and a week without network.
Prints a table and one JSON line per figure; exits 1 when a goal is missed. Everything runs on the real core and disk.

    python tests/bench/bench_store.py [bytes|rate|excess|offline ...] [--seconds 600] [--days 7] [--folder DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
from support.aggregator import TestAggregator
from support.disk import Disk, Kind, disk_under
from support.edge import T0, CountedEntropy, HandClock
from tallystick_edge.claim_file import load_claim
from tallystick_edge.core import Core, Known
from tallystick_edge.desk import BUFFER_ITEMS_MAX
from tallystick_edge.enrolment import client_context, enrol
from tallystick_edge.identity import load_identity
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.plan import CounterPlan, MeterPlan
from tallystick_edge.room import StoreLimits
from tallystick_edge.sample import Sample
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.enrol_https import post_enrolment
from tallystick_edge.uplink.https import HttpsTransport
from tallystick_edge.uplink.worker import Uplink
from tallystick_protocol.batch import open_upload
from tallystick_protocol.codes import EventCode, MeterState, Reason
from tallystick_protocol.part import Part

METERS, REGISTERS = 20, 10  # 200 values each second: the anchor's load (devices.md, last table)
SEAL_EVERY_S = 60
BYTES_GOAL, RATE_GOAL, RSS_GOAL_MIB, OFFLINE_GOAL_MB, DRAIN_GOAL_S = 100, 5_000, 20, 150, 600
RATE_S = 10.0
DAYS_MAX, SECONDS_MAX = 31, 86_400
PARTS = ("bytes", "rate", "excess", "offline")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: float
    unit: str
    goal: str | None
    ok: bool


class Gateway:
    """A core with plain counters, fed by hand on a virtual clock; flushing and sealing as the agent does it."""

    def __init__(self, data: Path, meters: int, registers: int, limits: StoreLimits | None = None) -> None:
        self.data, self.meters, self.registers = data, meters, registers
        self.clock, self.entropy, self.second = HandClock(), CountedEntropy(), 0
        self.identity = load_identity(data)
        plans = {f"m{number}": self._plan(number) for number in range(meters)}
        path, signer = data / "journal.sqlite", self.identity.signer
        self.core = Core(path, signer, plans, self.clock, self.entropy, "bench", limits=limits)

    def _plan(self, number: int) -> MeterPlan:
        rule = CounterRule(None, 10**9, 1_000)
        first = number * self.registers + 1
        counters = tuple(CounterPlan(first + index, f"r{index}", rule) for index in range(self.registers))
        return MeterPlan(f"m{number}", 1_000, counters, (), None)

    def read(self) -> None:
        """One second: every meter answers once, each register moved on by its own pace."""
        self.second += 1
        self.clock.ms = self.second * 1_000
        for number in range(self.meters):
            jitter = (self.second * 7 + number * 3) % 20
            values = {
                f"r{index}": self.second * (3 + 5 * index) + (self.second * (number + 11) >> 3)
                for index in range(self.registers)
            }
            at = self.clock.ms + jitter
            self.core.desk.sample(Sample(f"m{number}", at, T0 + at, values, f"SN{number:06}", MeterState.OK))

    def commit(self) -> None:
        self.core.flush()
        if self.core.desk.urgent_seal or self.second % SEAL_EVERY_S == 0:
            self.core.seal()

    @property
    def file_bytes(self) -> int:
        """Journal and log; the ballast is no data, and given back when it matters."""
        return sum(each.stat().st_size for each in self.data.iterdir() if each.name.startswith("journal"))


def written_bytes() -> int:
    """What this process has made the kernel write so far."""
    return int(psutil.Process().io_counters().write_bytes)


def bench_bytes(folder: Path, seconds: int) -> Iterator[Figure]:
    """200 values a second, a group commit each second with fsync, sealed each minute, checkpoints and end included."""
    values = seconds * METERS * REGISTERS
    gateway = Gateway(folder / "io", METERS, REGISTERS, StoreLimits(ballast_bytes=0))
    before = written_bytes()
    live(gateway, seconds)
    each = (written_bytes() - before) / values
    yield Figure("store.bytes.write_bytes_per_value", round(each, 1), "bytes", f"<= {BYTES_GOAL}", each <= BYTES_GOAL)
    recorded = folder / "sqlite"
    recorded.mkdir()
    with disk_under(recorded, Disk(recorded, really_syncs=True)) as disk:
        live(Gateway(recorded, METERS, REGISTERS, StoreLimits(ballast_bytes=0)), seconds)
    asked = sum(len(op.data) for op in disk.ops if op.kind is Kind.WRITE)
    syncs = sum(1 for op in disk.ops if op.kind is Kind.SYNC)
    yield Figure("store.bytes.sqlite_per_value", round(asked / values, 1), "bytes", None, True)
    yield Figure("store.bytes.syncs_per_second", round(syncs / seconds, 2), "syncs", None, True)


def live(gateway: Gateway, seconds: int) -> None:
    for _ in range(seconds):
        gateway.read()
        gateway.commit()
    gateway.core.close()


def bench_rate(folder: Path) -> Iterator[Figure]:
    """As fast as it goes, a group commit for every 5,000 values, until all is signed and durable."""
    gateway = Gateway(folder, METERS, REGISTERS, StoreLimits(ballast_bytes=0))
    for _ in range(50):
        gateway.read()
    gateway.core.seal()
    process = psutil.Process()
    rss, cpu, started, values = process.memory_info().rss, time.process_time(), time.monotonic(), 0
    while time.monotonic() - started < RATE_S:
        for _ in range(25):
            gateway.read()
        values += 25 * METERS * REGISTERS
        gateway.core.flush()
        if gateway.core.desk.urgent_seal:
            gateway.core.seal()
    gateway.core.seal()
    seconds, busy = time.monotonic() - started, time.process_time() - cpu
    grown = (process.memory_info().rss - rss) / 1024**2
    gateway.core.close()
    rate = values / seconds
    yield Figure("store.rate.signed_durable", round(rate), "values/s", f">= {RATE_GOAL}", rate >= RATE_GOAL)
    yield Figure("store.rate.per_processor_second", round(values / busy), "values/s", None, True)
    yield Figure("store.rate.rss_growth", round(grown, 1), "MiB", f"<= {RSS_GOAL_MIB}", grown <= RSS_GOAL_MIB)


def bench_excess(folder: Path) -> Iterator[Figure]:
    """Ten times what memory may hold comes before the disk takes any: what is not kept is counted and told."""
    gateway = Gateway(folder, METERS, REGISTERS, StoreLimits(ballast_bytes=0))
    offered = 0
    while offered < 10 * BUFFER_ITEMS_MAX:
        gateway.read()
        offered += METERS * REGISTERS
    held, shed = len(gateway.core.desk.unflushed().items), gateway.core.desk.shed
    gateway.core.seal()
    uploads = [gateway.core.upload(each) for each in gateway.core.waiting(1_000)]
    parts = [part for data in uploads if data for part in open_upload(data).parts if isinstance(part, Part)]
    events = [event for part in parts for event in part.events]
    told = sum(1 for each in events if (each.code, each.reason) == (EventCode.GAP, Reason.STORE_FULL))
    segments = [(part.channel, segment) for part in parts for segment in part.segments]
    last = {channel: segment.last_total for channel, segment in segments}
    right = sum(1 for number, state in gateway.core.desk.channels.items() if number and last.get(number) == state.total)
    channels = METERS * REGISTERS
    gateway.core.close()
    yield Figure("store.excess.held", held, "values", f"<= {BUFFER_ITEMS_MAX}", held <= BUFFER_ITEMS_MAX)
    yield Figure("store.excess.not_kept", shed, "values", f"= {offered - held}", shed == offered - held)
    yield Figure("store.excess.channels_told", told, "gap events", f"= {channels}", told == channels)
    yield Figure("store.excess.last_total_kept", right, "channels", f"= {channels}", right == channels)


async def bench_offline(folder: Path, days: int) -> list[Figure]:
    """8 meters at 1 Hz without network, then all of it handed over to a receipt-signing stand-in over real HTTPS."""
    limit = OFFLINE_GOAL_MB * 1_000_000
    gateway = Gateway(folder / "edge", 8, 1, StoreLimits(bytes_max=limit, ballast_bytes=0))
    seconds, biggest = days * 86_400, 0
    for second in range(1, seconds + 1):
        gateway.read()
        gateway.commit()
        if second % 3_600 == 0:
            biggest = max(biggest, gateway.file_bytes)
            tell(f"{second // 3_600} of {days * 24} h offline, {biggest / 1e6:.1f} MB")
    gateway.core.seal()
    batches = gateway.core.waiting_count()
    biggest = max(biggest, gateway.file_bytes)
    started = time.monotonic()
    server = TestAggregator(folder)
    await server.start()
    await hand_over(gateway, server)
    drained = time.monotonic() - started
    readings = sum(channel.page for channel in server.books.channels.values())
    await server.stop()
    gateway.core.close()
    goal, size = OFFLINE_GOAL_MB * days / 7, biggest / 1e6
    return [
        Figure("store.offline.days", days, "days", None, True),
        Figure("store.offline.size", round(size, 1), "MB", f"<= {goal:.0f}", size <= goal),
        Figure("store.offline.batches", batches, "batches", None, True),
        Figure("store.offline.readings", readings, "readings", f"= {seconds * 8}", readings == seconds * 8),
        Figure("store.offline.drain", round(drained, 1), "s", f"< {DRAIN_GOAL_S}", drained < DRAIN_GOAL_S),
    ]


async def hand_over(gateway: Gateway, server: TestAggregator) -> None:
    """The agent's own uplink, until nothing waits."""
    claim = gateway.data / "claim.toml"
    claim.write_text(server.claim_toml())
    load_claim(claim)
    enrolment = await enrol(gateway.data, gateway.identity, claim, "bench", gateway.entropy, post_enrolment)
    gateway.core.enrolled(Known(enrolment.descriptors, enrolment.trust.log_for))
    context = client_context(enrolment, gateway.data, gateway.identity)
    transport = HttpsTransport(enrolment.info.server, gateway.identity.gid.hex(), context, lambda: 0)
    uplink = Uplink(gateway.core, transport, enrolment.trust, Backoff(30_000, 900_000), gateway.entropy)
    task = asyncio.create_task(uplink.run())
    try:
        while (left := gateway.core.waiting_count()) and not task.done():
            tell(f"{left} batches wait")
            await asyncio.sleep(1)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_told = 0.0


def tell(text: str) -> None:
    """A line of progress every few seconds, on stderr."""
    global _told
    if time.monotonic() - _told > 5:
        _told = time.monotonic()
        print(text, file=sys.stderr, flush=True)


def show(figures: list[Figure]) -> bool:
    """The table for people, then the lines for programs."""
    for each in figures:
        missed = "" if each.ok else "  MISSED"
        print(f"{each.name:36}{each.value:>14,} {each.unit:12}{each.goal or '':>12}{missed}")
    for each in figures:
        values = {"name": each.name, "value": each.value, "unit": each.unit, "goal": each.goal, "ok": each.ok}
        print(json.dumps(values))
    return all(each.ok for each in figures)


@contextmanager
def quiet_place(folder: Path | None) -> Iterator[Path]:
    """A new folder on a real disk: what is measured is the card's wear."""
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=folder) as name:
        yield Path(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--seconds", type=int, default=600, help="virtual seconds of the bytes part")
    parser.add_argument("--days", type=int, default=7, help="of the offline part; the size goal is in proportion")
    parser.add_argument("--folder", type=Path, help="where to write (a folder on the disk to measure)")
    given = parser.parse_args()
    wrong = set(given.parts) - set(PARTS)
    if wrong or not 1 <= given.days <= DAYS_MAX or not SEAL_EVERY_S <= given.seconds <= SECONDS_MAX:
        parser.error(f"parts are {', '.join(PARTS)}; --days 1 to {DAYS_MAX}; --seconds {SEAL_EVERY_S} to {SECONDS_MAX}")
    runs: dict[str, Callable[[Path], list[Figure]]] = {
        "bytes": lambda place: list(bench_bytes(place, given.seconds)),
        "rate": lambda place: list(bench_rate(place)),
        "excess": lambda place: list(bench_excess(place)),
        "offline": lambda place: asyncio.run(bench_offline(place, given.days)),
    }
    figures: list[Figure] = []
    for name in given.parts or PARTS:
        with quiet_place(given.folder) as place:
            figures += runs[name](place)
            os.sync()
    return 0 if show(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
