"""Settles the small world and makes evidence files of it, with a hook at every place where a host could cheat.
Without a hook everything is honest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from support import evidence_world as w
from support.protocol_samples import fixed
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch
from tallystick_protocol.codes import Reason, Scope
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import BatchSpan, Cover, Open
from tallystick_protocol.evidence_draft import EvidenceDraft
from tallystick_protocol.ids import H32, PartyId, use_id
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.rating import Usage, UsageForm, canonical, rate
from tallystick_protocol.money.settle import (
    Account,
    Books,
    Built,
    CounterOpening,
    RatedUse,
    Settled,
    Version,
    build,
)
from tallystick_protocol.salted_tree import SaltedTree, salted

_SHOWN_WITH_WHAT_NEEDS_THEM = (ContentType.BATCH, ContentType.SETTLEMENT, ContentType.REVERSAL)
PERIODS = ((w.JANUARY, w.FEBRUARY), (w.FEBRUARY, w.MARCH))


def same(_: int, value: Any) -> Any:
    return value


@dataclass
class Host:
    """Where a host could cheat; each hook gets the number of the period and what the honest host would use."""

    washes: Callable[[list[w.Wash]], list[w.Wash]] = list
    order: Callable[[list[Any]], list[Any]] = list
    usages: Callable[[int, list[Usage]], list[Usage]] = same
    rated: Callable[[int, list[RatedUse]], list[RatedUse]] = same
    covers: Callable[[int, list[Cover]], list[Cover]] = same
    books: Callable[[int, Books], Books] = same
    built: Callable[[int, Built], Built] = same
    found: Callable[[], w.World] = w.found


@dataclass
class Scene:
    """The world after two settlements."""

    world: w.World
    built: list[Built] = field(default_factory=list)
    envelopes: list[tuple[bytes, int, H32]] = field(default_factory=list)


class Salts:
    """Bytes from a label and a number, for ever different and always the same."""

    def __init__(self, label: str) -> None:
        self.label, self.number = label, 0

    def __call__(self, size: int) -> bytes:
        self.number += 1
        return fixed(f"{self.label}/{self.number}", size)


def scene(host: Host | None = None) -> Scene:
    """Two months, settled."""
    host = host or Host()
    world = host.found()
    made = Scene(world)
    rows = host.washes(w.washes())
    for number, (from_ms, to_ms) in enumerate(PERIODS):
        w.wash_all(world, rows, to_ms, host.order)
        _settle(made, host, number, from_ms, to_ms)
    return made


def tag(payer: PartyId, from_ms: int) -> bytes:
    return fixed(f"tag {payer.hex()} {from_ms}", 8)


def _settle(made: Scene, host: Host, number: int, from_ms: int, to_ms: int) -> None:
    world = made.world
    for machine in world.machines:
        if not machine.sealed:
            heartbeat = machine.seal(from_ms, None)
            heartbeat.leaf = world.log.add(heartbeat.envelope)
    versions = [Version(h, contract) for h, contract in world.versions]
    usages = host.usages(number, _usages(world, from_ms, to_ms))
    before = made.built[-1] if made.built else None
    counters = {c.key: CounterOpening(None if c.period is None else Period(*c.period), c.closing)
                for c in (before.counters if before else ())}  # fmt: skip
    openings = {key: opening.value for key, opening in counters.items()}
    rated = rate([v.contract for v in versions], versions[0].h, usages, openings)
    by_start = {v.contract: v.h for v in versions}
    uses = [RatedUse(one, by_start[_in_force(versions, one.usage)], tag(one.usage.payer, from_ms)) for one in rated]
    accounts = {s.party: Account(s.hash, s.closing) for s in (before.statements if before else ())}
    books = Books(
        versions=versions,
        from_ms=from_ms,
        to_ms=to_ms,
        uses=host.rated(number, uses),
        covers=host.covers(number, _covers(world, before, from_ms, to_ms)),
        prev=made.envelopes[-1][2] if made.envelopes else None,
        counters=counters,
        accounts=accounts,
    )
    built = host.built(number, build(host.books(number, books), Salts(f"settlement {number}")))
    envelope = cose.sign(w.OFFICE, ContentType.SETTLEMENT, built.settlement.encode())
    made.built.append(built)
    made.envelopes.append((envelope, world.log.add(envelope), cose.parse(envelope).hash))


def _in_force(versions: Sequence[Version], usage: Usage) -> Any:
    from tallystick_protocol.money.contract import version_at

    return version_at([v.contract for v in versions], usage.start_ms)


def _usages(world: w.World, from_ms: int, to_ms: int) -> list[Usage]:
    found = []
    for wash, number, total, _, _ in world.washes:
        if from_ms <= wash.end_ms < to_ms:
            machine = world.machines[wash.machine]
            found.append(Usage(
                use_id(machine.channel, number), machine.channel, number, wash.start_ms, wash.end_ms,
                total - (not wash.aborted), total, f"washer-{machine.number}", wash.payer, wash.programme,
                UsageForm.EVENT, wash.aborted,
            ))  # fmt: skip
    return canonical(found)


def _covers(world: w.World, before: Built | None, from_ms: int, to_ms: int) -> list[Cover]:
    covers = []
    for machine in world.machines:
        was = next((c for c in (before.covers if before else ()) if c.channel_hash == machine.channel), None)
        ended = [row for row in world.washes if world.machines[row[0].machine] is machine and row[0].end_ms < to_ms]
        to_total = max((row[2] for row in ended), default=0)
        to_use = machine.uses
        open_numbers = sorted(set(range(1, to_use + 1)) - {row[1] for row in ended})
        opens = tuple(Open(n, Reason.USE_UNEXPLAINED, to_total, to_total, n - 1, n) for n in open_numbers)
        last = machine.sealed[-1]
        first = was.batches[-1].last + 1 if was else 1
        span = BatchSpan(1, min(first, last.batch.seq), last.batch.seq, last.h)
        head = _key_head(world, machine)
        from_total, from_use = (was.to_total, was.to_use) if was else (0, 0)
        to_total = max(from_total, to_total)
        covers.append(Cover(machine.channel, from_total, to_total, from_use, to_use, (span,), machine.descriptor, head,
                            opens))  # fmt: skip
    return covers


def _key_head(world: w.World, machine: w.Machine) -> H32:
    for envelope, _ in world.log.envelopes:
        parsed = cose.parse(envelope)
        if parsed.content_type is ContentType.KEY_EVENT and machine.gid in parsed.payload:
            head = parsed.hash
    return head


def rebuilt(built: Built, **rows: Any) -> Built:
    """The settlement with other leaves: covers, uses, counters or statements; trees and commitments follow."""
    names = {"covers": "cover_tree", "uses": "use_tree", "counters": "counter_tree", "statements": "statement_tree"}
    keys = {"covers": "covers", "uses": "uses", "counters": "counters", "statements": "statements"}
    for name, values in rows.items():
        datas = [(v.use if isinstance(v, Settled) else v).encode() for v in values]
        tree = salted(datas, Salts(f"rebuilt {name}"))
        settlement = replace(built.settlement, **{keys[name]: tree.head})
        built = replace(built, settlement=settlement, **{name: tuple(values), names[name]: tree})
    return built


@dataclass
class View:
    """What goes into a file besides the honest rule; `erased` are uses (machine, number) whose parts are gone."""

    periods: tuple[int, ...] = (0, 1)
    erased: frozenset[tuple[int, int]] = frozenset()
    witnesses: tuple[int, ...] = ()
    skip_batches: frozenset[H32] = frozenset()
    also: Callable[[EvidenceDraft], None] = lambda draft: None
    log: w.Log | None = None
    note: bytes | None = None


def evidence(made: Scene, party: PartyId, view: View | None = None) -> bytes:
    """The honest file of a party: scope contract for those in the split, own for payers."""
    view = view or View()
    log = view.log or made.world.log
    scope = Scope.OWN if party in (w.ANNA, w.BRUNO) else Scope.CONTRACT
    draft = EvidenceDraft(party, scope)
    echoes: list[int] = []
    for envelope, leaf in made.world.log.envelopes:
        if cose.parse(envelope).content_type not in _SHOWN_WITH_WHAT_NEEDS_THEM:
            draft.add(envelope, leaf)
    if scope is Scope.OWN:
        _open_users(made, draft, party)
    _add_heads(made, draft, view, echoes)
    for number, (wash, use, _, first, second) in _washes(made, party, scope, view):
        del number
        gone = (wash.machine, use) in view.erased
        for sealed in (first, second) if scope is Scope.OWN else (second,):
            if sealed.h in view.skip_batches:
                continue
            index = _batch(draft, sealed, echoes)
            if gone:
                draft.open_erased(index, 0)
            else:
                draft.open_part(index, 0, sealed.parts[0].salt, sealed.parts[0].data)
    for period in view.periods:
        _open(draft, made, period, party, scope, base=period == view.periods[0] and period > 0)
    view.also(draft)
    return draft.finish(view.note or log.note(witnesses=view.witnesses), log.prove, echoes, log.consistency)


def _open_users(made: Scene, draft: EvidenceDraft, party: PartyId) -> None:
    """The party's own assets of every version."""
    envelopes = _by_hash(made)
    for h, contract in made.world.versions:
        for index, one in enumerate(w.openings(contract.version)):
            if one.party == party:
                draft.open_user(draft.add(*envelopes[h]), index, one.salt, party)


def _by_hash(made: Scene) -> dict[H32, tuple[bytes, int]]:
    return {cose.parse(e).hash: (e, leaf) for e, leaf in made.world.log.envelopes}


def _washes(made: Scene, party: PartyId, scope: Scope, view: View) -> Iterable[tuple[int, Any]]:
    shown = [p for p in view.periods if not (p == view.periods[0] and p > 0)]
    for number, row in enumerate(made.world.washes):
        wash = row[0]
        period = next(n for n, (a, b) in enumerate(PERIODS) if a <= wash.end_ms < b)
        if period in shown and (scope is Scope.CONTRACT or wash.payer == party):
            yield number, row


def _add_heads(made: Scene, draft: EvidenceDraft, view: View, echoes: list[int]) -> None:
    """The last batch that each cover pins."""
    if any(made.built):
        for period in view.periods:
            for cover in made.built[period].covers:
                for machine in made.world.machines:
                    for sealed in machine.sealed:
                        if sealed.h == cover.batches[-1].h:
                            _batch(draft, sealed, echoes)


def _batch(draft: EvidenceDraft, sealed: w.Sealed, echoes: list[int]) -> int:
    batch: Batch = sealed.batch
    if batch.log is not None:
        echoes.append(batch.log.size)
    return draft.add(sealed.envelope, sealed.leaf)


def _open(draft: EvidenceDraft, made: Scene, period: int, party: PartyId, scope: Scope, *, base: bool) -> None:
    built, (envelope, leaf, _) = made.built[period], made.envelopes[period]
    number = draft.add(envelope, leaf)
    for index, statement in enumerate(built.statements):
        if statement.party == party:
            draft.open_leaf(number, 10, index, built.statement_tree)
    mine = {key for one in built.uses if one.payer == party for key, _ in one.use.counters}
    split = {c.key for c in built.counters if c.period is None}
    for index, counter in enumerate(built.counters):
        if scope is Scope.CONTRACT or (counter.key in mine and counter.key not in split):
            draft.open_leaf(number, 12, index, built.counter_tree)
    for index, one in enumerate(built.uses):
        if not base and (scope is Scope.CONTRACT or one.payer == party):
            piece = draft.open_leaf(number, 7, index, built.use_tree)
            _open_slices(draft, piece, one.slices if scope is Scope.OWN else None)
            for h in one.use.reversals:
                draft.add(*_by_hash(made)[h])
    if scope is Scope.CONTRACT:
        for index in range(len(built.covers)):
            draft.open_leaf(number, 5, index, built.cover_tree)


def _open_slices(draft: EvidenceDraft, piece: int, slices: SaltedTree | None) -> None:
    if slices is not None:
        for index in range(len(slices.leaves)):
            draft.open_slice(piece, index, slices)
