"""What only a file of a whole close can show: caps that count over a period, and a threshold over all of its hours."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.pools import GRID, POOL, SPLIT, Community, open_community, proof_of, toml
from tallystick_cloud.pools import keep
from tallystick_cloud.pools.model import Interval
from tallystick_cloud.settlement.office import Office
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import CloseKind
from tallystick_protocol.verify.pool import verify_pool
from tallystick_protocol.verify.report import Report

CAPPED = SPLIT.replace('portion = "45 %"', 'portion = "45 %"\ncap = 0.60\ncap_per = "period"\ncounter = "loan"', 1)
ABOVE = POOL + '\n[pool.above]\nportion = "55 %"\nto = "households"\n'
LATER = GRID.replace("T00:00", "T01:00").replace(",8000,", ",9000,")
Lie = Callable[[list[Interval]], list[Interval]]


def two_hours(text: str) -> Community:
    cer = open_community(text=text)
    cer.upload()
    cer.upload(LATER)
    cer.prices("start,price\n2026-01-01T00:00,100\n2026-01-01T01:00,100\n")
    return cer


def told(cer: Community, lie: Lie | None, interval: str = "2026-01") -> Report:
    """What the farm's file of a close says that the host signed."""
    if lie is None:
        cer.close()
    else:
        worked = cer.look()
        worked = replace(worked, intervals=tuple(lie(list(worked.intervals))))
        office = Office(cer.books.aggregator.of("cer"), cer.books.aggregator.entropy)
        close = keep.Close(cer.versions(), worked, CloseKind.FINAL, 1, None, sha256(b"a lie"))
        cer.books.database.write_now(keep.keep, office, close, cer.now_ms)
    proof, policy = proof_of(cer, "Farm", interval)
    report = verify_pool(proof.encode(), policy)
    cer.books.database.close()
    return report


def past_the_cap(hours: list[Interval]) -> list[Interval]:
    """The later hour pays the producers as if the earlier one had not filled the cap."""
    first, later = hours
    groups = tuple(
        (group, amount + (10**6 if group is Group.PRODUCERS else 0), weight)
        for group, amount, weight in later.divided.groups
    )
    return [first, replace(later, divided=replace(later.divided, groups=groups))]


def another_hour_above(hours: list[Interval]) -> list[Interval]:
    """What is above the threshold is laid upon the hour of whom the host likes less."""
    first, later = hours
    return [replace(first, above_wh=first.above_wh - 100), replace(later, above_wh=later.above_wh + 100)]


@pytest.mark.parametrize("text", [toml(split=CAPPED), toml(pool=ABOVE)], ids=["cap", "threshold"])
def test_a_true_close_is_valid_whole_and_by_the_hour(text: str) -> None:
    assert told(two_hours(text), None).verdict == "valid"
    assert told(two_hours(text), None, "2026-01-01T01:00").verdict == "valid"


@pytest.mark.parametrize(
    ("text", "lie", "reason"),
    [
        (toml(split=CAPPED), past_the_cap, "gives the producers another amount than the split does"),
        (toml(pool=ABOVE), another_hour_above, "Wh above the threshold, the sums of the close say"),
    ],
    ids=["cap", "threshold"],
)
def test_a_lie_about_what_came_before_is_seen(text: str, lie: Lie, reason: str) -> None:
    report = told(two_hours(text), lie)
    assert not report.ok
    assert reason in report.verdict
