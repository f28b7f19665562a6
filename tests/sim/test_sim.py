"""The simulation in CI: a row of seeds, or worlds that nobody played before; seeds that found something once, the same
seed twice, some planted bugs. Fresh worlds are the commit's own: `make sim FRESH=1` plays them before."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
from sim.__main__ import (
    BUG_SEEDS_MAX,
    BUGS_FILE,
    STATE_VERSION,
    Hunt,
    Tally,
    first_of_commit,
    hunt,
    main,
    run_seeds,
    side_by_side,
)
from sim.bugs import BUGS, planted
from sim.loop import Restless, SimLoop, run
from sim.server import engine
from sim.trace import Amiss, Kind
from sim.world import Verdict, World, play

TESTS = Path(__file__).resolve().parent.parent
FIRST_SEED, SEEDS_MAX = 70_000, 16  # about 40 s of two busy cores
FRESH = os.environ.get("TALLYSTICK_FRESH_WORLDS") == "1"  # not in CI: docs/explanation/simulation.md
FRESH_CPU_S = 75  # 30 to 45 worlds, on both cores
PLAIN_SEED = 1015  # a short world of crashes, resets and lost answers
QUICK_BUGS = ("double-posting-on-duplicate", "normal-instead-of-full", "clock-in-the-key")


@pytest.mark.alone
@pytest.mark.skipif(not FRESH, reason="TALLYSTICK_FRESH_WORLDS=1 plays worlds that nobody played before")
@pytest.mark.timeout(1800)
def test_fresh_worlds_lose_nothing_and_bill_nothing_twice() -> None:
    """A process of its own: whoever replays a seed must get the same order of sets."""
    ours = os.environ | {"PYTHONPATH": str(TESTS), "PYTHONHASHSEED": "0"}
    words = [sys.executable, "-m", "sim", "--fresh", "--cpu", str(FRESH_CPU_S)]
    done = subprocess.run(words, env=ours, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(FRESH, reason="fresh worlds are played instead")
@pytest.mark.timeout(1200)  # seconds of work; a machine may have others to do
def test_a_row_of_seeds_loses_nothing_and_bills_nothing_twice() -> None:
    tally = run_seeds(Tally(STATE_VERSION, FIRST_SEED), SEEDS_MAX, None)
    print(f"{tally.done} seeds, {tally.uses} uses, {tally.washes} washes")
    assert tally.done == SEEDS_MAX
    assert tally.uses
    assert not tally.failed, f"replay with: python3 run.py sim --replay {tally.failed[0]}"


def test_so_many_fresh_worlds_are_played_whatever_the_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sim.__main__.FRESH_SEEDS", 2)
    assert main(["--fresh", "--start", "70000", "--budget", "0", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "seeds from 70000" in said
    assert '"name": "sim-seeds", "value": 2, "unit": "seeds", "goal": 2, "ok": true' in said


def test_fresh_worlds_end_with_the_processor_time_they_may_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sim.__main__._timed", lambda seed, _: (Verdict(seed, (), "", {}, 1, 0, 0, 0.0), 2.0))
    assert main(["--fresh", "--start", "1", "--cpu", "5", "--jobs", "1"]) == 0
    assert '"name": "sim-seeds", "value": 3,' in capsys.readouterr().out


def test_a_finding_names_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amiss = (Amiss(Kind.LOST, "something"),)
    monkeypatch.setattr("sim.__main__.play", lambda seed, storm: Verdict(seed, amiss, storm, {}, 1, 0, 0, 0.0))
    assert main(["--start", "7", "--seeds", "1", "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "seed 7: lost: something" in said
    assert "Replay: python3 run.py sim --replay 7\n" in said
    assert main(["--start", "7", "--seeds", "1", "--jobs", "1", "--storm", "bent"]) == 1
    assert "Replay: python3 run.py sim --replay 7 --storm bent\n" in capsys.readouterr().out


def test_the_first_fresh_seed_is_the_commit_s(monkeypatch: pytest.MonkeyPatch) -> None:
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TESTS, capture_output=True, text=True, check=False)
    if told.returncode == 0:
        assert first_of_commit() == int(told.stdout[:8], 16)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert len(str(first_of_commit())) == len("20261129000")


FOUND = [
    342352027, 342352028, 342352035, 1500131, 1600059, 2100032, 3200138, 3300070, 3300196, 3500049, 3600069, 3600093,
    3800432, 3800680, 4000125, 4000143, 4000306, 4000952, 4100070, 5001344, 5100836, 5600024,
    5500265, 5700313, 5800079, 5900018, 6400987, 6506817, 6802254, 6803643, 8002282, 15004754,
]  # fmt: skip


@pytest.mark.parametrize("seed", FOUND)
def test_seeds_that_found_something_are_clean(seed: int) -> None:
    assert play(seed).amiss == ()


@pytest.mark.parametrize(("storm", "seed"), [("bent", 9000094), ("bent", 9000151)])
def test_seeds_that_found_something_in_a_storm_are_clean(storm: str, seed: int) -> None:
    assert play(seed, storm=storm).amiss == ()


def test_the_same_seed_gives_the_same_trace() -> None:
    """Whoever plays it: this process, or one of several beside each other."""
    (first, _), (other, _) = side_by_side(7, 2, jobs=2)
    assert play(7) == first
    assert other.digest != first.digest


def test_shortcuts_change_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real signatures, every message read anew, and SQLAlchemy's whole way to the database: the same world."""
    quick = play(PLAIN_SEED)
    monkeypatch.setattr("sim.world.remembering", nullcontext)
    with engine().connect() as plain:
        monkeypatch.setattr("sim.server.connection", lambda: plain)
        assert play(PLAIN_SEED) == quick
    assert quick.uses


@pytest.mark.parametrize("name", QUICK_BUGS)
@pytest.mark.timeout(1200)  # seconds of work; a machine may have others to do
def test_a_planted_bug_is_found(name: str) -> None:
    found = hunt(Hunt(name, 1), seeds_max=4)
    assert found.seed is not None, f"{name} was not found in the seeds 1 to 4"


def test_a_world_that_turns_in_circles_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.loop.STEPS_MAX", 5_000)

    async def spin(loop: SimLoop) -> None:
        while True:  # noqa: ASYNC110 - it is what must be noticed
            await asyncio.sleep(0)

    with pytest.raises(Restless, match="does not come to rest"):
        run(spin, Random(1))


def test_a_world_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(self: World) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(World, "play", breaks)
    assert [str(each) for each in play(7).amiss] == ["broken: the world broke: KeyError('a bug')"]


def test_every_planted_bug_still_finds_the_place_it_is_planted_in() -> None:
    assert len(BUGS) >= 12
    for name in BUGS:
        with planted(name):
            pass


def test_a_run_goes_on_where_it_stopped(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--jobs", "1", "--start", "7", "--data", str(tmp_path)]
    assert main([*words, "--seeds", "1"]) == 0
    assert main([*words, "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert "going on after 1 seeds from 7" in said
    assert '"name": "sim-lost", "value": 0' in said


def test_a_hunt_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--jobs", "1", "--data", str(tmp_path), "--bugs", "clock-in-the-key"]
    assert main([*words, "--start", "1", "--budget", "0"]) == 1
    assert "clock-in-the-key             not yet, after 0" in capsys.readouterr().out
    with (tmp_path / BUGS_FILE).open("a") as file:
        file.write('{"name": "clock-')  # a kill in the middle of a line
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "seeds from 1" in said
    assert '"name": "sim-bugs-found", "value": 1' in said
    assert main(words) == 0  # nothing is left to play
    with pytest.raises(SystemExit, match="of another run"):
        main([*words, "--start", "2"])


def test_a_hunt_plays_the_worlds_that_are_rough_where_its_bug_hurts_and_counts_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played: list[int] = []

    def calm(seed: int) -> Verdict:
        played.append(seed)
        return Verdict(seed, (), "", {}, 1, 0, 0, 0.0)

    monkeypatch.setattr("sim.__main__.play", calm)
    found = hunt(Hunt("sent-before-durable", 1))
    assert (found.tried, found.seed) == (BUG_SEEDS_MAX, None)
    assert played == [seed for seed in range(1, BUG_SEEDS_MAX + 1) if BUGS["sent-before-durable"].may_show(seed)]
    assert 0 < len(played) < BUG_SEEDS_MAX


def test_a_bug_that_nobody_found_is_told() -> None:
    assert Hunt("no-watermark", 1, BUG_SEEDS_MAX).is_over
    assert not Hunt("no-watermark", 1, 7).is_over
