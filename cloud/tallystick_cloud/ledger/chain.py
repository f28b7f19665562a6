"""New uses of one kind of one contract chain in one transaction, rated with what comes after them in their counters.

It reads what stands, and makes everything that is to be written; it writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Rated, Usage, Versions, counter_keys_of, rate

from tallystick_cloud.contracts.model import Version

from . import rows, store
from .lot import Booked, Job, Lot
from .model import Amounts, FreshUse, Kind, amounts, check_rated, counter_scope, difference, position_of, total
from .rows import Row, Steps

Place = tuple[int, H32, int]
"""Of a use in the canonical order: metered end, channel hash, number."""


@dataclass(frozen=True, slots=True)
class _Old:
    """A use that is in the books already and comes later in a counter."""

    usage: Usage
    contract: bytes
    revision: int
    fee: int
    shares: tuple[tuple[PartyId, int], ...]
    steps: Steps

    def is_as(self, one: Rated) -> bool:
        """Whether it costs, shares out and counts what it does already."""
        return (self.fee, self.shares, self.steps) == (one.fee, one.shares, rows.steps_in(one))


@dataclass(frozen=True, slots=True)
class _Change:
    """An older use that is rated otherwise now, and the new use that is the cause."""

    rated: Rated
    was: _Old
    job: Job
    cause: int


@dataclass(frozen=True, slots=True)
class _Run:
    """New uses that came one after the other from one channel, with all in common but what was metered."""

    lot: int
    first: FreshUse
    rated: list[Rated]


class ChainWork:
    """`fresh`: (number of the lot, use). Call `rate` once; then rows and jobs stand ready."""

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
        self._fresh = fresh
        self._usages = [one.usage for _, one in fresh]
        self._ends: dict[bytes, tuple[bytes, int]] = {}
        self._rated: list[Rated] = []  # beside `fresh`
        self._runs: list[_Run] = []
        self._changes: list[_Change] = []
        self.jobs: list[Job] = []
        self.keys: set[bytes] = set()
        for h in {one.contract for _, one in fresh}:
            mine = (one.usage for _, one in fresh if one.contract == h)
            self.keys |= counter_keys_of(self._contract(h), self._scope, mine)

    def rate(self, now: Mapping[bytes, store.CounterRow]) -> None:
        """Rate the new uses and those after them. `now`: where the counters of `keys` stand."""
        places = [_place(usage) for usage in self._usages]
        order = sorted(range(len(places)), key=places.__getitem__)
        opening, old = self._later(now, position_of(self._usages[order[0]]))
        if old:
            self._rate_among(old, places, opening)
        else:
            rated = rate(self._priced_by(()), self._scope, [self._usages[at] for at in order], opening)
            self._end_counters(rated)
            self._rated = [one for _, one in sorted(zip(order, rated, strict=True), key=_number)]
        for one in self._rated:
            check_rated(one)
        self._runs = list(self._in_runs())
        self._post_new()

    def use_rows(self, journals: Mapping[str, int], frames: dict[bytes, Row]) -> list[Row]:
        """Rows of the new uses; their frames go into `frames`.

        Shadow and test uses post nothing, and neither does what costs nothing: then the journal is None.
        """
        found: list[Row] = []
        for run in self._runs:
            frame = rows.frame_of(self._community, run.first)
            at = rows.frame_id(frame)
            if at not in frames:
                frames[at] = rows.frame_row(frame, at, run.rated[0].shape.parties)
            journal, now_ms = journals.get(self._key(run.lot)), self._lots[run.lot].cause.now_ms
            found += rows.use_rows(run.rated, at, run.first.batch, journal, now_ms)
        return found

    def rerating_rows(self, journals: Mapping[str, int]) -> list[Row]:
        """Of older uses; without a journal where only their counters moved."""
        return [
            rows.rerating_row(
                one.rated,
                one.was.revision + 1,
                self._usages[one.cause].use_id,
                journals.get(one.job.key),
                one.job.now_ms,
            )
            for one in self._changes
        ]

    def counter_rows(self) -> list[Row]:
        """Where each counter stands now."""
        return [(key, self._community, self._chain, at, value, None) for key, (at, value) in self._ends.items()]

    def booked(self) -> Iterator[tuple[int, Booked]]:
        """What became of each use, by the number of its lot."""
        for (lot, fresh), one in zip(self._fresh, self._rated, strict=True):
            yield lot, Booked(fresh, one, fresh=True)
        for change in self._changes:
            yield self._fresh[change.cause][0], Booked(None, change.rated, fresh=False)

    def _contract(self, h: bytes) -> Contract:
        return self._versions[h].contract

    def _priced_by(self, old: Iterable[_Old]) -> Versions:
        """The version of each use, new or old; or the one of all."""
        versions = {one.contract for _, one in self._fresh} | {one.contract for one in old}
        if len(versions) == 1:
            return self._contract(versions.pop())
        found = {one.usage.use_id: self._contract(one.contract) for _, one in self._fresh}
        found |= {one.usage.use_id: self._contract(one.contract) for one in old}
        return lambda usage: found[usage.use_id]

    # ------------------------------------------------------------ what comes later

    def _later(self, now: Mapping[bytes, store.CounterRow], first: bytes) -> tuple[dict[H32, int], list[_Old]]:
        """Where the counters stood before `first`, and all uses after it that may share one with the new ones.

        More than those that do are no harm: they are rated as they were.
        """
        opening = {H32(key): now[key].value for key in self.keys if key in now}
        if all(now[key].position < first for key in opening):
            return opening, []
        later = [self._old(row) for row in store.uses_after(self._conn, self._chain, self._kind, first, self._payers())]
        before: dict[H32, int] = {}
        for one in later:
            for key, value, _ in one.steps:
                before.setdefault(key, value)
        return opening | before, later

    def _payers(self) -> set[bytes] | None:
        """Whose uses can share a counter with the new ones."""
        contracts = [one.contract for one in self._versions.values() if one.chain == self._chain]
        return rows.payers_within(contracts, self._scope, {usage.payer for usage in self._usages})

    def _old(self, row: Any) -> _Old:
        steps = rows.keyed_steps(row, self._contract(row.contract), self._scope)
        return _Old(rows.usage_of(row), bytes(row.contract), row.revision, row.fee, rows.shares_of(row), steps)

    def _rate_among(self, old: Sequence[_Old], places: Sequence[Place], opening: Mapping[H32, int]) -> None:
        """The new uses among older ones, which may change."""
        usages = sorted([*self._usages, *(one.usage for one in old)], key=_place)
        rated = rate(self._priced_by(old), self._scope, usages, opening)
        self._end_counters(rated)
        by_use = {one.usage.use_id: one for one in rated}
        self._rated = [by_use[usage.use_id] for usage in self._usages]
        causes = sorted((place, at) for at, place in enumerate(places))
        for was in sorted(old, key=lambda one: _place(one.usage)):
            one = by_use[was.usage.use_id]
            if not was.is_as(one):
                check_rated(one)
                cause = next(at for place, at in reversed(causes) if place < _place(was.usage))
                self._change(one, was, cause)

    def _change(self, one: Rated, was: _Old, cause: int) -> None:
        """A revision of an older use, with a journal if its fee or shares are others."""
        contract = self._contract(was.contract)
        after = amounts(contract, self._chain, one.usage.payer, one.fee, one.shares)
        before = amounts(contract, self._chain, one.usage.payer, was.fee, was.shares)
        lines = difference(after, before) if self._kind is Kind.LIVE else {}
        now_ms = self._lots[self._fresh[cause][0]].cause.now_ms
        key = f"correction:{one.usage.use_id.hex()}:{was.revision + 1}"
        job = Job(key, "correction", one.usage.use_id, [one.usage], lines, now_ms)
        self._changes.append(_Change(one, was, job, cause))

    def _end_counters(self, rated: Sequence[Rated]) -> None:
        """Where each counter stands now: after the last use in it."""
        seen: set[int] = set()
        for one in reversed(rated):
            if id(one.shape) in seen:  # the same counters: a later use ended them
                continue
            seen.add(id(one.shape))
            for key, after in zip(one.shape.keys, one.new, strict=True):
                self._ends.setdefault(key, (position_of(one.usage), after))

    # ------------------------------------------------------------ what is new

    def _in_runs(self) -> Iterator[_Run]:
        last: tuple[object, ...] = ()
        run: list[Rated] = []
        for (lot, fresh), one in zip(self._fresh, self._rated, strict=True):
            usage = one.usage
            mark = (lot, usage.channel_hash, fresh[1:], usage.payer, usage.asset, usage.form)
            if mark != last:
                last, run = mark, []
                yield _Run(lot, fresh, run)
            run.append(one)

    def _key(self, number: int) -> str:
        return f"{self._lots[number].cause.key}:{self._chain.hex()}"

    def _post_new(self) -> None:
        """One journal per lot for all its new live uses, none when nothing is owed; then the corrections."""
        if self._kind is not Kind.LIVE:
            return
        by_lot: dict[int, list[_Run]] = {}
        for run in self._runs:
            by_lot.setdefault(run.lot, []).append(run)
        found = []
        for number, mine in sorted(by_lot.items()):
            lines = total([self._lines(run) for run in mine])
            if lines:
                cause, usages = self._lots[number].cause, [one.usage for run in mine for one in run.rated]
                found.append(Job(self._key(number), cause.name, cause.ref, usages, lines, cause.now_ms))
        self.jobs = found + [change.job for change in self._changes if change.job.lines]

    def _lines(self, run: _Run) -> Amounts:
        """What a run does to the accounts: summed before accounts are looked for."""
        fee = sum([one.fee for one in run.rated])
        shares = [sum(column) for column in zip(*(one.amounts for one in run.rated), strict=True)]
        contract, payer = self._contract(run.first.contract), run.first.usage.payer
        return amounts(contract, self._chain, payer, fee, zip(run.rated[0].shape.parties, shares, strict=True))


def _place(usage: Usage) -> Place:
    return usage.end_ms, usage.channel_hash, usage.number


def _number(one: tuple[int, Rated]) -> int:
    return one[0]
