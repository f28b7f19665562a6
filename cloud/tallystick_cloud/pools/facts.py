"""What is known of a period of a pool: the grid's files first, own meters where the grid has said nothing.

It never fills a hole.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from sqlalchemy import Connection
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.pool import Direction
from tallystick_protocol.money.zone import Offsets, offsets_of

from tallystick_cloud.contracts.model import Version

from . import store
from .metered import metered
from .model import HOUR_MS, Facts, Reading, interval_at, pool_of

GRID_LEVEL = 0  # nobody signed it: it is what the file says
WEIGHT_BYTES = 4


def facts_of(conn: Connection, community: str, versions: Sequence[Version], period: Period) -> Facts:
    """Everything that counts for these versions in a period."""
    rows = store.energy(conn, community, period.from_ms, period.to_ms)
    lengths = {start: interval_at(versions, start) for start in {start for _, _, start in rows}}
    grid = {
        (meter, Direction(direction), start): Reading(one.wh, GRID_LEVEL)
        for (meter, direction, start), one in rows.items()
        if one.span_ms == lengths[start]
    }
    prices: dict[tuple[str | None, int], Exact] = {}
    for series in {pool_of(one).series for one in versions} - {None}:
        found = store.prices(conn, community, str(series), period.from_ms - HOUR_MS, period.to_ms)
        prices |= {(series, start): Exact.of(price) for start, (_, price) in found.items()}
    readings = metered(conn, community, versions, period) | grid
    return Facts(readings, prices, _weights(conn, community, versions))


def _weights(conn: Connection, community: str, versions: Sequence[Version]) -> Callable[[bytes, str, int], int | None]:
    hashes = {bytes(h) for one in versions if (h := pool_of(one).coefficients) is not None}
    files = {h: store.coefficients(conn, community, h) for h in hashes}
    return _Coefficients(files, offsets_of(versions[0].contract.zone)).at


class _Coefficients:
    """Coefficients by the hour of the local year."""

    def __init__(self, files: Mapping[bytes, Mapping[str, tuple[int, bytes]]], offsets: Offsets) -> None:
        self._files, self._offsets = files, offsets
        self._begins: dict[int, int] = {}

    def at(self, h: bytes, meter: str, start_ms: int) -> int | None:
        """Millionths of a meter in the hour that holds a moment; None outside of the file's year."""
        year, weights = self._files.get(h, {}).get(meter, (0, b""))
        if not year:
            return None
        hour = (start_ms - self._begin(year)) // HOUR_MS
        if not 0 <= hour < len(weights) // WEIGHT_BYTES:
            return None
        return int.from_bytes(weights[hour * WEIGHT_BYTES : (hour + 1) * WEIGHT_BYTES], "big")

    def _begin(self, year: int) -> int:
        if year not in self._begins:
            days = date(year, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
            self._begins[year] = self._offsets.first_at(days * 24 * HOUR_MS)
        return self._begins[year]
