"""Books new uses: rates them and what comes after them in their counters, posts what is new and what changed.

It never changes a rating or a posting: a late use adds revisions and correction journals that name it as their cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, PartyId, sha256
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Rated, Usage, counter_keys, rate

from tallystick_cloud import bulk
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.ledger.rows import Row, rating_row, usage_of, use_row
from tallystick_cloud.schema import posting, use, use_counter, use_rating

from . import store
from .model import (
    Amounts,
    FreshUse,
    Kind,
    amounts,
    check_rated,
    check_zero,
    difference,
    position_of,
    shares_of,
    total,
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What made these uses known: `key` is the journal's idempotency key."""

    key: str
    name: str  # batch | period-close
    ref: bytes | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Booked:
    """A use as it was booked, for live pages; `fresh` False: an older use whose fee or shares changed."""

    use: FreshUse | None
    rated: Rated
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Old:
    """A use that is in the books already and comes later in a counter."""

    usage: Usage
    contract: bytes
    revision: int
    fee: int
    shares: tuple[tuple[PartyId, int], ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """A journal to be posted."""

    key: str
    cause: str
    ref: bytes | None
    usages: Sequence[Usage]
    lines: Amounts
    now_ms: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Uses that became known together, and what made them known."""

    uses: Sequence[FreshUse]
    cause: Cause


def counter_scope(chain: bytes, kind: Kind) -> H32:
    """Counters of shadow and test uses are others than those of live ones, so that trying a contract uses up no cap."""
    return H32(chain) if kind is Kind.LIVE else sha256(chain + kind.value.encode())


def book(
    conn: Connection, community: str, fresh: Sequence[FreshUse], versions: Mapping[bytes, Version], cause: Cause
) -> list[Booked]:
    """Book all of them, chain by chain. A use that is known already is left out: it is never billed twice.

    `versions`: h -> every version that was ever in force here.
    """
    if not fresh:
        return []
    known = store.known_uses(conn, [one.usage.use_id for one in fresh])
    lot = Lot([one for one in fresh if one.usage.use_id not in known], cause)
    return book_lots(conn, community, [lot], versions)[0]


def book_lots(
    conn: Connection, community: str, lots: Sequence[Lot], versions: Mapping[bytes, Version]
) -> list[list[Booked]]:
    """The same for several lots at once, each with journals of its own; for each lot what was booked.

    A use that is known already ends it with an IntegrityError. Rated together, uses that came together out of order
    need no corrections among themselves.
    """
    groups: dict[tuple[bytes, Kind], list[tuple[int, FreshUse]]] = {}
    for number, lot in enumerate(lots):
        for one in lot.uses:
            groups.setdefault((one.chain, one.kind), []).append((number, one))
    booked: list[list[Booked]] = [[] for _ in lots]
    if not groups:
        return booked
    store.lock_chains(conn, {chain for chain, _ in groups})
    works = [_Chain(conn, community, at, groups[at], versions, lots) for at in sorted(groups)]
    now = store.counters(conn, {key for work in works for key in work.keys})
    for work in works:
        work.rate(now)
    jobs = [job for work in works for job in work.jobs]
    ids = _post(conn, community, jobs)
    _write(conn, works, ids)
    for work in works:
        for number, found in work.booked:
            booked[number].append(found)
    return booked


def _post(conn: Connection, community: str, jobs: Sequence[_Job]) -> dict[str, int]:
    """Journals with their postings, by key: checked to sum to zero before anything is written."""
    if not jobs:
        return {}
    for job in jobs:
        check_zero(job.lines)
    period = store.open_period(conn, community, jobs[0].now_ms)
    ids = store.insert_journals(conn, [_journal_row(community, job, period) for job in jobs])
    rows: list[tuple[object, ...]] = []
    for journal, job in zip(ids, jobs, strict=True):
        rows += store.posting_rows(community, journal, job.lines, job.now_ms)
    bulk.insert_rows(conn, posting, rows)
    store.move_balances(conn, community, [(job.now_ms, job.lines) for job in jobs])
    return {job.key: journal for journal, job in zip(ids, jobs, strict=True)}


def _journal_row(community: str, job: _Job, period: int) -> dict[str, object]:
    return {
        "community": community,
        "key": job.key,
        "cause": job.cause,
        "cause_ref": job.ref,
        "metered_from_ms": min(usage.start_ms for usage in job.usages),
        "metered_to_ms": max(usage.end_ms for usage in job.usages),
        "recorded_ms": job.now_ms,
        "posting_period": period,
    }


def _write(conn: Connection, works: Sequence["_Chain"], journals: Mapping[str, int]) -> None:
    """The uses, their ratings, and where the counters went."""
    bulk.insert_rows(conn, use, [row for work in works for row in work.use_rows()])
    bulk.insert_rows(conn, use_rating, [row for work in works for row in work.rating_rows(journals)])
    bulk.insert_rows(conn, use_counter, [row for work in works for row in work.steps])
    store.move_use_counters(conn, [row for work in works for row in work.moved_steps])
    store.upsert_counters(conn, sorted((row for work in works for row in work.counter_rows()), key=_first))


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]


class _Chain:
    """The new uses of one kind of one contract chain in one transaction."""

    def __init__(
        self,
        conn: Connection,
        community: str,
        at: tuple[bytes, Kind],
        fresh: Sequence[tuple[int, FreshUse]],
        versions: Mapping[bytes, Version],
        lots: Sequence[Lot],
    ) -> None:
        self._conn = conn
        self._community = community
        self._chain, self._kind = H32(at[0]), at[1]
        self._scope = counter_scope(*at)
        self._versions = versions
        self._lots = lots
        self._new: dict[bytes, tuple[int, FreshUse]] = {one.usage.use_id: (number, one) for number, one in fresh}
        self._places = {use_id: position_of(one.usage) for use_id, (_, one) in self._new.items()}
        self._moves: Mapping[tuple[bytes, bytes], tuple[int, int]] = {}
        self._ends: dict[bytes, tuple[bytes, int]] = {}
        self._rated_new: list[tuple[Rated, int, FreshUse]] = []
        self._changes: list[tuple[Rated, _Old, _Job, bytes]] = []
        self.keys: set[bytes] = set()
        for _, one in fresh:
            self.keys.update(counter_keys(self._contract(one.contract), self._scope, one.usage))
        self.steps: list[Row] = []
        self.moved_steps: list[dict[str, object]] = []
        self.jobs: list[_Job] = []
        self.booked: list[tuple[int, Booked]] = []

    def rate(self, now: Mapping[bytes, store.CounterRow]) -> None:
        """Rate the new uses and those after them; then everything that is to be written stands ready."""
        opening, old = self._later(now, min(self._places.values()))
        for use_id, was in old.items():
            self._places[use_id] = position_of(was.usage)
        usages = [one.usage for _, one in self._new.values()] + [one.usage for one in old.values()]
        usages.sort(key=lambda usage: self._places[usage.use_id])
        contract_of = {use_id: self._contract(one.contract) for use_id, (_, one) in self._new.items()}
        contract_of |= {use_id: self._contract(one.contract) for use_id, one in old.items()}
        rated = rate(
            lambda usage: contract_of[usage.use_id],
            self._scope,
            usages,
            {H32(key): value for key, value in opening.items()},
        )
        for one in rated:
            check_rated(one)
            found = self._new.get(one.usage.use_id)
            if found is not None:
                self._rated_new.append((one, *found))
        self._move_counters(rated)
        self._post_new()
        self._post_changes(rated, old)
        self.booked = [(number, Booked(fresh, one, fresh=True)) for one, number, fresh in self._rated_new]
        self.booked += [(self._lot_of(cause), Booked(None, one, fresh=False)) for one, _, _, cause in self._changes]

    def use_rows(self) -> list[Row]:
        return [
            use_row(self._community, fresh, self._places[one.usage.use_id], self._lots[number].cause.now_ms)
            for one, number, fresh in self._rated_new
        ]

    def rating_rows(self, journals: Mapping[str, int]) -> list[Row]:
        """Shadow and test uses post nothing, and neither does what costs nothing: then the journal is None."""
        ids = {number: journals.get(self._key(number)) for number in {number for _, number, _ in self._rated_new}}
        rows = [
            rating_row(self._community, one, 1, None, ids[number], self._lots[number].cause.now_ms)
            for one, number, _ in self._rated_new
        ]
        return rows + [
            rating_row(self._community, one, was.revision + 1, cause, journals.get(job.key), job.now_ms)
            for one, was, job, cause in self._changes
        ]

    def counter_rows(self) -> list[Row]:
        """Where each counter stands now."""
        return [(key, self._community, self._chain, at, value, None) for key, (at, value) in self._ends.items()]

    def _contract(self, h: bytes) -> Contract:
        return self._versions[h].contract

    def _lot_of(self, use_id: bytes) -> int:
        return self._new[use_id][0]

    def _later(self, now: Mapping[bytes, store.CounterRow], first: bytes) -> tuple[dict[bytes, int], dict[bytes, _Old]]:
        """All uses after `first` that share a counter with the new ones, directly or through each other."""
        keys = self.keys
        mine = {key: now[key] for key in keys if key in now}
        if all(row.position < first for row in mine.values()):
            return {key: row.value for key, row in mine.items()}, {}
        keys, later = store.connected(self._conn, keys, first)
        self._moves = later.moves
        stand = store.counters(self._conn, keys - later.before.keys())
        opening = {key: row.value for key, row in stand.items()} | dict(later.before)
        rows = store.rated_uses(self._conn, later.uses)
        return opening, {use_id: _old(row) for use_id, row in rows.items()}

    def _move_counters(self, rated: Sequence[Rated]) -> None:
        """Running sums: a row per use and counter, and where each counter stands now."""
        new, moves = self._new, self._moves
        for one in rated:
            if not one.before:
                continue
            use_id = one.usage.use_id
            at, is_new = self._places[use_id], use_id in new
            for (key, before), (_, after) in zip(one.before, one.after, strict=True):
                self._ends[key] = (at, after)
                if is_new:
                    self.steps.append((key, at, self._community, use_id, before, after))
                elif moves.get((key, use_id)) != (before, after):
                    self.moved_steps.append({"k": key, "p": at, "b": before, "a": after})

    def _key(self, number: int) -> str:
        return f"{self._lots[number].cause.key}:{self._chain.hex()}"

    def _post_new(self) -> None:
        """One journal per lot for all its new live uses; none when nothing is owed."""
        if self._kind is not Kind.LIVE:
            return
        by_lot: dict[int, list[tuple[Rated, FreshUse]]] = {}
        for one, number, fresh in self._rated_new:
            by_lot.setdefault(number, []).append((one, fresh))
        for number, mine in sorted(by_lot.items()):
            lines = self._lines(mine)
            if lines:
                cause, usages = self._lots[number].cause, [one.usage for one, _ in mine]
                self.jobs.append(_Job(self._key(number), cause.name, cause.ref, usages, lines, cause.now_ms))

    def _lines(self, mine: Sequence[tuple[Rated, FreshUse]]) -> Amounts:
        """What uses do to the accounts together: summed per version and payer before accounts are looked for."""
        sums: dict[tuple[bytes, bytes], tuple[list[int], Rated]] = {}
        for one, fresh in mine:
            at = fresh.contract, one.usage.payer
            found = sums.get(at)
            if found is None:
                sums[at] = [one.fee, *(amount for _, amount in one.shares)], one
                continue
            amounts_so_far = found[0]
            amounts_so_far[0] += one.fee
            for place, (_, amount) in enumerate(one.shares, 1):
                amounts_so_far[place] += amount
        parts = []
        for (contract, payer), ((fee, *shares), one) in sums.items():
            named = zip((party for party, _ in one.shares), shares, strict=True)
            parts.append(amounts(self._contract(contract), self._chain, payer, fee, named))
        return total(parts)

    def _post_changes(self, rated: Sequence[Rated], old: Mapping[bytes, _Old]) -> None:
        """A revision and a correction journal for each older use whose fee or shares are now others."""
        if not old:
            return
        causes = sorted((self._places[use_id], use_id) for use_id in self._new)
        for one in rated:
            was = old.get(one.usage.use_id)
            if was is None or (one.fee, one.shares) == (was.fee, was.shares):
                continue
            contract = self._contract(was.contract)
            after = amounts(contract, self._chain, one.usage.payer, one.fee, one.shares)
            before = amounts(contract, self._chain, one.usage.payer, was.fee, was.shares)
            lines = difference(after, before) if self._kind is Kind.LIVE else {}
            at = self._places[one.usage.use_id]
            cause = next(use_id for place, use_id in reversed(causes) if place < at)
            now_ms = self._lots[self._lot_of(cause)].cause.now_ms
            key = f"correction:{one.usage.use_id.hex()}:{was.revision + 1}"
            job = _Job(key, "correction", one.usage.use_id, [one.usage], lines, now_ms)
            self._changes.append((one, was, job, cause))
            if lines:
                self.jobs.append(job)


def _old(row: Any) -> _Old:
    return _Old(usage_of(row), bytes(row.contract), row.revision, row.fee, shares_of(row.shares))
