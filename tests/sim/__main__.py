"""`python3 run.py sim`: seeds one after the other, planted bugs, or one seed with its readable trace.

sim SEEDS=10000 [--start SEED] [--data DIR]   seeds from SEED on; with --data it goes on where it stopped
    [--jobs N] [--budget S]                   in so many processes (one per core), for at most so long
sim --bugs [NAME ...]                         each planted bug until it is found, at most 200 seeds
sim --replay SEED [--bug NAME]                one seed, every event on a line
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice, repeat
from multiprocessing import get_context
from pathlib import Path

from sim.bugs import BUGS, planted
from sim.town import town
from sim.trace import Kind
from sim.world import HEAL_S, Verdict, play

STATE_FILE, STATE_VERSION = "sim-state.json", 1
BUG_SEEDS_MAX = 200  # a bug that hides longer says that the simulation is too weak
SPEED_GOAL = 5.0  # seeds in a second of processor time
TELL_EVERY_S = 10.0


@dataclass(slots=True)
class Tally:
    """What was run so far; what `--data` keeps. Times are seconds."""

    version: int
    start: int
    done: int = 0
    cpu_s: float = 0.0
    uses: int = 0
    washes: int = 0
    events: int = 0
    healed_s_max: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)

    def add(self, verdict: Verdict, cpu_s: float) -> None:
        self.done += 1
        self.cpu_s += cpu_s
        self.uses += verdict.uses
        self.washes += verdict.washes
        self.events += sum(verdict.counts.values())
        self.healed_s_max = max(self.healed_s_max, verdict.healed_s)
        for each in {one.kind.value for one in verdict.amiss}:
            self.kinds[each] = self.kinds.get(each, 0) + 1
        if verdict.amiss:
            self.failed.append(verdict.seed)


def run_seeds(tally: Tally, seeds: int, keep: Path | None, budget_s: float | None = None, jobs: int = 1) -> Tally:
    """Seeds `start + done` and on, until there were `seeds` or the budget of real time is used up."""
    town()
    began = told = time.monotonic()
    worlds = side_by_side(tally.start + tally.done, seeds - tally.done, jobs)
    while tally.done < seeds and (budget_s is None or time.monotonic() - began < budget_s):
        verdict, cpu_s = next(worlds)
        seed = verdict.seed
        tally.add(verdict, cpu_s)
        if keep is not None:
            _save(keep, tally)
        for each in verdict.amiss[:5]:
            print(f"seed {seed}: {each}", flush=True)
        if verdict.amiss:
            print(f"seed {seed} failed. Replay: python3 run.py sim --replay {seed}", flush=True)
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            speed = tally.done / max(tally.cpu_s, 1e-9)
            print(f"{tally.done} of {seeds} seeds, {len(tally.failed)} failed, {speed:.1f} per CPU second", flush=True)
    worlds.close()
    return tally


def side_by_side(first: int, number: int, jobs: int) -> Generator[tuple[Verdict, float], None, None]:
    """Worlds in the order of their seeds, each with its processor time in seconds; `jobs` of them at a time."""
    seeds = iter(range(first, first + number))
    if jobs == 1:
        yield from map(_timed, seeds)
        return
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:  # every process has the town already
        try:
            ahead = deque(pool.submit(_timed, seed) for seed in islice(seeds, 2 * jobs))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(_timed, seed) for seed in islice(seeds, 1))
        finally:
            pool.shutdown(cancel_futures=True)


def _timed(seed: int) -> tuple[Verdict, float]:
    began = time.process_time()
    verdict = play(seed)
    return verdict, time.process_time() - began


@dataclass(frozen=True, slots=True)
class Hunt:
    """A planted bug and the seed that found it, None when none did."""

    name: str
    tried: int
    seed: int | None
    sentence: str


def hunt(name: str, start: int, seeds_max: int = BUG_SEEDS_MAX) -> Hunt:
    """Run seeds with the bug in the product until one is amiss that is not without it."""
    town()
    for tried in range(1, seeds_max + 1):
        seed = start + tried - 1
        with planted(name):
            amiss = [str(each) for each in play(seed).amiss]
        if amiss and not play(seed).amiss:  # without the bug it is clean: it is the bug that was found
            return Hunt(name, tried, seed, amiss[0])
    return Hunt(name, seeds_max, None, "")


def figures(tally: Tally) -> list[dict[str, object]]:
    """As every bench prints them."""
    found = [_figure("sim-seeds", tally.done, "seeds", 1, tally.done >= 1)]
    for kind in (Kind.LOST, Kind.TWICE, Kind.UNBALANCED, Kind.BACKLOG, Kind.BROKEN):
        value = tally.kinds.get(kind.value, 0)
        found.append(_figure(f"sim-{kind.value}", value, "seeds", 0, value == 0))
    healed = round(tally.healed_s_max)
    found.append(_figure("sim-healed-max", healed, "virtual s", HEAL_S, healed < HEAL_S))
    return found


def _figure(name: str, value: float, unit: str, goal: float, ok: bool) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "ok": ok}


def _show(found: list[dict[str, object]]) -> int:
    for each in found:
        print(f"  {each['name']:24} {each['value']:>12} {each['unit']:10} goal {each['goal']}", flush=True)
    for each in found:
        print(json.dumps(each), flush=True)
    return 0 if all(each["ok"] for each in found) else 1


def _save(folder: Path, tally: Tally) -> None:
    """Whole or not at all."""
    fresh = folder / f"{STATE_FILE}.new"
    fresh.write_text(json.dumps(asdict(tally)))
    fresh.replace(folder / STATE_FILE)


def _load(folder: Path, start: int | None) -> Tally:
    path = folder / STATE_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        kept = Tally(**json.loads(path.read_text()))
        if kept.version != STATE_VERSION or start not in (None, kept.start):
            raise SystemExit(f"{path} is of another run (start {kept.start}). Next: name another --data, or remove it")
        print(f"going on after {kept.done} seeds from {kept.start}", flush=True)
        return kept
    return Tally(STATE_VERSION, _fresh() if start is None else start)


def _fresh() -> int:
    return secrets.randbelow(10**9)


def _seeds(given: argparse.Namespace) -> int:
    if given.data is None:
        tally = Tally(STATE_VERSION, _fresh() if given.start is None else given.start)
    else:
        tally = _load(given.data, given.start)
    print(f"seeds from {tally.start}", flush=True)
    run_seeds(tally, given.seeds, given.data, given.budget, given.jobs)
    events = f"{tally.events} events, {tally.uses} uses, {tally.washes} washes"
    print(
        f"{tally.done} seeds of two virtual hours: {events}; {tally.done / max(tally.cpu_s, 1e-9):.1f} per CPU second"
    )
    if tally.failed:
        print(f"failed: {', '.join(map(str, tally.failed))}")
    return _show(figures(tally))


def _bugs(given: argparse.Namespace) -> int:
    start = _fresh() if given.start is None else given.start
    print(f"seeds from {start}", flush=True)
    town()
    hunts = []
    with ProcessPoolExecutor(given.jobs, get_context("fork")) as pool:
        names = given.bugs or list(BUGS)
        for found in pool.map(hunt, names, repeat(start)):
            hunts.append(found)
            _tell(found)
    lost = Counter(each.seed is None for each in hunts)[True]
    most = max(each.tried for each in hunts)
    return _show(
        [
            _figure("sim-bugs-found", len(hunts) - lost, "bugs", len(hunts), lost == 0),
            _figure("sim-bug-seeds-max", most, "seeds", BUG_SEEDS_MAX, lost == 0),
        ]
    )


def _tell(found: Hunt) -> None:
    where = f"seed {found.seed}, after {found.tried}: {found.sentence}" if found.seed is not None else "NOT FOUND"
    print(f"  {found.name:28} {where}"[:200], flush=True)


def _replay(given: argparse.Namespace) -> int:
    with planted(given.bug):
        verdict = play(given.replay, print)
    for each in verdict.amiss:
        print(f"AMISS: {each}")
    print(f"seed {verdict.seed}: trace {verdict.digest}, {verdict.steps} steps, {len(verdict.amiss)} amiss")
    return 1 if verdict.amiss else 0


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py sim", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many (100)")
    parser.add_argument("--start", type=int, help="the first seed (fresh, and printed)")
    parser.add_argument("--data", type=Path, help="folder of the state file: go on where it stopped")
    parser.add_argument("--budget", type=float, metavar="S", help="stop after this many seconds of real time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--bugs", nargs="*", choices=list(BUGS), metavar="NAME", help=", ".join(BUGS))
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and print every event")
    parser.add_argument("--bug", choices=list(BUGS), metavar="NAME", help="with this planted bug (--replay)")
    given = parser.parse_args(words)
    if given.replay is not None:
        return _replay(given)
    if given.bugs is not None:
        return _bugs(given)
    return _seeds(given)


if __name__ == "__main__":
    sys.exit(main())
