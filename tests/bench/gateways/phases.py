"""The phases of the bench: one trouble each, played to both gateways at once, and what is said about it.

Each phase starts both gateways afresh and ends when all that was read has arrived, or when waiting longer is no use."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.mosquitto import Mosquitto
from tallystick_sim.ports import any_free
from tallystick_sim.proxy import Proxy

from gateways.broker import shared_broker
from gateways.meters import METERS, Meters, Value
from gateways.ours import Books, Ours
from gateways.peer import Peer, Platform
from gateways.process import Process
from gateways.report import Report

WARM_S = 15.0  # after the start, before anything is measured or broken
SETTLE_S = 90.0  # after a trouble, for what the peer kept to arrive
OURS_SETTLE_S = 360.0  # ours waits 30 s x 2^n with jitter, at most 2 min after a minute without a broker, and twice
ENROL_S = 120.0
LOOK_S = 1.0
ROUND = METERS * 10  # values of one poll round, which is also the interval of group commits
SILENT = 7  # the unit that falls silent
STEADY_S = 60.0


class Bench:
    """Both gateways and everything around them. Without `peer_python` ours runs alone."""

    def __init__(self, folder: Path, peer_python: Path | None, seconds: int, report: Report) -> None:
        self._folder, self._python = folder, peer_python
        self.seconds, self.report = seconds, report
        self._tls_port, self._plain_port = any_free(), any_free()
        self.our_meters, self.peer_meters = Meters(), Meters()
        self.our_link, self.peer_link = Proxy(self._tls_port), Proxy(self._plain_port)
        self.books = Books(folder)
        self.platform = Platform(self._plain_port)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Meters, broker, aggregator, counters; our gateway is enrolled and stopped again."""
        our_port, peer_port = await self.our_meters.start(), await self.peer_meters.start()
        our_link, peer_link = await self.our_link.start(), await self.peer_link.start()
        gateway_port = any_free((self._tls_port, self._plain_port))
        claim = self.books.found(gateway_port, f"localhost:{our_link}")
        files = self.books.broker_files(self._tls_port)
        self.broker: Mosquitto = shared_broker(files, self._tls_port, self._plain_port)
        self.broker.start()
        counting = asyncio.create_task(self.platform.run())
        await self.books.serve(gateway_port, self._tls_port)
        (self._folder / "ours").mkdir()
        self.ours = Ours(self._folder / "ours", claim, our_port)
        self.peer = None if self._python is None else Peer(self._folder / "peer", self._python, peer_link, peer_port)
        try:
            await self._enrol()
            yield
        finally:
            for process in self.processes:
                await process.stop()
            counting.cancel()
            await self.books.stop()
            self.broker.stop()
            for end in (self.our_link, self.peer_link, self.our_meters, self.peer_meters):
                await end.stop()

    @property
    def processes(self) -> list[Process]:
        return [self.ours.process, *([] if self.peer is None else [self.peer.process])]

    async def _enrol(self) -> None:
        await self.ours.process.start()
        async with asyncio.timeout(ENROL_S):
            while not self.ours.is_enrolled() or not self.arrived():  # the first batch has gone all the way
                self.ours.process.look()
                await asyncio.sleep(LOOK_S)
        await self.ours.process.stop()

    async def start(self) -> None:
        for process in self.processes:
            await process.start()

    async def stop(self) -> None:
        for process in self.processes:
            await process.stop()

    async def kill_and_start(self) -> None:
        for process in self.processes:
            await process.kill()
            await process.start()

    def cut(self) -> None:
        self.our_link.cut()
        self.peer_link.cut()

    def heal(self) -> None:
        self.our_link.heal()
        self.peer_link.heal()

    async def settled(self, name: str, since: float, until: float, lost_max: int = 0) -> None:
        """Wait until what was given between the two instants arrived; then say what is missing or came twice."""
        ours = self.our_meters.given(since, until)
        peer = self.peer_meters.given(since, until)
        began = time.monotonic()
        while (waited := time.monotonic() - began) < OURS_SETTLE_S:
            arrived = await asyncio.to_thread(self.books.arrived)
            is_ours_there = len(ours - arrived.seen.keys()) <= lost_max and not self.ours.waiting()
            is_peer_there = self.peer is None or not peer - self.platform.seen.keys() or waited >= SETTLE_S
            if is_ours_there and is_peer_there:
                break
            await asyncio.sleep(LOOK_S)
        self.report.add(f"{name}.ours.caught_up", waited, "s")
        self._say(name, ours, lost_max)
        if self.peer is not None:
            lost = peer - self.platform.seen.keys()
            self.report.add(f"{name}.peer.lost", len(lost), f"of {len(peer)} values")

    def _say(self, name: str, given: set[Value], lost_max: int) -> None:
        seen = self.arrived()
        lost = given - seen.keys()
        twice = sum(seen[value] - 1 for value in given if seen[value] > 1)
        self.report.at_most(f"{name}.ours.lost", len(lost), f"of {len(given)} values", lost_max)
        self.report.at_most(f"{name}.ours.duplicates", twice, "ledger entries", 0)

    def arrived(self) -> Counter[Value]:
        return self.books.arrived().seen

    def check_the_books(self) -> None:
        faults = self.books.faults()
        for fault in faults:
            print(f"books: {fault}")
        self.report.at_most("books.faults", len(faults), "sums", 0)
        self.report.at_most("books.quarantined", self.books.arrived().quarantined, "parts", 0)


async def steady(bench: Bench) -> None:
    """Nothing is wrong: how long to the first value, how much memory and processor."""
    mark = bench.ours.mark()
    bench.platform.first.clear()
    await bench.start()
    started = asyncio.create_task(_first_durable(bench, mark))
    if bench.peer is not None:
        async with asyncio.timeout(60):
            await bench.platform.first.wait()
    first_ours = await started
    since = time.monotonic()
    await asyncio.sleep(WARM_S)
    costs = await asyncio.gather(*(process.cost(STEADY_S) for process in bench.processes))
    until = time.monotonic()
    await _stop_all(bench, "steady", since, until)
    report, ours = bench.report, costs[0]
    report.at_most("steady.ours.rss", ours.rss_mib, "MiB", 42)
    report.add("steady.ours.cpu", ours.cpu * 100, "% of a core")
    report.add("steady.ours.first_durable", first_ours, "s")
    if bench.peer is not None:
        peer, first_peer = costs[1], bench.platform.first_at - bench.peer.process.started_at
        report.add("steady.peer.rss", peer.rss_mib, "MiB")
        report.add("steady.peer.cpu", peer.cpu * 100, "% of a core")
        report.add("steady.peer.first_publish", first_peer, "s")
        report.at_most("steady.rss_ratio", ours.rss_mib / peer.rss_mib, "of the peer's", 0.65)
        report.at_most("steady.cpu_ratio", ours.cpu / peer.cpu, "of the peer's", 0.15)
        report.at_most("steady.start_ratio", first_ours / first_peer, "of the peer's", 0.5)


async def _first_durable(bench: Bench, mark: tuple[int, int]) -> float:
    """Seconds from the start of the process to its first group commit with readings."""
    async with asyncio.timeout(60):
        while bench.ours.mark() == mark:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.01)
    return time.monotonic() - bench.ours.process.started_at


async def _stop_all(bench: Bench, name: str, since: float, until: float, lost_max: int = 0) -> None:
    await bench.settled(name, since, until, lost_max)
    await bench.stop()


async def silent(bench: Bench) -> None:
    """One unit of twenty says nothing; the others share its connection."""
    await bench.start()
    await asyncio.sleep(WARM_S)
    since = time.monotonic()
    for meters in (bench.our_meters, bench.peer_meters):
        meters.faults(SILENT).silent = True
    await asyncio.sleep(bench.seconds)
    until = time.monotonic()
    for meters in (bench.our_meters, bench.peer_meters):
        meters.faults(SILENT).silent = False
    await bench.settled("silent", since, until)
    expected = (METERS - 1) * 10 * bench.seconds
    share = _delivered(bench.our_meters, since, until, bench.arrived()) / expected
    bench.report.at_least("silent.ours.healthy", 100 * share, "% delivered", 95)
    if bench.peer is not None:
        share = _delivered(bench.peer_meters, since, until, bench.platform.seen) / expected
        bench.report.add("silent.peer.healthy", 100 * share, "% delivered")
    await bench.stop()


def _delivered(meters: Meters, since: float, until: float, seen: Counter[Value]) -> int:
    return sum(1 for value in meters.given(since, until) if value[0] != SILENT and value in seen)


async def killed(bench: Bench) -> None:
    """kill -9 while all is well: what was given and not durable is at most one poll round."""
    await bench.start()
    await asyncio.sleep(WARM_S)
    since = time.monotonic()
    await bench.kill_and_start()
    await asyncio.sleep(WARM_S)
    await _stop_all(bench, "killed", since - WARM_S / 2, time.monotonic(), ROUND)


async def black_hole(bench: Bench) -> None:
    """The path to the broker swallows everything without a word, then is reset."""
    await bench.start()
    await asyncio.sleep(WARM_S)
    since = time.monotonic()
    bench.cut()
    await asyncio.sleep(bench.seconds)
    until = time.monotonic()
    bench.heal()
    await _stop_all(bench, "black_hole", since, until)


async def broker_stop(bench: Bench) -> None:
    """The broker is gone for a while and knows nothing of before."""
    await bench.start()
    await asyncio.sleep(WARM_S)
    since = time.monotonic()
    bench.broker.stop()
    await asyncio.sleep(bench.seconds)
    until = time.monotonic()
    bench.broker.start()
    await _stop_all(bench, "broker_stop", since, until)


async def killed_in_outage(bench: Bench) -> None:
    """kill -9 with half a minute of values queued behind a dead path."""
    await bench.start()
    await asyncio.sleep(WARM_S)
    since = time.monotonic()
    bench.cut()
    await asyncio.sleep(bench.seconds / 2)
    until = time.monotonic()
    await bench.kill_and_start()
    await asyncio.sleep(5)
    bench.heal()
    await _stop_all(bench, "killed_in_outage", since, until, ROUND)


Phase = Callable[[Bench], Awaitable[None]]
PHASES: dict[str, Phase] = {
    "steady": steady,
    "silent": silent,
    "killed": killed,
    "black-hole": black_hole,
    "broker-stop": broker_stop,
    "killed-in-outage": killed_in_outage,
}
