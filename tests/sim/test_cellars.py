"""Cellars alone in CI: a row of seeds, those that found something once, and rules taken away on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sim.__main__ import main
from sim.cellars import LoneCellar
from tallystick_edge.metering import counter
from tallystick_edge.metering.channel import Suspect

FIRST_SEED, CELLARS = 90_000, 150  # 6 s of a core
OLD_VALUES = (465, 1890)  # an old value told again was company for a rise that waited: 323 and 423 Wh were free
FOUND = (*OLD_VALUES, 7102397)


@pytest.mark.timeout(300)
def test_a_row_of_cellars_loses_nothing_and_bills_nothing_that_was_not_used() -> None:
    amiss = {seed: found for seed in range(FIRST_SEED, FIRST_SEED + CELLARS) if (found := LoneCellar(seed).play())}
    assert amiss == {}


@pytest.mark.parametrize("seed", FOUND)
def test_seeds_that_found_something_are_clean(seed: int) -> None:
    assert LoneCellar(seed).play() == ()


def test_the_same_seed_is_the_same_cellar() -> None:
    one, again = LoneCellar(7), LoneCellar(7)
    assert one.play() == again.play()
    assert one._card == again._card
    assert one._card.items


@pytest.mark.parametrize("seed", OLD_VALUES)
def test_without_the_rule_for_old_values_a_cellar_loses_something(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "_has_company", lambda suspect, count: suspect.count >= count)
    assert LoneCellar(seed).play()


def test_a_level_that_is_believed_at_once_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    follow = counter._follow

    def hasty(
        suspect: Suspect | None, rule: counter.CounterRule, seen: counter.Seen, reason: counter.Reason
    ) -> Suspect:
        found = follow(suspect, rule, seen, reason)
        return replace(found, count=counter.CONFIRM_COUNT, begun=found.begun - 1)

    monkeypatch.setattr(counter, "_follow", hasty)
    monkeypatch.setattr(counter, "_has_company", lambda suspect, count: suspect.count >= count)
    assert any(LoneCellar(seed).play() for seed in range(FIRST_SEED, FIRST_SEED + 10))


def test_the_command_plays_them_and_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cellars", "2", "--start", "1", "--jobs", "1"]) == 0
    assert '"name": "sim-cellars-amiss", "value": 0,' in capsys.readouterr().out
    monkeypatch.setattr(LoneCellar, "play", lambda self: ("something",))
    assert main(["--cellars", "1", "--start", "7", "--jobs", "1"]) == 1
    assert "cellar 7: something" in capsys.readouterr().out
