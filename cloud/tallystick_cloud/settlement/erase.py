"""Erases what is about one payer: personal parts, curves, subjects, slices, statements, tags, contract openings.

It never touches a hash, a settled use or a posting: every other proof stays as it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update
from tallystick_protocol.codes import Sensitivity
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.usage import UsageForm
from tallystick_protocol.part import Part

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.schema import channel, part, settlement_leaf, settlement_slice, use

from . import store
from .model import TreeKey


@dataclass(frozen=True, slots=True)
class Erased:
    """How many of each are gone."""

    parts: int
    statements: int
    slices: int
    openings: int


def erase_payer(conn: Connection, community: str, payer: bytes) -> Erased:
    """Everything of a payer in one transaction. The gateway erases its copies on command (protocol.md, Sync)."""
    rows = list(conn.execute(select(use).where(use.c.community == community, use.c.payer == payer)))
    parts = sum(_erase_parts(conn, h, mine) for h, mine in _by_channel(rows).items())
    slices = _erase_slices(conn, community, payer)
    mine = (
        settlement_leaf.c.community == community,
        settlement_leaf.c.tree == int(TreeKey.STATEMENTS),
        settlement_leaf.c.party == payer,
        settlement_leaf.c.data.is_not(None),
    )
    statements = conn.execute(update(settlement_leaf).where(*mine).values(salt=None, data=None)).rowcount
    conn.execute(update(use).where(use.c.community == community, use.c.payer == payer).values(subject=None))
    store.delete_tags(conn, community, payer)
    return Erased(parts, statements, slices, contracts.erase_user(conn, community, payer))


def _by_channel(rows: Iterable[Any]) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = {}
    for row in rows:
        if row.form != UsageForm.MINIMUM.value:
            found.setdefault(bytes(row.channel_hash), []).append(row)
    return found


def _erase_parts(conn: Connection, channel_hash: bytes, uses: Sequence[Any]) -> int:
    """Personal parts of these uses, and the readings inside their slices."""
    row = conn.execute(select(channel).where(channel.c.channel_hash == channel_hash)).one()
    kept = conn.execute(
        select(part).where(part.c.gid == row.gid, part.c.channel == row.channel, part.c.data.is_not(None))
    )
    numbers = {one.number for one in uses if one.form == UsageForm.EVENT.value}
    times = [t for one in uses if one.form == UsageForm.INTERVAL.value for t in (one.start_ms, one.end_ms)]
    gone = [(bytes(one.batch), one.position) for one in kept if _is_theirs(bytes(one.data), numbers, times)]
    for batch, position in gone:
        conn.execute(
            update(part)
            .where(part.c.batch == batch, part.c.position == position)
            .values(salt=None, data=None, standing="erased")
        )
    return len(gone)


def _is_theirs(data: bytes, numbers: set[int], times: Sequence[int]) -> bool:
    try:
        found = Part.decode(data)
    except ProtocolError:
        return False  # read by nobody yet: whose it is shows when it is
    if found.sensitivity is Sensitivity.PERSONAL:
        return any(event.use in numbers for event in found.events)
    readings = [reading.t_ms for segment in found.segments for reading in segment.readings()]
    return bool(readings and times) and min(times) <= min(readings) and max(readings) <= max(times)


def _erase_slices(conn: Connection, community: str, payer: bytes) -> int:
    rows = conn.execute(
        select(settlement_leaf.c.settlement, settlement_leaf.c.position).where(
            settlement_leaf.c.community == community,
            settlement_leaf.c.tree == int(TreeKey.USES),
            settlement_leaf.c.party == payer,
        )
    )
    gone = 0
    for h, position in rows.all():
        where = (
            settlement_slice.c.settlement == h,
            settlement_slice.c.use == position,
            settlement_slice.c.data.is_not(None),
        )
        gone += conn.execute(update(settlement_slice).where(*where).values(salt=None, data=None)).rowcount
    return gone
