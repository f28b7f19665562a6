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
from tallystick_cloud.schema import rerating, reversal

from . import journals, store
from .model import Kind, amounts, check_rated, counter_scope, difference, end_of, position_of
from .rows import Row, Steps, keyed_steps, payers_within, rerating_row, shares_of, steps_in, usage_of


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
    if not row.fee and not row.counters:
        raise Conflict("use", "costs nothing and counts for nothing; there is nothing to be reversed")
    now_ms = store.open_period(conn, community, now_ms).recorded(now_ms)
    said = {"use_id": use_id, "community": community, "chain": chain, "why": why, "at_ms": now_ms}
    conn.execute(insert(reversal), said)
    work = _Reversal(conn, community, chain, row, now_ms)
    work.take_back()
    work.rate_later()
    work.write()
    return Reversed(row.fee, shares_of(row))


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
        """The use itself, rated as if it had been broken off: fee and shares go to zero, and it is in no counter."""
        contract = self._contracts[bytes(self._row.contract)]
        (again,) = rate([contract], self._scope, [usage_of(self._row)._replace(aborted=True)], {})
        self._revise(again, self._row, f"reversal:{self._id.hex()}", "reversal")

    def rate_later(self) -> None:
        """What comes after it in its counters, from the values before it, in canonical order."""
        mine, position = self._steps(self._row), position_of(self._row)
        rows = store.uses_after(self._conn, self._chain, Kind.LIVE, position, self._payers())
        by_use = {bytes(row.use_id): (row, self._steps(row)) for row in rows}
        opening = {key: before for key, before, _ in mine}
        for _, steps in by_use.values():
            for key, before, _ in steps:
                opening.setdefault(key, before)
        rated = rate(
            lambda usage: self._contracts[bytes(by_use[usage.use_id][0].contract)],
            self._scope,
            [usage_of(row) for row in rows],
            opening,
        )
        ends: dict[H32, tuple[bytes, int]] = {}
        for one in rated:
            check_rated(one)
            was, steps = by_use[one.usage.use_id]
            ends |= {key: (position_of(was), after) for key, after in one.after}
            if (one.fee, one.shares, steps_in(one)) != (was.fee, shares_of(was), steps):
                self._revise(one, was, f"correction:{one.usage.use_id.hex()}:{was.revision + 1}", "correction")
        self._end_counters(ends)
        self._set_back({key: before for key, before, _ in mine if key not in ends}, position)

    def write(self) -> None:
        """Journals, and a revision for each use that names this one as its cause."""
        posted = [entry for _, _, entry in self._revisions if entry.lines]
        numbers = journals.post(self._conn, self._community, posted, self._now_ms)
        ids = {entry.key: number for entry, number in zip(posted, numbers, strict=True)}
        rows: list[Row] = [
            rerating_row(one, was.revision + 1, self._id, ids.get(entry.key), self._now_ms)
            for one, was, entry in self._revisions
        ]
        bulk.insert_rows(self._conn, rerating, rows)

    def _steps(self, row: Any) -> Steps:
        return keyed_steps(row, self._contracts[bytes(row.contract)], self._scope)

    def _payers(self) -> set[bytes] | None:
        """Who may share a counter with it: its payer alone, or anybody."""
        return payers_within(self._contracts.values(), self._scope, {bytes(self._row.payer)})

    def _revise(self, one: Rated, was: Any, key: str, cause: str) -> None:
        contract = self._contracts[bytes(was.contract)]
        after = amounts(contract, self._chain, one.usage.payer, one.fee, one.shares)
        before = amounts(contract, self._chain, one.usage.payer, was.fee, shares_of(was))
        span = (one.usage.start_ms, one.usage.end_ms)
        entry = journals.Entry(key, cause, one.usage.use_id, difference(after, before), span)
        self._revisions.append((one, was, entry))

    def _end_counters(self, ends: Mapping[H32, tuple[bytes, int]]) -> None:
        rows = [(key, self._community, self._chain, at, value, None) for key, (at, value) in sorted(ends.items())]
        store.upsert_counters(self._conn, rows)

    def _set_back(self, lost: dict[H32, int], position: bytes) -> None:
        """Counters that stood at the use stand at the one before it, or are gone with it. key -> value before it."""
        for row in store.uses_until(self._conn, self._chain, Kind.LIVE, end_of(position)):
            if not lost:
                break
            at = position_of(row)
            for key in [key for key, _, _ in self._steps(row) if key in lost and at < position]:
                store.set_counter(self._conn, key, at, lost.pop(key))
        for key in lost:
            store.drop_counter(self._conn, key)
