"""A pool's period beside what others say: own meters beside the grid's file, shared energy beside a scheme's statement.

It stores nothing and decides nothing: which of the two is right, a person asks the grid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.pool import Direction
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.contracts.model import Version

from . import grid_file, store
from .metered import metered
from .model import Worked

SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Pair:
    """Wh of one interval as they say and as we know; None: one of them says nothing of it."""

    what: str  # a meter with its direction, or what is shared
    start_ms: int
    theirs: int | None
    ours: int | None

    @property
    def difference(self) -> int:
        """Ours less theirs; what one of them does not know counts as nothing."""
        return (self.ours or 0) - (self.theirs or 0)

    @property
    def is_same(self) -> bool:
        return self.theirs == self.ours


def meters(conn: Connection, community: str, versions: Sequence[Version], period: Period) -> list[Pair]:
    """Own meters beside the grid's file, by meter and time, where both have a value."""
    grid = {
        (meter, Direction(direction), start): one.wh
        for (meter, direction, start), one in store.energy(conn, community, period.from_ms, period.to_ms).items()
    }
    own = metered(conn, community, versions, period)
    found = [
        Pair(f"{meter} {direction.value}", start, wh, own[meter, direction, start].wh)
        for (meter, direction, start), wh in grid.items()
        if (meter, direction, start) in own
    ]
    return sorted(found, key=lambda one: (one.what, one.start_ms))


def statement(worked: Worked, rows: Mapping[int, int]) -> list[Pair]:
    """What was shared beside the scheme's statement (start -> Wh), by time; rows outside of the period are left out."""
    ours = {one.start_ms: one.sharing.shared for one in worked.intervals}
    inside = {start: wh for start, wh in rows.items() if worked.period.from_ms <= start < worked.period.to_ms}
    starts = sorted(ours.keys() | inside.keys())
    return [Pair(SHARED, start, inside.get(start), ours.get(start)) for start in starts]


def rows_of(data: bytes, version: Version) -> dict[int, int]:
    """A statement's file, columns start and shared_wh or shared_kwh. Raises BadInput by line."""
    contract = version.contract
    return grid_file.shared_rows(grid_file.text_in(data), offsets_of(contract.zone), contract.terms.interval_ms)


@dataclass(frozen=True, slots=True)
class Sums:
    """Over all pairs of one kind: how many, how many differ, and Wh as they say and as we know."""

    what: str
    count: int
    differing: int
    theirs: int
    ours: int


def sums(pairs: Iterable[Pair]) -> list[Sums]:
    """By what is compared, in its order."""
    found: dict[str, list[Pair]] = {}
    for one in pairs:
        found.setdefault(one.what, []).append(one)
    return [
        Sums(
            what,
            len(mine),
            sum(not one.is_same for one in mine),
            sum(one.theirs or 0 for one in mine),
            sum(one.ours or 0 for one in mine),
        )
        for what, mine in found.items()
    ]
