"""A grid's file as a person is shown it before it is stored: what is in it, what is new, what it would correct.

It never stores anything; a file that cannot be read is refused by line, column and reason.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection
from tallystick_protocol.money.pool import Direction
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.db import savepoint
from tallystick_cloud.errors import BadInput

from . import grid_file, service
from .errors import RowsDiffer
from .service import Taken


class FileKind(StrEnum):
    ENERGY = "energy"
    PRICES = "prices"
    COEFFICIENTS = "coefficients"


@dataclass(frozen=True, slots=True)
class GridFile:
    """A file as it came; `year` of coefficients."""

    kind: FileKind
    name: str
    data: bytes
    year: int | None = None


@dataclass(frozen=True, slots=True)
class MeterRows:
    """What the file says of one meter: Wh over all its rows, [first, last] begin of an interval."""

    meter: str
    rows: int
    first_ms: int
    last_ms: int
    injected: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class Looked:
    """`differs`: the first rows that say something else than what is stored; empty: none does."""

    taken: Taken
    differs: str
    meters: tuple[MeterRows, ...]


def kinds_of(versions: Sequence[Version]) -> list[FileKind]:
    """What files a pool has use for."""
    pools = [one.contract.pool for one in versions if one.contract.pool is not None]
    found = [FileKind.ENERGY]
    found += [FileKind.PRICES] if any(one.series is not None for one in pools) else []
    return found + ([FileKind.COEFFICIENTS] if any(one.coefficients is not None for one in pools) else [])


def take(
    conn: Connection, community: str, versions: Sequence[Version], file: GridFile, why: str | None, now_ms: int
) -> Taken:
    """Store a file. Raises BadInput or PoolRefused, then nothing is stored."""
    match file.kind:
        case FileKind.ENERGY:
            return service.take_energy(conn, community, versions, file.data, file.name, why, now_ms)
        case FileKind.PRICES:
            return service.take_prices(conn, community, versions, file.data, file.name, why, now_ms)
        case FileKind.COEFFICIENTS:
            if file.year is None:
                raise BadInput("year", "is missing: the year whose hours these coefficients are of")
            return service.take_coefficients(conn, community, versions, file.data, file.name, file.year, now_ms)


def look(conn: Connection, community: str, versions: Sequence[Version], file: GridFile, now_ms: int) -> Looked:
    """What storing it would do; call it in a write, which is taken back. Raises as `take` does, but for rows that
    differ."""
    found: list[Looked] = []
    with suppress(_Undone), savepoint(conn):
        found.append(_trial(conn, community, versions, file, now_ms))
        raise _Undone
    return replace(found[0], meters=_meters(versions, file))


class _Undone(Exception):
    """Takes a trial back."""


def _trial(conn: Connection, community: str, versions: Sequence[Version], file: GridFile, now_ms: int) -> Looked:
    try:
        return Looked(take(conn, community, versions, file, None, now_ms), "", ())
    except RowsDiffer as differ:
        return Looked(take(conn, community, versions, file, "a trial", now_ms), differ.told, ())


def _meters(versions: Sequence[Version], file: GridFile) -> tuple[MeterRows, ...]:
    if file.kind is not FileKind.ENERGY:
        return ()
    contract = versions[-1].contract
    finest = min(one.contract.terms.interval_ms for one in versions)
    rows = grid_file.energy_rows(file.data.decode("utf-8-sig"), offsets_of(contract.zone), finest)
    found: dict[str, MeterRows] = {}
    for row in rows:
        old = found.get(row.meter) or MeterRows(row.meter, 0, row.start_ms, row.start_ms, 0, 0)
        found[row.meter] = MeterRows(
            row.meter,
            old.rows + 1,
            min(old.first_ms, row.start_ms),
            max(old.last_ms, row.start_ms),
            old.injected + (row.wh if row.direction is Direction.INJECTED else 0),
            old.withdrawn + (row.wh if row.direction is Direction.WITHDRAWN else 0),
        )
    return tuple(found[meter] for meter in sorted(found))
