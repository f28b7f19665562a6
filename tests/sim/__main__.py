"""`python3 run.py sim`: seeds one after the other, planted bugs, or one seed with its readable trace.

sim SEEDS=10000 [--start SEED] [--data DIR]   seeds from SEED on; with --data it goes on where it stopped
    [--jobs N] [--budget S]                   in so many processes (one per core), for at most so long
    [--storm NAME]                            one kind of fault far more often: bent, store, restore, server, glitch,
                                              clock, disk, wire
sim --fresh [--cpu S]                         worlds that this commit is the first to play: 100, and more in 120 s; or
                                              as many as fit so many seconds of processor time, as CI may
sim --bugs [NAME ...] [--data DIR]            each planted bug until it is found, at most 200 seeds; goes on too
sim --replay SEED [--bug NAME] [--storm NAME] one seed, every event on a line
sim --cellars N [--start SEED] [--jobs N]     meters and metering alone, 25 a second of processor time
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from sim.bugs import BUGS, planted
from sim.cellars import LoneCellar
from sim.rates import STORMS
from sim.town import town
from sim.trace import Kind
from sim.world import HEAL_S, Verdict, play

STATE_FILE, STATE_VERSION = "sim-state.json", 1
BUGS_FILE = "sim-bugs.jsonl"
FRESH_SEEDS, FRESH_S = 100, 120.0  # in CI: so many at least, and as many as fit
COMMIT_DIGITS = 8  # hexadecimal; 4 billion first seeds, so that two commits hardly share a world
BUG_SEEDS_MAX = 200  # a bug that hides longer says that the simulation is too weak
SPEED_GOAL = 5.0  # seeds in a second of processor time
TELL_EVERY_S = 10.0
CELLARS_AT_ONCE = 16  # half a second of one process


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
    storm: str = ""

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


def run_seeds(
    tally: Tally,
    seeds: int,
    keep: Path | None,
    budget_s: float | None = None,
    jobs: int = 1,
    at_least: int = 0,
    cpu_s: float | None = None,
) -> Tally:
    """Seeds `start + done` and on, until there were `seeds`, or `at_least` and the budget of real time is used up, or
    `cpu_s` of processor time."""
    town()
    began = told = time.monotonic()
    worlds = side_by_side(tally.start + tally.done, seeds - tally.done, jobs, tally.storm)
    while tally.done < at_least or (
        tally.done < seeds
        and (budget_s is None or time.monotonic() - began < budget_s)
        and (cpu_s is None or tally.cpu_s < cpu_s)
    ):
        verdict, took_s = next(worlds)
        seed = verdict.seed
        tally.add(verdict, took_s)
        if keep is not None:
            _save(keep, tally)
        for each in verdict.amiss[:5]:
            print(f"seed {seed}: {each}", flush=True)
        if verdict.amiss:
            more = f" --storm {tally.storm}" if tally.storm else ""
            print(f"seed {seed} failed. Replay: python3 run.py sim --replay {seed}{more}", flush=True)
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            speed = tally.done / max(tally.cpu_s, 1e-9)
            print(f"{tally.done} of {seeds} seeds, {len(tally.failed)} failed, {speed:.1f} per CPU second", flush=True)
    worlds.close()
    return tally


def side_by_side(first: int, number: int, jobs: int, storm: str = "") -> Generator[tuple[Verdict, float], None, None]:
    """Worlds in the order of their seeds, each with its processor time in seconds; `jobs` of them at a time."""
    seeds = iter(range(first, first + number))
    if jobs == 1:
        yield from (_timed(seed, storm) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:  # every process has the town already
        try:
            ahead = deque(pool.submit(_timed, seed, storm) for seed in islice(seeds, 2 * jobs))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(_timed, seed, storm) for seed in islice(seeds, 1))
        finally:
            pool.shutdown(cancel_futures=True)


def _timed(seed: int, storm: str) -> tuple[Verdict, float]:
    began = time.process_time()
    verdict = play(seed, storm=storm)
    return verdict, time.process_time() - began


@dataclass(frozen=True, slots=True)
class Hunt:
    """A planted bug, how many seeds from `start` on were played with it, and the one that found it, if any did."""

    name: str
    start: int
    tried: int = 0
    seed: int | None = None
    sentence: str = ""

    @property
    def is_over(self) -> bool:
        return self.seed is not None or self.tried >= BUG_SEEDS_MAX


def hunt(begun: Hunt, seeds_max: int = BUG_SEEDS_MAX, until_s: float | None = None) -> Hunt:
    """Run seeds with the bug in the product until one is amiss that is not without it. `until_s`: of the monotonic
    clock, after which no further seed begins."""
    town()
    for tried in range(begun.tried, seeds_max):
        if until_s is not None and time.monotonic() >= until_s:
            return replace(begun, tried=tried)
        seed = begun.start + tried
        if not BUGS[begun.name].may_show(seed):
            continue  # it counts as tried, so that no number is too good
        with planted(begun.name):
            amiss = [str(each) for each in play(seed).amiss]
        if amiss and not play(seed).amiss:  # without the bug it is clean: it is the bug that was found
            return replace(begun, tried=tried + 1, seed=seed, sentence=amiss[0])
    return replace(begun, tried=seeds_max)


def figures(tally: Tally, at_least: int = 1) -> list[dict[str, object]]:
    """As every bench prints them."""
    found = [_figure("sim-seeds", tally.done, "seeds", at_least, tally.done >= at_least)]
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


def _load(folder: Path, start: int | None, storm: str) -> Tally:
    path = folder / STATE_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        kept = Tally(**json.loads(path.read_text()))
        if kept.version != STATE_VERSION or start not in (None, kept.start) or storm != kept.storm:
            raise SystemExit(f"{path} is of another run (start {kept.start}). Next: name another --data, or remove it")
        print(f"going on after {kept.done} seeds from {kept.start}", flush=True)
        return kept
    return Tally(STATE_VERSION, _fresh() if start is None else start, storm=storm)


def _fresh() -> int:
    return secrets.randbelow(10**9)


def first_of_commit() -> int:
    """The first seed of worlds that nobody played before: of the commit, so that whoever has it plays the same ones;
    where no git tells it, of the day."""
    git = shutil.which("git")
    if git is not None:
        words = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return int(done.stdout[:COMMIT_DIGITS], 16)
    return int(datetime.now(UTC).strftime("%Y%m%d")) * 1_000


def _fresh_worlds(given: argparse.Namespace) -> int:
    tally = Tally(STATE_VERSION, first_of_commit() if given.start is None else given.start)
    print(f"fresh worlds of this commit: seeds from {tally.start}", flush=True)
    many = 1_000_000  # more than fit; the budget ends it
    if given.cpu is not None:
        run_seeds(tally, many, None, given.budget, given.jobs, 1, given.cpu)
        return _tell_all(tally, 1)
    budget_s = FRESH_S if given.budget is None else given.budget
    run_seeds(tally, many, None, budget_s, given.jobs, FRESH_SEEDS)
    return _tell_all(tally, FRESH_SEEDS)


def _cellars(given: argparse.Namespace) -> int:
    """So many, from `--start` or anywhere; each that is amiss is told at once."""
    start = _fresh() if given.start is None else given.start
    print(f"cellars from {start}", flush=True)
    told, amiss = time.monotonic(), 0
    with ProcessPoolExecutor(given.jobs, get_context("fork")) as pool:
        seeds = range(start, start + given.cellars)
        for seed, found in zip(seeds, pool.map(_cellar, seeds, chunksize=CELLARS_AT_ONCE), strict=True):
            amiss += bool(found)
            for sentence in found:
                print(f"cellar {seed}: {sentence}", flush=True)
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                print(f"{seed - start + 1} of {given.cellars} cellars, {amiss} failed", flush=True)
    played = _figure("sim-cellars", given.cellars, "cellars", given.cellars, True)
    return _show([played, _figure("sim-cellars-amiss", amiss, "cellars", 0, not amiss)])


def _cellar(seed: int) -> tuple[str, ...]:
    return LoneCellar(seed).play()


def _seeds(given: argparse.Namespace) -> int:
    if given.data is None:
        tally = Tally(STATE_VERSION, _fresh() if given.start is None else given.start, storm=given.storm)
    else:
        tally = _load(given.data, given.start, given.storm)
    print(f"seeds from {tally.start}", flush=True)
    run_seeds(tally, given.seeds, given.data, given.budget, given.jobs)
    return _tell_all(tally, 1)


def _tell_all(tally: Tally, at_least: int) -> int:
    events = f"{tally.events} events, {tally.uses} uses, {tally.washes} washes"
    speed = tally.done / max(tally.cpu_s, 1e-9)
    print(f"{tally.done} seeds of two virtual hours: {events}; {speed:.2f} per CPU second")
    if tally.failed:
        print(f"failed: {', '.join(map(str, tally.failed))}")
    return _show(figures(tally, at_least))


def _bugs(given: argparse.Namespace) -> int:
    names = given.bugs or list(BUGS)
    begun = {} if given.data is None else _load_hunts(given.data)
    starts = {each.start for each in begun.values()}
    if len(starts | {given.start} - {None}) > 1:
        raise SystemExit(f"{given.data / BUGS_FILE} is of another run. Next: name another --data, or remove it")
    start = min(starts, default=_fresh() if given.start is None else given.start)
    print(f"seeds from {start}", flush=True)
    town()
    until_s = None if given.budget is None else time.monotonic() + given.budget
    open_hunts = [each for name in names if not (each := begun.get(name, Hunt(name, start))).is_over]
    with ProcessPoolExecutor(given.jobs, get_context("fork")) as pool:
        for ended in as_completed([pool.submit(hunt, each, BUG_SEEDS_MAX, until_s) for each in open_hunts]):
            found = ended.result()
            begun[found.name] = found
            _tell(found)
            if given.data is not None:
                with (given.data / BUGS_FILE).open("a") as file:  # the last line of a bug counts
                    file.write(json.dumps(asdict(found)) + "\n")
    hunts = [begun.get(name, Hunt(name, start)) for name in names]
    found_count = sum(each.seed is not None for each in hunts)
    most = max(each.tried for each in hunts)
    for each in hunts:
        print(json.dumps(asdict(each)), flush=True)
    return _show(
        [
            _figure("sim-bugs-found", found_count, "bugs", len(hunts), found_count == len(hunts)),
            _figure("sim-bug-seeds-max", most, "seeds", BUG_SEEDS_MAX, found_count == len(hunts)),
        ]
    )


def _load_hunts(folder: Path) -> dict[str, Hunt]:
    """What is known of each bug; a line that a kill cut short is played again."""
    folder.mkdir(parents=True, exist_ok=True)
    path, found = folder / BUGS_FILE, {}
    for line in path.read_text().splitlines() if path.exists() else ():
        with suppress(ValueError):
            each = Hunt(**json.loads(line))
            found[each.name] = each
    return found


def _tell(found: Hunt) -> None:
    if found.seed is not None:
        said = f"seed {found.seed}, after {found.tried}: {found.sentence}"
    else:
        said = "NOT FOUND" if found.is_over else f"not yet, after {found.tried}"
    print(f"  {found.name:28} {said}"[:200], flush=True)


def _replay(given: argparse.Namespace) -> int:
    with planted(given.bug):
        verdict = play(given.replay, print, given.storm)
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
    parser.add_argument("--storm", choices=tuple(STORMS), default="", help="one kind of fault far more often")
    parser.add_argument("--budget", type=float, metavar="S", help="stop after this many seconds of real time")
    parser.add_argument("--fresh", action="store_true", help="worlds of this commit: 100, and as many as fit 120 s")
    parser.add_argument("--cpu", type=float, metavar="S", help="stop after so much processor time (--fresh)")
    parser.add_argument("--cellars", type=int, metavar="N", help="so many cellars alone, without network and books")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--bugs", nargs="*", choices=list(BUGS), metavar="NAME", help=", ".join(BUGS))
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and print every event")
    parser.add_argument("--bug", choices=list(BUGS), metavar="NAME", help="with this planted bug (--replay)")
    given = parser.parse_args(words)
    if given.replay is not None:
        return _replay(given)
    if given.bugs is not None:
        return _bugs(given)
    if given.cellars is not None:
        return _cellars(given)
    if given.fresh:
        return _fresh_worlds(given)
    return _seeds(given)


if __name__ == "__main__":
    gc.freeze()  # what is loaded by now stays; the garbage of each world is looked for without it
    sys.exit(main())
