"""Laws 1, 2, 3, 4, 7, 8 and 15 in CI, on both databases: a short cut of `make million`, with a printed seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import million, postgres
from support.books import T0
from support.million_truth import judge
from support.seeds import drawn_number
from tallystick_cloud.clock import VARIABLE, real_utc_ms


@pytest.mark.drawn
@pytest.mark.timeout(300)  # two or three processes of their own, one after the other
@pytest.mark.parametrize(("kind", "count", "kills"), [("sqlite", 1_200, 2), ("postgresql", 600, 1)])
def test_duplicates_other_orders_and_kills_leave_no_nano_off(
    kind: str, count: int, kills: int, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"1,{real_utc_ms()},{T0}")
    if kind == "sqlite":
        play(tmp_path, None, count, kills)
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        play(tmp_path, url, count, kills)


def play(folder: Path, url: str | None, count: int, kills: int) -> None:
    seed, batches = drawn_number("million"), million.batches_for(count)
    million.found(folder, url, seed)
    killed = million.play(folder, url, seed, batches, kills, run=seed)
    assert million.batches_to(folder, url, seed, 1) == batches  # never judged by less than it holds
    with pytest.raises(ValueError, match=f"was made with --seed {seed}"):
        million.batches_to(folder, url, seed + 1, count)
    found = judge(folder, url, seed, batches)
    print(found.sentence(killed, 0))
    assert killed == kills
    assert found.uses >= count
    assert found.re_rated > 50
