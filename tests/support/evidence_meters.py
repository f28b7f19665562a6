"""A meter read every quarter of an hour: two bands, tiers and a loan, settled for a day, and the payer's evidence.
Built on the keys of the small world; the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support import evidence_world as w
from support import money as m
from support.evidence_builder import Salts, same, tag
from support.protocol_samples import fixed
from tallystick_protocol import cose
from tallystick_protocol.codes import Scope, Sensitivity, TimeQuality
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import BatchSpan, Cover
from tallystick_protocol.evidence_draft import EvidenceDraft
from tallystick_protocol.ids import H32, PartyId, channel_hash, use_id
from tallystick_protocol.money.calendar import edges
from tallystick_protocol.money.contract import AssetTerms, Contract
from tallystick_protocol.money.intervals import Point, cut
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.rating import Usage, rate
from tallystick_protocol.money.settle import Books, Built, RatedUse, Version, build
from tallystick_protocol.money.split import Scope as Over
from tallystick_protocol.money.split import Step
from tallystick_protocol.money.tariff import Band, Form, Tariff, Window
from tallystick_protocol.money.user import commit_user
from tallystick_protocol.part import Part, Segment, Uptime
from tallystick_protocol.records import Descriptor

CHANNEL = 2
SALT = fixed("salt of flat 3", 16)
QUARTER = 15 * w.MINUTE
DAY_END = w.JANUARY + w.DAY


def electricity(*, loan: bool = True) -> Contract:
    """Night is flat, day has a second tier; a third repays a loan that ends within the day."""
    night = Band("night", (m.price("0.20"),))
    day = Band("day", (m.price("0.30", 500), m.price("0.25")), windows=(Window(0b1111111, 480, 1200),))
    steps = [Step(((w.OWNER, 3), (w.FUND, 1)))]
    if loan:
        steps.insert(0, Step(((w.BANK, 1),), Ratio(1, 3), cap=Exact.of("0.15"), cap_per=Over.LIFETIME, counter="loan"))
    parties = tuple(party for party in w.laundry().parties)
    tariff = Tariff(Form.INTERVAL, "kWh", "Wh", 0, Ratio(1000, 1), (day, night))
    assets = (AssetTerms("flat 3", "1-0:1.8.0", commit_user(SALT, w.ANNA)),)
    return m.contract(tariff, *steps, name="electricity", collector=w.OWNER, parties=parties, assets=assets)


@dataclass
class Metered:
    """The day after its settlement."""

    world: w.World
    channel: H32
    batches: list[w.Sealed]
    built: Built
    envelope: bytes
    leaf: int


def metered(
    contract: Contract | None = None,
    segments: Callable[[int, Any], Any] = same,
    built: Callable[[int, Built], Built] = same,
    exponent: int = 0,
) -> Metered:
    """Four batches of six hours with readings every quarter of an hour; `segments` bends what is signed."""
    world = w.found(contracts=[contract or electricity()])
    machine = world.machines[0]
    made = Descriptor(fixed("meter", 16), None, machine.gid, CHANNEL, None, "1-0:1.8.0", "Wh", exponent, None, "test",
                      H32(fixed("profile", 32)), "flat 3")  # fmt: skip
    envelope = cose.sign(w.ROOT, ContentType.DESCRIPTOR, made.encode())
    world.log.add(envelope)
    head = cose.parse(envelope).hash
    batches, points = [], []
    for number in range(4):
        segment = segments(number, _segment(number))
        part = Part(CHANNEL, head, Sensitivity.MONEY, segments=(segment,))
        sealed = machine.seal(segment.t0_ms + 6 * w.HOUR, None, part)
        sealed.leaf = world.log.add(sealed.envelope)
        batches.append(sealed)
        points += [Point(reading.t_ms, reading.total) for reading in segment.readings()]
    return _settle(world, channel_hash(machine.gid, CHANNEL), head, batches, points, built)


def _segment(number: int) -> Segment:
    """25 readings: the last is the first of the next one."""
    used = [(7 * step + 13 * number) % 60 for step in range(24)]
    before = sum((7 * step + 13 * n) % 60 for n in range(number) for step in range(24))
    start = w.JANUARY + number * 6 * w.HOUR
    at = Uptime(w.BOOT, start - w.JANUARY)
    return Segment(1 + 25 * number, at, start, 0, 5_000, before, (QUARTER,) * 24, tuple(used), TimeQuality.S, 0)


def _settle(
    world: w.World, channel: H32, descriptor: H32, batches: list[w.Sealed], points: list[Point], change: Any
) -> Metered:
    ((h, contract),) = world.versions
    marks = edges([contract], w.JANUARY, DAY_END)
    points = [p for i, p in enumerate(points) if not i or p.t_ms > points[i - 1].t_ms]
    slices, _ = cut(points, None, marks, contract.terms.max_gap_ms)
    usages = [
        Usage(use_id(channel, s.from_total), channel, s.from_total, s.start_ms, s.end_ms, s.from_total, s.to_total,
              "flat 3", w.ANNA, gap=s.gap)
        for s in slices
    ]  # fmt: skip
    rated = rate([contract], h, usages, {})
    uses = [RatedUse(one, h, tag(w.ANNA, w.JANUARY)) for one in rated]
    span = BatchSpan(1, 1, batches[-1].batch.seq, batches[-1].h)
    history = [cose.parse(e) for e, _ in world.log.envelopes]
    key = next(
        p.hash for p in history if p.content_type is ContentType.KEY_EVENT and world.machines[0].gid in p.payload
    )
    cover = Cover(channel, points[0].total, points[-1].total, 0, 0, (span,), descriptor, key)
    books = Books([Version(h, contract)], w.JANUARY, DAY_END, uses, [cover])
    built = change(0, build(books, Salts("metered")))
    envelope = cose.sign(w.OFFICE, ContentType.SETTLEMENT, built.settlement.encode())
    return Metered(world, channel, batches, built, envelope, world.log.add(envelope))


def evidence(made: Metered, party: PartyId, skip_batch: int | None = None, *, place: bool = True) -> bytes:
    """Anna's file with her curve and, if wanted, her place; or one of a party to the split with sums alone."""
    scope = Scope.OWN if party == w.ANNA else Scope.CONTRACT
    draft = EvidenceDraft(party, scope)
    for envelope, leaf in made.world.log.envelopes:
        kind = cose.parse(envelope).content_type
        if kind is not ContentType.BATCH:
            number = draft.add(envelope, leaf)
            if place and scope is Scope.OWN and kind is ContentType.CONTRACT:
                draft.open_user(number, 0, SALT, w.ANNA)
    for index, sealed in enumerate(made.batches):
        if scope is Scope.OWN and index != skip_batch:
            draft.open_part(draft.add(sealed.envelope, sealed.leaf), 0, sealed.parts[0].salt, sealed.parts[0].data)
    draft.add(made.batches[-1].envelope, made.batches[-1].leaf)
    number = draft.add(made.envelope, made.leaf)
    built = made.built
    for index, statement in enumerate(built.statements):
        if statement.party == party:
            draft.open_leaf(number, 10, index, built.statement_tree)
    for index, counter in enumerate(built.counters):
        if scope is Scope.CONTRACT or counter.period is not None:
            draft.open_leaf(number, 12, index, built.counter_tree)
    for index, one in enumerate(built.uses):
        piece = draft.open_leaf(number, 7, index, built.use_tree)
        for place in range(len(one.slices.leaves)) if scope is Scope.OWN and one.slices else ():
            draft.open_slice(piece, place, one.slices)  # type: ignore[arg-type]
    draft.open_leaf(number, 5, 0, built.cover_tree)
    return draft.finish(made.world.log.note(), made.world.log.prove)
