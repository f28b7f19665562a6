"""Erases what is about one payer: personal parts, curves, subjects, slices, statements, tags, contract openings,
numbers in pools, mandates, accounts at a payment provider, what was said in disputes, about unclaimed money
and about test runs, turns at shared machines.

It never touches a hash, a settled use or a posting: every other proof stays as it was.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update
from tallystick_protocol.codes import Sensitivity
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.usage import AT_CLOSE, UsageForm
from tallystick_protocol.part import Part

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.db import savepoint
from tallystick_cloud.debits.mandates import forget
from tallystick_cloud.disputes.forget import forget as forget_words
from tallystick_cloud.pools.erase import forget_member
from tallystick_cloud.schema import batch, channel, part, settlement_leaf, settlement_slice, use, use_frame
from tallystick_cloud.splits import store as splits
from tallystick_cloud.trials import store as trials
from tallystick_cloud.turns import store as turns
from tallystick_cloud.unclaimed import store as unclaimed

from . import store
from .model import TreeKey


@dataclass(frozen=True, slots=True)
class Place:
    """A part as its gateway knows it."""

    gid: bytes
    epoch: int
    seq: int
    part: int


@dataclass(frozen=True, slots=True)
class Erased:
    """How many of each are gone. `places`: where the gateways still have a part; they are told by command.

    `intervals`: of pools, with the member's numbers; `disputes`: whose words went; `disputes_open`: whose words stay
    until they are decided; `mandates_kept`: of accounts that were debited not long ago; `unclaimed`: sums about which
    something was said.
    """

    parts: int
    statements: int
    slices: int
    openings: int
    intervals: int = 0
    grid_rows: int = 0
    disputes: int = 0
    disputes_open: int = 0
    mandates: int = 0
    mandates_kept: int = 0
    unclaimed: int = 0
    places: tuple[Place, ...] = field(default=(), compare=False)


def erase_payer(conn: Connection, community: str, payer: bytes, now_ms: int) -> Erased:
    """Everything of a payer in one transaction. The gateway erases its copies on command (protocol.md, Sync).

    Each line below is an eraser of its own; what another part of the program keeps about people gets one here.
    """
    places = _erase_all_parts(conn, community, payer)
    slices = _erase_slices(conn, community, payer)
    statements = _erase_statements(conn, community, payer)
    _forget_subjects(conn, community, payer)
    store.delete_tags(conn, community, payer)
    pools = forget_member(conn, community, payer)
    mandates = forget(conn, community, payer, now_ms)
    splits.forget(conn, community, payer)
    said = forget_words(conn, community, payer)
    told = unclaimed.forget(conn, community, payer)
    trials.forget(conn, community, payer)
    turns.forget(conn, community, payer)
    openings = contracts.erase_user(conn, community, payer)
    return Erased(
        parts=len(places),
        statements=statements + pools.statements,
        slices=slices,
        openings=openings,
        intervals=pools.intervals,
        grid_rows=pools.grid_rows,
        disputes=said.disputes,
        disputes_open=said.open,
        mandates=mandates.gone,
        mandates_kept=mandates.kept,
        unclaimed=told,
        places=tuple(places),
    )


def would_erase(conn: Connection, community: str, payer: bytes, now_ms: int) -> Erased:
    """The same figures, and nothing is gone."""
    found: list[Erased] = []
    with suppress(_Undone), savepoint(conn):
        found.append(erase_payer(conn, community, payer, now_ms))
        raise _Undone
    return found[0]


class _Undone(Exception):
    """Takes a trial back."""


def _erase_all_parts(conn: Connection, community: str, payer: bytes) -> list[Place]:
    rows = list(conn.execute(select(use).where(use.c.community == community, use.c.payer == payer)))
    return [place for h, mine in _by_channel(rows).items() for place in _erase_parts(conn, h, mine)]


def _erase_statements(conn: Connection, community: str, payer: bytes) -> int:
    mine = (
        settlement_leaf.c.community == community,
        settlement_leaf.c.tree == int(TreeKey.STATEMENTS),
        settlement_leaf.c.party == payer,
        settlement_leaf.c.data.is_not(None),
    )
    return conn.execute(update(settlement_leaf).where(*mine).values(salt=None, data=None)).rowcount


def _forget_subjects(conn: Connection, community: str, payer: bytes) -> None:
    conn.execute(
        update(use_frame).where(use_frame.c.community == community, use_frame.c.payer == payer).values(subject=None)
    )


def _by_channel(rows: Iterable[Any]) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = {}
    for row in rows:
        if row.form not in AT_CLOSE:
            found.setdefault(bytes(row.channel_hash), []).append(row)
    return found


def _erase_parts(conn: Connection, channel_hash: bytes, uses: Sequence[Any]) -> list[Place]:
    """Personal parts of these uses, and the readings inside their slices."""
    row = conn.execute(select(channel).where(channel.c.channel_hash == channel_hash)).one()
    kept = conn.execute(
        select(part, batch.c.epoch, batch.c.seq)
        .join(batch, batch.c.hash == part.c.batch)
        .where(part.c.gid == row.gid, part.c.channel == row.channel, part.c.data.is_not(None))
        .order_by(batch.c.leaf, part.c.position)
    )
    numbers = {one.number for one in uses if one.form == UsageForm.EVENT.value}
    times = [t for one in uses if one.form == UsageForm.INTERVAL.value for t in (one.start_ms, one.end_ms)]
    gone = [one for one in kept if _is_theirs(bytes(one.data), numbers, times)]
    for one in gone:
        where = (part.c.batch == one.batch) & (part.c.position == one.position)
        conn.execute(update(part).where(where).values(salt=None, data=None, standing="erased"))
    return [Place(bytes(one.gid), one.epoch, one.seq, one.position) for one in gone]


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
