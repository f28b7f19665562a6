"""The simulation's short cut in CI: a row of seeds, one of them a regression, the same seed twice, some planted bugs.
Fresh ones belong to `python3 run.py sim`: one in 97 found what is not mended, and CI is no lottery."""

from __future__ import annotations

import pytest
from sim.__main__ import STATE_VERSION, Tally, hunt, main, run_seeds
from sim.bugs import BUGS, planted
from sim.world import play

FIRST_SEED, SEEDS_MAX = 70_000, 16  # about 40 s of two busy cores
QUICK_BUGS = ("double-posting-on-duplicate", "normal-instead-of-full", "clock-in-the-key")


@pytest.mark.timeout(300)
def test_a_row_of_seeds_loses_nothing_and_bills_nothing_twice() -> None:
    tally = run_seeds(Tally(STATE_VERSION, FIRST_SEED), SEEDS_MAX, None)
    print(f"{tally.done} seeds, {tally.uses} uses, {tally.washes} washes")
    assert tally.done == SEEDS_MAX
    assert tally.uses
    assert not tally.failed, f"replay with: python3 run.py sim --replay {tally.failed[0]}"


@pytest.mark.parametrize("seed", [342352027, 342352028, 342352035])
def test_seeds_that_found_something_are_clean(seed: int) -> None:
    assert play(seed).amiss == ()


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = play(7), play(7)
    assert first == second
    assert play(8).digest != first.digest


@pytest.mark.parametrize("name", QUICK_BUGS)
@pytest.mark.timeout(300)
def test_a_planted_bug_is_found(name: str) -> None:
    found = hunt(name, 1, seeds_max=4)
    assert found.seed is not None, f"{name} was not found in the seeds 1 to 4"


def test_every_planted_bug_still_finds_the_place_it_is_planted_in() -> None:
    assert len(BUGS) >= 12
    for name in BUGS:
        with planted(name):
            pass


def test_a_run_goes_on_where_it_stopped(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--start", "7", "--data", str(tmp_path)]
    assert main([*words, "--seeds", "1"]) == 0
    assert main([*words, "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert "going on after 1 seeds from 7" in said
    assert '"name": "sim-lost", "value": 0' in said
