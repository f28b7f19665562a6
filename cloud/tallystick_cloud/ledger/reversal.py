"""Reverses a use: it counts as if it had never been, and what came after it in its counters is rated again.

It never touches the use or an older rating: it takes the use out of its counters, adds a revision that is rated like a
use that was broken off, and corrections of later uses that name it as their cause. There is no way back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Rated, rate

from tallystick_cloud import bulk
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.schema import reversal, use_rating

from . import journals, store
from .model import Kind, amounts, check_rated, difference, shares_of
from .rows import Row, rating_row, usage_of
from .service import counter_scope


@dataclass(frozen=True, slots=True)
class Reversed:
    """What the use had cost and shared out, in nano."""

    fee: int
    shares: tuple[tuple[PartyId, int], ...]


def reverse(conn: Connection, community: str, use_id: bytes, why: str, now_ms: int) -> Reversed:
    """Reverse a live use, once. Raises NotFound, or Conflict when it was reversed, or neither costs nor counts."""
    chain = H32(bytes(_row(conn, community, use_id).chain))
    store.lock_chains(conn, [chain])
    row = _row(conn, community, use_id)
    if conn.execute(select(reversal.c.use_id).where(reversal.c.use_id == use_id)).first() is not None:
        raise Conflict("use", "is reversed already; it counts nothing any more")
    if row.kind != Kind.LIVE.value:
        raise Conflict("use", f"is of kind {row.kind}, which moves no money; there is nothing to be reversed")
    left = store.leave_counters(conn, use_id)
    if not row.fee and not left:
        raise Conflict("use", "costs nothing and counts for nothing; there is nothing to be reversed")
    said = {"use_id": use_id, "community": community, "chain": chain, "why": why, "at_ms": now_ms}
    conn.execute(insert(reversal), said)
    work = _Reversal(conn, community, chain, row, now_ms)
    work.take_back()
    work.rate_later(left)
    work.write()
    return Reversed(row.fee, shares_of(row.shares))


def _row(conn: Connection, community: str, use_id: bytes) -> Any:
    row = store.rated_uses(conn, [use_id]).get(use_id)
    if row is None or row.community != community:
        raise NotFound("use", f"{use_id.hex()} is none of {community}; its page shows the whole id")
    return row


class _Reversal:
    """What one reversal writes."""

    def __init__(self, conn: Connection, community: str, chain: H32, row: Any, now_ms: int) -> None:
        self._conn, self._community, self._chain, self._now_ms = conn, community, chain, now_ms
        self._row, self._id = row, bytes(row.use_id)
        self._scope = counter_scope(chain, Kind.LIVE)
        self._contracts: Mapping[bytes, Contract] = {h: one.contract for h, one in versions_of(conn, chain).items()}
        self._revisions: list[tuple[Rated, Any, journals.Entry]] = []

    def take_back(self) -> None:
        """The use itself, rated as if it had been broken off: fee and shares go to zero."""
        contract = self._contracts[bytes(self._row.contract)]
        (again,) = rate([contract], self._scope, [usage_of(self._row)._replace(aborted=True)], {})
        self._revise(again, self._row, f"reversal:{self._id.hex()}", "reversal")

    def rate_later(self, left: Mapping[bytes, int]) -> None:
        """What comes after it in its counters, from the values before it, in canonical order."""
        position = bytes(self._row.position)
        keys, later = store.connected(self._conn, set(left), position)
        stand = store.counters(self._conn, keys - later.before.keys() - left.keys())
        opening = {key: row.value for key, row in stand.items()} | dict(later.before) | dict(left)
        rows = sorted(store.rated_uses(self._conn, later.uses).values(), key=lambda row: bytes(row.position))
        by_use = {bytes(row.use_id): row for row in rows}
        rated = rate(
            lambda usage: self._contracts[bytes(by_use[usage.use_id].contract)],
            self._scope,
            [usage_of(row) for row in rows],
            {H32(key): value for key, value in opening.items()},
        )
        for one in rated:
            check_rated(one)
            was = by_use[one.usage.use_id]
            if (one.fee, one.shares) != (was.fee, shares_of(was.shares)):
                self._revise(one, was, f"correction:{one.usage.use_id.hex()}:{was.revision + 1}", "correction")
        self._move(rated, by_use, later)

    def _revise(self, one: Rated, was: Any, key: str, cause: str) -> None:
        contract = self._contracts[bytes(was.contract)]
        after = amounts(contract, self._chain, one.usage.payer, one.fee, one.shares)
        before = amounts(contract, self._chain, one.usage.payer, was.fee, shares_of(was.shares))
        span = (one.usage.start_ms, one.usage.end_ms)
        entry = journals.Entry(key, cause, one.usage.use_id, difference(after, before), span)
        self._revisions.append((one, was, entry))

    def _move(self, rated: list[Rated], by_use: Mapping[bytes, Any], later: store.Later) -> None:
        steps, ends = [], {}
        for one in rated:
            at = bytes(by_use[one.usage.use_id].position)
            for (key, before), (_, after) in zip(one.before, one.after, strict=True):
                ends[key] = (at, after)
                if later.moves.get((key, one.usage.use_id)) != (before, after):
                    steps.append({"k": key, "p": at, "b": before, "a": after})
        store.move_use_counters(self._conn, steps)
        rows = [(key, self._community, self._chain, at, value, None) for key, (at, value) in sorted(ends.items())]
        store.upsert_counters(self._conn, rows)

    def write(self) -> None:
        """Journals, and a revision for each use that names this one as its cause."""
        posted = [entry for _, _, entry in self._revisions if entry.lines]
        numbers = journals.post(self._conn, self._community, posted, self._now_ms)
        ids = {entry.key: number for entry, number in zip(posted, numbers, strict=True)}
        rows: list[Row] = [
            rating_row(self._community, one, was.revision + 1, self._id, ids.get(entry.key), self._now_ms)
            for one, was, entry in self._revisions
        ]
        bulk.insert_rows(self._conn, use_rating, rows)
