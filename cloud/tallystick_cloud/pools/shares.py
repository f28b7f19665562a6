"""A worked period summed up for people: how much energy, what it is worth, who gets it; pure.

It never computes an amount anew: every sum is over the parts of the intervals as they were divided."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tallystick_protocol.money.split import Group

from .model import Interval, Worked, owner_of


@dataclass(frozen=True, slots=True)
class Sums:
    """Energy in Wh, money in nano. `above`: of the worth, what is shared above the contract's threshold."""

    injected: int
    withdrawn: int
    shared: int
    worth: int
    above_wh: int
    above: int


@dataclass(frozen=True, slots=True)
class Column:
    """Some intervals together: `name` is their begin, `level` the lowest, None when none of them is complete."""

    name: str
    start_ms: int
    sums: Sums
    level: int | None
    opens: int


@dataclass(frozen=True, slots=True)
class To:
    """Where a part of the worth goes: to a group of members, or to a party; `is_above`: of what is above."""

    group: Group | None
    party: bytes | None
    is_above: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What one member offered, used and got; `charged`: what it owes where the members pay for what they used."""

    party: bytes
    injected: int
    given: int
    withdrawn: int
    used: int
    got: int
    charged: int


def sums(intervals: Iterable[Interval]) -> Sums:
    """Over some intervals."""
    found = list(intervals)
    return Sums(
        sum(one.sharing.injected for one in found),
        sum(one.sharing.withdrawn for one in found),
        sum(one.sharing.shared for one in found),
        sum(one.worth.fee for one in found),
        sum(one.above_wh for one in found),
        sum(one.divided.above for one in found),
    )


def columns(worked: Worked, name_of: Callable[[int], str]) -> list[Column]:
    """The period in order, in intervals that `name_of` gives the same name."""
    inside: dict[str, list[Interval]] = defaultdict(list)
    opens: dict[str, int] = defaultdict(int)
    begins: dict[str, int] = {}
    for start_ms, one in sorted(
        [(one.start_ms, one) for one in worked.intervals] + [(one.start_ms, None) for one in worked.opens],
        key=lambda found: found[0],
    ):
        name = name_of(start_ms)
        begins.setdefault(name, start_ms)
        if one is None:
            opens[name] += 1
        else:
            inside[name].append(one)
    return [
        Column(name, begin, sums(inside[name]), min((one.level for one in inside[name]), default=None), opens[name])
        for name, begin in begins.items()
    ]


def destinations(intervals: Sequence[Interval]) -> dict[To, int]:
    """Where the worth goes -> nano; they sum to the worth."""
    found: dict[To, int] = defaultdict(int)
    for one in intervals:
        for part in one.divided.parts:
            party = None if part.group is not None else bytes(part.party)
            found[To(part.group, party, part.is_above)] += part.amount
    return dict(found)


def members(intervals: Sequence[Interval]) -> list[Share]:
    """Everybody with a meter, most money first."""
    found: dict[bytes, list[int]] = defaultdict(lambda: [0] * 6)
    for one in intervals:
        owner = owner_of(one.version)
        for row in one.sharing.plants:
            mine = found[bytes(owner(row.point))]
            mine[0] += row.injected
            mine[1] += row.allocated
        for row in one.sharing.consumers:
            mine = found[bytes(owner(row.point))]
            mine[2] += row.withdrawn
            mine[3] += row.allocated
        for part in one.divided.parts:
            if part.point >= 0:
                found[bytes(part.party)][4] += part.amount
        for part in one.divided.charges:
            if part.point >= 0:
                found[bytes(part.party)][5] += part.amount
    listed = [Share(party, *values) for party, values in found.items()]
    return sorted(listed, key=lambda one: (-one.got, one.party))
