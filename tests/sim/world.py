"""One world from seed to verdict: two virtual hours of faults, then everything heals, and within an hour the books must
equal the truth. Everything that happens is drawn from the seed."""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sim import checks
from sim.chance import Chance
from sim.clocks import TrueTime
from sim.gateway import Gateway
from sim.loop import Restless, SimLoop, run
from sim.memory import remembering
from sim.meters import Cellar
from sim.rates import Rates, draw
from sim.server import Server
from sim.store import memory_folder
from sim.town import MIDNIGHT_MS, SITES, town
from sim.trace import Amiss, Kind, Trace

WARM_S = 120  # every register is read and kept before anything is used or breaks
FAULTS_S = 7_200
HEAL_S = 3_600  # the backlog must be gone by then
SETTLE_S = 1_900  # of quiet after the last use: an interval ends, a batch is sealed
LOOK_S = 30
LAST_USE_S = 120  # of use by a flat whose register began anew, and so waits until it moves
HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a seed showed. `healed_s`: virtual seconds from healing until no backlog was left."""

    seed: int
    amiss: tuple[Amiss, ...]
    digest: str
    counts: dict[str, int]
    steps: int
    uses: int
    washes: int
    healed_s: float


class World:
    """Everything that lives in one run."""

    def __init__(
        self, loop: SimLoop, seed: int, folder: Path, show: Callable[[str], None] | None, storm: str = ""
    ) -> None:
        chance = Chance(seed)
        self.loop, self.seed = loop, seed
        self.chance = chance.stream("world")
        self.rates: Rates = draw(chance.stream("rates"), storm)
        self.trace = Trace(loop.time, show)
        self.true = TrueTime(loop, self.chance.randrange(20, 100) * 60_000)
        self.server = Server(town(), self.true, self.rates, chance.stream("server"), self.trace)
        self.gateways = []
        for site in SITES:
            cellar = Cellar(site, chance.stream(f"meters {site}"), chance.stream(f"old values {site}"))
            stream, member = chance.stream(f"gateway {site}"), town().members[site]
            mishaps = chance.stream(f"mishaps {site}")
            self.gateways.append(
                Gateway(
                    member,
                    cellar,
                    self.server,
                    self.true,
                    self.rates,
                    stream,
                    mishaps,
                    self.trace,
                    folder,
                    copy_context(),
                )
            )
        self.server.on_death = self._connections_break
        self.healed_s = float(HEAL_S)

    async def play(self) -> Verdict:
        lives = [asyncio.create_task(gateway.live()) for gateway in self.gateways]
        lives.append(asyncio.create_task(self._witness()))
        lives.append(asyncio.create_task(self._month_end()))
        await asyncio.sleep(WARM_S)
        troubles = self._troubles()
        for gateway in self.gateways:
            gateway.go_wild()
            gateway.cellar.open(self.true.elapsed_ms(), self.chance.randrange(1, 10) * 60_000)
        self.server.calm = False
        await asyncio.sleep(FAULTS_S - WARM_S)
        for task in troubles:
            task.cancel()
        await self._heal()
        checks.check(self)
        for task in lives:
            task.cancel()
        await asyncio.gather(*lives, *troubles, return_exceptions=True)
        found = checks.figures(self)
        return Verdict(
            self.seed,
            tuple(self.trace.amiss),
            self.trace.digest,
            dict(self.trace.counts),
            self.loop.steps,
            found.uses,
            found.washes,
            self.healed_s,
        )

    def ended(self, why: str) -> Verdict:
        """The verdict on a world that did not come to its end."""
        self.trace.wrong(why)
        counts, amiss = dict(self.trace.counts), tuple(self.trace.amiss)
        return Verdict(self.seed, amiss, self.trace.digest, counts, self.loop.steps, 0, 0, self.healed_s)

    async def _heal(self) -> None:
        """No more faults and no new use; everything that waits must arrive. A register that began anew is believed when
        it moves (docs/adr/0605): such a flat uses a little once all is quiet, and what waited must be billed."""
        self.trace.tell("world", "heals")
        self.server.calm = True
        if not self.server.up:
            self.server.boot()
        self.server.busy_until_s = 0.0
        for gateway in self.gateways:
            gateway.calm_down()
            gateway.cellar.close()
        self.healed_s = await self._settle()
        begun_anew = [gateway.cellar.house for gateway in self.gateways if gateway.cellar.house.was_reset]
        for house in begun_anew:
            house.use(self.true.elapsed_ms(), LAST_USE_S * 1000)
        if begun_anew:
            await asyncio.sleep(LAST_USE_S)
            for house in begun_anew:
                house.advance(self.true.elapsed_ms())
                house.open = False
            self.healed_s = max(self.healed_s, await self._settle())

    async def _settle(self) -> float:
        """Until nothing moves and nothing waits; returns how many virtual seconds that took. A rise that waits for its
        quarter of an hour is believed first, and the interval that it lies in ends after that (seed 6802254)."""
        began, quiet_since = self.loop.time(), None
        while self.loop.time() - began < HEAL_S:
            await asyncio.sleep(LOOK_S)
            if not all(gateway.is_quiet for gateway in self.gateways):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = self.loop.time()
            if quiet_since is not None and self.loop.time() - quiet_since >= SETTLE_S and not self._backlog():
                break
        if left := self._backlog():
            self.trace.wrong(f"an hour after healing {left} batches still wait", Kind.BACKLOG)
        return self.loop.time() - began

    def _backlog(self) -> int:
        return sum(1000 if each.core is None else each.core.waiting_count() for each in self.gateways)

    def _connections_break(self) -> None:
        for gateway in self.gateways:
            gateway.wire.reset("the aggregator died")
        wait_s = self.chance.expovariate(1 / self.rates.server_down_s)
        self.loop.call_later(wait_s, self._server_boots)

    def _server_boots(self) -> None:
        if not self.server.up:
            self.server.boot()
            self.trace.tell("server", "boots")

    async def _witness(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(60, 900))
            await self.server.checkpoint()

    async def _month_end(self) -> None:
        """Some time after midnight the day is closed, twice, because whoever does it did not see the answer."""
        at_ms = MIDNIGHT_MS + self.chance.randrange(1, 40) * 60_000
        for _ in range(2):
            await asyncio.sleep(max(0, at_ms - self.true.utc_ms()) / 1000)
            while not await self.server.close_period():  # noqa: ASYNC110 - a person tries again after a minute
                await asyncio.sleep(60)
            at_ms += self.chance.randrange(1, 20) * 60_000

    def _troubles(self) -> list[asyncio.Task[None]]:
        """One task per kind of trouble and victim."""
        rates = self.rates
        tasks = [
            self._now_and_then(rates.server_crash_every_s, self._kill_server),
            self._now_and_then(rates.server_busy_every_s, self._make_busy),
            self._now_and_then(rates.reversal_every_s, self._reverse_one),
        ]
        for each in self.gateways:
            stream = Random(self.chance.random())
            tasks += [
                self._now_and_then(rates.black_hole_every_s, lambda g=each, c=stream: self._hole(g, c)),
                self._now_and_then(rates.reset_every_s, lambda g=each: self._reset(g)),
                self._now_and_then(rates.disk_full_every_s, lambda g=each: self._fill(g)),
                self._now_and_then(rates.restore_every_s, lambda g=each: g.restore_later()),
                self._now_and_then(rates.clock_step_every_s, lambda g=each, c=stream: self._step_clock(g, c)),
                self._now_and_then(rates.silent_every_s, lambda g=each: self._silence(g)),
            ]
        return [asyncio.create_task(each) for each in tasks]

    async def _now_and_then(self, every_s: float, act: Callable[[], Awaitable[None]]) -> None:
        while every_s:
            await asyncio.sleep(self.chance.expovariate(1 / every_s))
            await act()

    async def _kill_server(self) -> None:
        self.server.die("killed")

    async def _make_busy(self) -> None:
        self.trace.tell("server", "busy")
        self.server.busy_until_s = self.loop.time() + 120

    async def _reverse_one(self) -> None:
        """A use that is known, whichever: those before it and after it may still be under way."""
        uses = self.server.uses()
        if uses:
            await self.server.reverse(self.chance.choice(uses))

    async def _hole(self, gateway: Gateway, chance: Random) -> None:
        self.trace.tell(gateway.name, "black-hole")
        gateway.wire.hole = True
        await asyncio.sleep(chance.expovariate(1 / self.rates.black_hole_s))
        gateway.wire.hole = False
        if chance.random() < 0.7:
            gateway.wire.reset("after a black hole")

    async def _reset(self, gateway: Gateway) -> None:
        gateway.wire.reset("by the network")

    async def _fill(self, gateway: Gateway) -> None:
        self.trace.tell(gateway.name, "disk-full")
        gateway.disk.full = True
        await asyncio.sleep(self.rates.disk_full_s)
        gateway.disk.full = False

    async def _step_clock(self, gateway: Gateway, chance: Random) -> None:
        sizes = (0, 0, 0, -HOUR_MS, 300_000, -20_000, -24 * HOUR_MS, YEAR_MS, -YEAR_MS)
        gateway.step_clock(chance.choice(sizes))

    async def _silence(self, gateway: Gateway) -> None:
        self.trace.tell(gateway.name, "meters-silent")
        gateway.cellar.silent_until_ms = self.true.elapsed_ms() + int(self.rates.silent_s * 1000)


class _Alarmed(logging.Handler):
    """An exception that product code met and logged is a finding, although it went on."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and record.name.startswith("tallystick_cloud"):
            self._trace.wrong(f"the aggregator logged: {record.getMessage().splitlines()[0]}")
        elif record.exc_info and record.exc_info[1] is not None:
            self._trace.wrong(f"logged: {record.getMessage()}: {record.exc_info[1]!r}")
        else:
            self._trace.tell("log", record.levelname, record.getMessage().splitlines()[0])


@contextmanager
def _listening(trace: Trace) -> Iterator[None]:
    handler = _Alarmed(trace)
    loggers = [logging.getLogger(name) for name in ("tallystick", "tallystick_cloud")]
    before = [(each.level, each.propagate) for each in loggers]
    source = logging._srcfile
    logging._srcfile = None  # type: ignore[assignment]  # which line logged is not looked for: no trace names it
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
        each.propagate = False
    try:
        yield
    finally:
        logging._srcfile = source
        for each, (level, propagate) in zip(loggers, before, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
            each.propagate = propagate


@contextmanager
def _uncollected() -> Iterator[None]:
    """A tenth of a world's time went into looking for cycles: what one leaves behind is collected when it is over."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        gc.collect()


def play(seed: int, show: Callable[[str], None] | None = None, storm: str = "") -> Verdict:
    """Run one seed to its verdict; `storm`: a name in `rates.STORMS`. A world that breaks, or never comes to rest, is a
    finding like any other."""
    worlds: list[World] = []

    async def main(loop: SimLoop) -> Verdict:
        with tempfile.TemporaryDirectory(prefix="tallystick-sim-", dir=memory_folder()) as folder:
            world = World(loop, seed, Path(folder), show, storm)
            worlds.append(world)
            try:
                with _listening(world.trace), remembering():
                    return await world.play()
            finally:
                for gateway in world.gateways:
                    gateway.disk.throw_away()

    try:
        with _uncollected():
            return run(main, Chance(seed).stream("order"))
    except Restless as error:
        return worlds[0].ended(str(error))
    except Exception as error:  # a border: whatever broke it, the seed must be told
        if show is not None or not worlds:
            raise
        return worlds[0].ended(f"the world broke: {error!r}")
