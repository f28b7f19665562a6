"""A period of a pool as a table for people and as JSON, with how good its evidence is.

It never computes an amount.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tallystick_cloud.counts import many
from tallystick_cloud.money import money

from .compare import Pair, sums
from .model import Interval, Worked, pool_of
from .service import Closed

LEVEL_0 = "evidence level 0: nobody signed it, it is what the grid's file says"


def as_text(worked: Worked, zone: ZoneInfo) -> str:
    """One line per interval, then the sums and what is open."""
    lines = [f"{'interval':<17} {'injected':>10} {'withdrawn':>10} {'shared':>10} {'worth':>16} level  plants"]
    lines += [_line(one, zone) for one in worked.intervals]
    sums = [sum(get(one) for one in worked.intervals) for get in (_injected, _withdrawn, _shared, _fee)]
    lines.append(f"{'sum':<17} {sums[0]:>10} {sums[1]:>10} {sums[2]:>10} {money(sums[3]):>16}")
    above = sum(one.above_wh for one in worked.intervals)
    if above:
        lines.append(f"above the threshold: {above} Wh")
    lines += [f"open: {count} intervals, because {why}" for why, count in reasons(worked)]
    if any(one.level == 0 for one in worked.intervals):
        lines.append(LEVEL_0)
    return "\n".join(lines)


def reasons(worked: Worked) -> list[tuple[str, int]]:
    """Why intervals are open, and how many, the most frequent first."""
    return Counter(one.why for one in worked.opens).most_common()


def as_json(worked: Worked, names: Mapping[bytes, str]) -> dict[str, Any]:
    """Energy in Wh, `_nano` as strings of integers."""
    return {
        "from_ms": worked.period.from_ms,
        "to_ms": worked.period.to_ms,
        "intervals": [_interval(one, names) for one in worked.intervals],
        "open": [{"start_ms": one.start_ms, "why": one.why} for one in worked.opens],
    }


def pairs_text(pairs: Sequence[Pair], zone: ZoneInfo) -> str:
    """The intervals that differ, and the sums."""
    lines = [f"{'interval':<17} {'theirs':>10} {'ours':>10} {'difference':>10}  what"]
    for one in (each for each in pairs if not each.is_same):
        when = datetime.fromtimestamp(one.start_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
        theirs, ours = ("-" if wh is None else wh for wh in (one.theirs, one.ours))
        lines.append(f"{when:<17} {theirs:>10} {ours:>10} {one.difference:>+10}  {one.what}")
    for all_of in sums(pairs):
        counts = f"{all_of.what}: {many(all_of.count, 'interval')}, {all_of.differing} differ"
        difference = all_of.ours - all_of.theirs
        lines.append(f"{'sum':<17} {all_of.theirs:>10} {all_of.ours:>10} {difference:>+10}  {counts}")
    return "\n".join(lines)


def pairs_json(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Energy in Wh; null where one side says nothing."""
    return {
        "intervals": [
            {"what": one.what, "start_ms": one.start_ms, "theirs_wh": one.theirs, "ours_wh": one.ours} for one in pairs
        ],
        "sums": [
            {
                "what": one.what,
                "intervals": one.count,
                "differing": one.differing,
                "theirs_wh": one.theirs,
                "ours_wh": one.ours,
            }
            for one in sums(pairs)
        ],
    }


def closed_json(closed: Closed, names: Mapping[bytes, str]) -> dict[str, Any]:
    """What a close posted."""
    return {
        "from_ms": closed.worked.period.from_ms,
        "to_ms": closed.worked.period.to_ms,
        "kind": closed.kind.value,
        "again": closed.again,
        "intervals": len(closed.worked.intervals),
        "open": len(closed.worked.opens),
        "posted": [
            {
                "account": line.account.value,
                "party": names.get(line.party, line.party.hex()),
                "unit": line.unit,
                "amount_nano": str(amount),
            }
            for line, amount in sorted(closed.posted.items(), key=lambda one: one[0].key())
        ],
    }


def _line(one: Interval, zone: ZoneInfo) -> str:
    when = datetime.fromtimestamp(one.start_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
    assets = one.version.contract.assets
    plants = ", ".join(f"{assets[row.point].asset} {row.allocated}" for row in one.sharing.plants)
    counted = f"{_injected(one):>10} {_withdrawn(one):>10} {_shared(one):>10}"
    return f"{when:<17} {counted} {money(_fee(one)):>16} {one.level:>5}  {plants}"


def _interval(one: Interval, names: Mapping[bytes, str]) -> dict[str, Any]:
    assets, points = one.version.contract.assets, pool_of(one.version).points
    return {
        "start_ms": one.start_ms,
        "level": one.level,
        "injected_wh": _injected(one),
        "withdrawn_wh": _withdrawn(one),
        "shared_wh": _shared(one),
        "above_wh": one.above_wh,
        "worth_nano": str(_fee(one)),
        "meters": [
            {
                "meter": assets[row.point].asset,
                "direction": points[row.point].direction.value,
                "wh": row.injected + row.withdrawn,
                "allocated_wh": row.allocated,
            }
            for row in (*one.sharing.plants, *one.sharing.consumers)
        ],
        "parts": [
            {
                "party": names.get(part.party, part.party.hex()),
                "group": None if part.group is None else part.group.value,
                "amount_nano": str(part.amount),
            }
            for part in one.divided.parts
        ],
    }


def _injected(one: Interval) -> int:
    return one.sharing.injected


def _withdrawn(one: Interval) -> int:
    return one.sharing.withdrawn


def _shared(one: Interval) -> int:
    return one.sharing.shared


def _fee(one: Interval) -> int:
    return one.worth.fee
