"""Books new uses: rates them and what comes after them in their counters, posts what is new and what changed.

It never changes a rating or a posting: a late use adds revisions and correction journals that name it as their cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, PartyId, sha256
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Rated, Usage, counter_keys, rate

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.ledger.rows import rating_row, usage_of, use_row

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

_Row = dict[str, object]


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
    groups: dict[tuple[bytes, Kind], list[FreshUse]] = {}
    for one in fresh:
        if one.usage.use_id not in known:
            groups.setdefault((one.chain, one.kind), []).append(one)
    store.lock_chains(conn, {chain for chain, _ in groups})
    booked: list[Booked] = []
    moved: list[Amounts] = []
    for chain, kind in sorted(groups):
        work = _Chain(conn, community, chain, kind, versions, cause)
        booked += work.book(groups[chain, kind])
        moved += work.moved
    store.move_balances(conn, community, total(moved))
    return booked


class _Chain:
    """The uses of one kind of one contract chain in one transaction."""

    def __init__(
        self,
        conn: Connection,
        community: str,
        chain: bytes,
        kind: Kind,
        versions: Mapping[bytes, Version],
        cause: Cause,
    ) -> None:
        self._conn = conn
        self._community = community
        self._chain = H32(chain)
        self._kind = kind
        self._scope = counter_scope(chain, kind)
        self._versions = versions
        self._moves: Mapping[tuple[bytes, bytes], tuple[int, int]] = {}
        self._cause = cause
        self.moved: list[Amounts] = []

    def book(self, fresh: list[FreshUse]) -> list[Booked]:
        new: dict[bytes, FreshUse] = {one.usage.use_id: one for one in fresh}
        keys: set[bytes] = set()
        for one in fresh:
            keys |= set(counter_keys(self._contract(one.contract), self._scope, one.usage))
        first = min(position_of(one.usage) for one in fresh)
        opening, old = self._later(keys, first)
        usages = sorted([one.usage for one in fresh] + [one.usage for one in old.values()], key=position_of)
        contract_of = {use_id: bytes(one.contract) for use_id, one in new.items()}
        contract_of |= {use_id: one.contract for use_id, one in old.items()}
        rated = rate(
            lambda usage: self._contract(contract_of[usage.use_id]),
            self._scope,
            usages,
            {H32(key): value for key, value in opening.items()},
        )
        for result in rated:
            check_rated(result)
        self._store_counters(rated, new, old)
        rows, booked = self._store_new(rated, new)
        more, changed = self._store_changes(rated, old, fresh)
        store.insert_ratings(self._conn, rows + more)
        return booked + changed

    def _contract(self, h: bytes) -> Contract:
        return self._versions[h].contract

    def _later(self, keys: set[bytes], first: bytes) -> tuple[dict[bytes, int], dict[bytes, _Old]]:
        """All uses after `first` that share a counter with the new ones, directly or through each other."""
        now = store.counters(self._conn, keys)
        if all(row.position < first for row in now.values()):
            return {key: row.value for key, row in now.items()}, {}
        later = store.later(self._conn, keys, first)
        while (more := store.keys_of_uses(self._conn, later.uses) | keys) != keys:
            keys = more
            later = store.later(self._conn, keys, first)
        self._moves = later.moves
        now = store.counters(self._conn, keys - later.before.keys())
        opening = {key: row.value for key, row in now.items()} | dict(later.before)
        rows = store.rated_uses(self._conn, later.uses)
        return opening, {use_id: _old(row) for use_id, row in rows.items()}

    def _store_counters(self, rated: Sequence[Rated], new: Mapping[bytes, FreshUse], old: Mapping[bytes, _Old]) -> None:
        """Running sums: a row per use and counter, and where each counter stands now."""
        fresh_rows: list[dict[str, object]] = []
        moved_rows: list[dict[str, object]] = []
        ends: dict[bytes, tuple[bytes, int]] = {}
        for one in rated:
            at = position_of(one.usage)
            for (key, before), (_, after) in zip(one.before, one.after, strict=True):
                ends[key] = (at, after)
                if one.usage.use_id in new:
                    row = {"counter": key, "position": at, "community": self._community}
                    fresh_rows.append({**row, "use_id": one.usage.use_id, "before": before, "after": after})
                elif self._moves.get((key, one.usage.use_id)) != (before, after):
                    moved_rows.append({"k": key, "p": at, "b": before, "a": after})
        store.insert_use_counters(self._conn, fresh_rows)
        store.move_use_counters(self._conn, moved_rows)
        store.upsert_counters(self._conn, [self._counter_row(key, *ends[key]) for key in sorted(ends)])

    def _counter_row(self, key: bytes, position: bytes, value: int) -> dict[str, object]:
        row = {"counter": key, "community": self._community, "chain": self._chain}
        return {**row, "position": position, "value": value, "cap": None}

    def _store_new(self, rated: Sequence[Rated], new: Mapping[bytes, FreshUse]) -> tuple[list[_Row], list[Booked]]:
        mine = [(one, new[one.usage.use_id]) for one in rated if one.usage.use_id in new]
        store.insert_uses(self._conn, [use_row(self._community, fresh, self._cause.now_ms) for _, fresh in mine])
        journal = self._post_new(mine) if self._kind is Kind.LIVE else None
        rows = [rating_row(self._community, one, 1, None, journal, self._cause.now_ms) for one, _ in mine]
        return rows, [Booked(fresh, one, fresh=True) for one, fresh in mine]

    def _post_new(self, mine: Sequence[tuple[Rated, FreshUse]]) -> int | None:
        """One journal for all new live uses; None when nothing is owed."""
        lines = total(self._amounts(one.usage, fresh.contract, one.fee, one.shares) for one, fresh in mine)
        if not lines:
            return None
        key = f"{self._cause.key}:{self._chain.hex()}"
        (journal,) = self._post([_Job(key, self._cause.name, self._cause.ref, [one.usage for one, _ in mine], lines)])
        return journal

    def _store_changes(
        self, rated: Sequence[Rated], old: Mapping[bytes, _Old], fresh: Sequence[FreshUse]
    ) -> tuple[list[_Row], list[Booked]]:
        """A revision and a correction journal for each older use whose fee or shares are now others."""
        changed = [(one, old[one.usage.use_id]) for one in rated if _differs(one, old.get(one.usage.use_id))]
        journals = []
        for one, was in changed:
            after = self._amounts(one.usage, was.contract, one.fee, one.shares)
            before = self._amounts(one.usage, was.contract, was.fee, was.shares)
            lines = difference(after, before) if self._kind is Kind.LIVE else {}
            key = f"correction:{one.usage.use_id.hex()}:{was.revision + 1}"
            journals.append(_Job(key, "correction", one.usage.use_id, [one.usage], lines))
        ids = iter(self._post([job for job in journals if job.lines]))
        causes = sorted((position_of(one.usage), one.usage.use_id) for one in fresh)
        rows = []
        for (one, was), job in zip(changed, journals, strict=True):
            number = next(ids) if job.lines else None
            cause = next(use_id for at, use_id in reversed(causes) if at < position_of(one.usage))
            rows.append(rating_row(self._community, one, was.revision + 1, cause, number, self._cause.now_ms))
        return rows, [Booked(None, one, fresh=False) for one, _ in changed]

    def _amounts(self, usage: Usage, contract: bytes, fee: int, shares: Iterable[tuple[bytes, int]]) -> Amounts:
        return amounts(self._contract(contract), self._chain, usage.payer, fee, shares)

    def _post(self, jobs: Sequence[_Job]) -> list[int]:
        """Journals with their postings: checked to sum to zero before anything is written."""
        if not jobs:
            return []
        for job in jobs:
            check_zero(job.lines)
        period = store.open_period(self._conn, self._community, self._cause.now_ms)
        ids = store.insert_journals(self._conn, [self._journal_row(job, period) for job in jobs])
        rows: list[dict[str, object]] = []
        for journal, job in zip(ids, jobs, strict=True):
            rows += store.posting_rows(self._community, journal, job.lines)
            self.moved.append(job.lines)
        store.write_postings(self._conn, rows)
        return ids

    def _journal_row(self, job: _Job, period: int) -> dict[str, object]:
        return {
            "community": self._community,
            "key": job.key,
            "cause": job.cause,
            "cause_ref": job.ref,
            "metered_from_ms": min(usage.start_ms for usage in job.usages),
            "metered_to_ms": max(usage.end_ms for usage in job.usages),
            "recorded_ms": self._cause.now_ms,
            "posting_period": period,
        }


def _differs(one: Rated, was: _Old | None) -> bool:
    return was is not None and (one.fee, one.shares) != (was.fee, was.shares)


def _old(row: Any) -> _Old:
    return _Old(usage_of(row), bytes(row.contract), row.revision, row.fee, shares_of(row.shares))
