"""Kills either side of a running town with -9 at random moments, then demands that ledger and truth agree.
The seed is printed; the same seed draws the same victims and waits (what the machine does in between is its own).
With `postgres` among the victims the books are on a PostgreSQL server of this run, which is killed with all it started.

    python tests/crash/crash.py --cycles 100 [--kill postgres,aggregator] [--seed SEED] [--data DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import postgres
from tallystick_cloud.db import Database
from tallystick_cloud.ledger.audit import audit
from tallystick_sim.clock import ScaledClock, real_ms
from tallystick_sim.compare import Line, mismatches
from tallystick_sim.plan import Gateway
from tallystick_sim.ports import any_free
from tallystick_sim.receipts import HOLD_TIMEOUT_S
from tallystick_sim.settle import CALM_S, Settled, settle
from tallystick_sim.snapshot import Snapshot, take_snapshot
from tallystick_sim.town import Town, TownError

FACTOR = 60
DAY_MS, MORNING_MS = 86_400_000, 21_600_000
ALIVE_S = (0.2, 2.0)  # how long a victim may work before it is killed: from "still starting" to "in full swing"
DEAD_S = (0.0, 1.0)
READY_TIMEOUT_S = 60.0
# A gateway that is down for the whole rest between two washes cannot tell them apart, and no gateway could: at 60x a
# second of real time without samples is a minute, so the rests are longer than the outages that these kills make: some
# seconds in a row, and a start that takes ten times as long on a busy machine.
REST_MINUTES = 40
LIVE_AFTER_RESTORE_S = 4.0
CALM_AFTER_RESTORE_S = 10.0  # a wash that may come out free agrees at once: it must not be billed twice a while later
AGGREGATOR, POSTGRES = "aggregator", "postgres"
VICTIMS = (AGGREGATOR, *(g.value for g in Gateway))


@dataclass(slots=True)
class Outcome:
    """What a run showed. `amiss`: one sentence per thing that must not be."""

    cycles: int
    kills: Counter[str] = field(default_factory=Counter)
    settled: Settled | None = None
    amiss: list[str] = field(default_factory=list)
    seconds: float = 0.0
    forgiven: int = 0


class CrashRun:
    """One town and what is done to it."""

    def __init__(
        self, data: Path, seed: str, victims: Sequence[str] = VICTIMS, server: postgres.Cluster | None = None
    ) -> None:
        now = real_ms()
        self.random = Random(seed)
        clock = ScaledClock(FACTOR, now, now // DAY_MS * DAY_MS + MORNING_MS)
        self._victims, self._server = tuple(victims), server
        self._books = None if server is None else f"{server.url}/postgres"
        self.town = Town(data, clock, seed, any_free(), REST_MINUTES, by_plan=False, database=self._books)
        self.outcome = Outcome(0)

    async def open(self) -> None:
        """Start everything, wait until every meter was read once, let people in."""
        await self.town.start()
        await self.town.outside.sign_in("manager")
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not (snapshot := await self.look()).has_every_register():
            if time.monotonic() > deadline:
                raise TownError(f"not ready: {snapshot.missing()}")
            await asyncio.sleep(0.3)
        await self.town.ask("open")

    async def look(self) -> Snapshot:
        return await take_snapshot(self.town.outside)

    async def kill_one(self) -> None:
        """One cycle: a random victim, a random moment, a random pause before it starts again."""
        victim = self.random.choice(self._victims)
        await asyncio.sleep(self.random.uniform(*ALIVE_S))
        self.town.check()
        if victim == POSTGRES:
            await self._kill_database()
        else:
            child = self.town.aggregator if victim == AGGREGATOR else self.town.gateways[Gateway(victim)].child
            await child.kill()
            await asyncio.sleep(self.random.uniform(*DEAD_S))
            await child.start()
        if victim == AGGREGATOR:
            await self.town.wait_for_aggregator()
        self.outcome.cycles += 1
        self.outcome.kills[victim] += 1

    async def _kill_database(self) -> None:
        """The aggregator is left alone: it has to come back by itself."""
        assert self._server is not None
        await asyncio.to_thread(self._server.kill)
        await asyncio.sleep(self.random.uniform(*DEAD_S))
        self.town.check()
        await asyncio.to_thread(self._server.start)

    def audit(self) -> list[str]:
        """What the laws of the books say of a PostgreSQL database; the summary speaks for SQLite."""
        if self._books is None:
            return []
        database = Database(self._books)
        try:
            return database.read_now(audit)
        finally:
            database.close()

    async def restore_older_copy(self, gateway: Gateway) -> None:
        """A gateway's store is put back to how it was some seconds ago, as from a backup of its card."""
        site = self.town.gateways[gateway]
        store, copy = site.folder / "data", site.folder / "data-of-earlier"
        await site.child.kill()
        shutil.copytree(store, copy)
        await site.child.start()
        await asyncio.sleep(LIVE_AFTER_RESTORE_S)
        await site.child.kill()
        shutil.rmtree(store)
        copy.rename(store)
        await site.child.start()
        await asyncio.sleep(LIVE_AFTER_RESTORE_S)

    async def close(self, restored: Gateway | None) -> None:
        """Settle and compare. A restored store has forgotten the wash that ran meanwhile, which may come out free, and
        receipts that it held."""

        def forgives(line: Line) -> bool:
            is_its_wash = line.key.gateway == restored and line.unit == "cycles"
            return is_its_wash and line.booked < line.truth and not line.open

        calm_s, receipts_s = (CALM_S, HOLD_TIMEOUT_S) if restored is None else (CALM_AFTER_RESTORE_S, 0.0)
        settled = await settle(
            self.town, self.look, asyncio.Event(), calm_s=calm_s, receipts_s=receipts_s, forgives=forgives
        )
        self.outcome.settled = settled
        forgiven = [line for line in settled.lines if forgives(line)]
        self.outcome.forgiven = len(forgiven)
        self.outcome.amiss += mismatches(line for line in settled.lines if line not in forgiven)
        if settled.snapshot.imbalance_nano:
            self.outcome.amiss.append(f"the books do not balance: {settled.snapshot.imbalance_nano} nano")
        if settled.held.receipts != settled.held.batches and not restored:
            self.outcome.amiss.append(f"{settled.held.batches} batches, {settled.held.receipts} receipts")
        self.outcome.amiss += await asyncio.to_thread(self.audit)
        if not settled.snapshot.figures.uses:
            self.outcome.amiss.append("nothing was used: the run showed nothing")


async def crash(
    cycles: int, seed: str, data: Path, restore: Gateway | None = None, victims: Sequence[str] = VICTIMS
) -> Outcome:
    """Run `cycles` kills; with `restore`, put an older copy of that gateway's store back in the middle."""
    if POSTGRES not in victims:
        return await _crash(CrashRun(data, seed, victims), cycles, restore)
    with postgres.running() as server:
        return await _crash(CrashRun(data, seed, victims, server), cycles, restore)


async def _crash(run: CrashRun, cycles: int, restore: Gateway | None) -> Outcome:
    started = time.monotonic()
    try:
        await run.open()
        for number in range(cycles):
            await run.kill_one()
            if restore is not None and number == cycles // 2:
                await run.restore_older_copy(restore)
            if (number + 1) % 10 == 0:
                print(f"{number + 1} of {cycles} kills: {dict(run.outcome.kills)}", flush=True)
        await run.close(restore)
    except TownError as error:
        run.outcome.amiss.append(str(error))
    finally:
        await run.town.stop()
    run.outcome.seconds = time.monotonic() - started
    return run.outcome


def describe(outcome: Outcome) -> str:
    """The run in a few lines."""
    lines = [f"{outcome.cycles} kills in {outcome.seconds:.0f} s: {dict(outcome.kills)}"]
    if outcome.settled is not None:
        figures = outcome.settled.snapshot.figures
        lines.append(f"{figures.readings} readings, {figures.batches} batches, {figures.uses} uses")
        lines += [f"  {line.name}: used {line.truth}, booked {line.booked}" for line in outcome.settled.lines]
    lines += [f"AMISS: {sentence}" for sentence in outcome.amiss] or ["ledger equals truth, the books balance"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--data", type=Path, help="keep everything in this new folder")
    parser.add_argument("--restore", choices=[g.value for g in Gateway], help="also restore an older store of it")
    parser.add_argument("--kill", default=",".join(VICTIMS), help=f"of {', '.join((*VICTIMS, POSTGRES))}")
    given = parser.parse_args()
    victims = given.kill.split(",")
    if not set(victims) <= {*VICTIMS, POSTGRES}:
        parser.error(f"--kill takes names of {', '.join((*VICTIMS, POSTGRES))}, with commas between them")
    print(f"seed {given.seed}", flush=True)
    restore = None if given.restore is None else Gateway(given.restore)
    with tempfile.TemporaryDirectory(prefix="tallystick-crash-") as temporary:
        outcome = asyncio.run(crash(given.cycles, given.seed, given.data or Path(temporary), restore, victims))
        if outcome.amiss and given.data is None:
            kept = Path(tempfile.mkdtemp(prefix="tallystick-crash-kept-"))
            shutil.copytree(temporary, kept, dirs_exist_ok=True)
            print(f"everything is kept in {kept}")
    print(describe(outcome))
    return 1 if outcome.amiss else 0


if __name__ == "__main__":
    sys.exit(main())
