"""What comes late, what stays open and what people decide: the books go on and the verifier follows."""

from dataclasses import replace
from typing import Any

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from support.protocol_samples import fixed
from tallystick_protocol import cose
from tallystick_protocol.codes import EvidenceLevel, Reason, ResolutionAction
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import Cover, Open
from tallystick_protocol.evidence import USER_KEY, Evidence
from tallystick_protocol.ids import H32
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.rating import Rated, Usage, canonical, minimum_usage, rate
from tallystick_protocol.money.settle import RatedUse, Was
from tallystick_protocol.records import Resolution
from tallystick_protocol.settled_use import Replaced
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence

LATE = (0, 2)  # Anna's warm wash of the fourth: machine, use number


def _is_late(scene: b.Scene, usage: Usage) -> bool:
    return (usage.channel_hash, usage.number) == (scene.world.machines[LATE[0]].channel, LATE[1])


class LateHost(b.Host):
    """One wash of January is known in February only: it and all later ones of its counters are settled again."""

    def __init__(self) -> None:
        super().__init__(found=self._found, usages=self._usages, rated=self._rated, covers=self._covers)
        self.scene: b.Scene | None = None

    def _found(self) -> w.World:
        self.world = w.found()
        return self.world

    def late(self, usage: Usage) -> bool:
        return (usage.channel_hash, usage.number) == (self.world.machines[LATE[0]].channel, LATE[1])

    def _usages(self, period: int, usages: list[Usage]) -> list[Usage]:
        if not period:
            self.january = usages
            return [usage for usage in usages if not self.late(usage)]
        return usages

    def _rated(self, period: int, rated: list[RatedUse]) -> list[RatedUse]:
        versions = self.world.versions
        if not period:
            self.before = rated
            return rated
        again = rate([c for _, c in versions], versions[0][0], [*self.january, *(one.rated.usage for one in rated)], {})
        old = {one.rated.usage.use_id: one for one in self.before}
        place = {one.rated.usage.use_id: index for index, one in enumerate(self.before)}
        first = next(usage for usage in self.january if self.late(usage)).position
        made = []
        for one in again:
            if one.usage.position < first:
                continue
            was = old.get(one.usage.use_id)
            january = one.usage in self.january
            h = versions[0][0] if one.usage.start_ms < versions[1][1].effective_from_ms else versions[1][0]
            note = None
            if was is not None:
                where = Replaced(self.settled, place[one.usage.use_id], Reason.TOO_LATE)
                note = Was(where, was.rated.fee, was.rated.shares)
            tag = b.tag(one.usage.payer, b.PERIODS[0 if january else 1][0])
            made.append(RatedUse(one, h, tag, was=note))
        return made

    def _covers(self, period: int, covers: list[Cover]) -> list[Cover]:
        channel = self.world.machines[LATE[0]].channel
        if period:
            self.settled = self.scene_hash()
            return covers
        late = next(usage for usage in self.january if self.late(usage))
        span = Open(LATE[1], Reason.TOO_LATE, late.from_total, late.to_total, LATE[1] - 1, LATE[1])
        return [replace(c, opens=(span, *c.opens)) if c.channel_hash == channel else c for c in covers]

    def scene_hash(self) -> H32:
        hashes = [cose.parse(e) for e, _ in self.world.log.envelopes]
        return next(parsed.hash for parsed in hashes if parsed.content_type is ContentType.SETTLEMENT)


class _Order(LateHost):
    """`rated` is asked before `covers`; the settlement's hash is needed by both."""

    def _rated(self, period: int, rated: list[RatedUse]) -> list[RatedUse]:
        if period:
            self.settled = self.scene_hash()
        return super()._rated(period, rated)


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_late_wash_and_what_it_changes_are_verified_again(party: w.PartyId) -> None:
    scene = b.scene(_Order())
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    late, punctual = scene.built[1].statements, honest().built[1].statements
    assert {s.party: s.closing for s in late} == {s.party: s.closing for s in punctual}


def test_a_correction_that_hides_the_old_line_is_refused() -> None:
    class Hidden(_Order):
        def scene_hash(self) -> H32:
            return H32(fixed("another settlement", 32))

    report = verify_evidence(b.evidence(b.scene(Hidden()), w.BANK), w.policy(w.BANK))
    assert "corrects a line of an earlier settlement that is not in the file" in report.verdict


def _decided(action: ResolutionAction, **changes: Any) -> b.Scene:
    """Counts that came without events stay open in January; in February people decide."""
    made: dict[str, Any] = {}

    def found() -> w.World:
        made["world"] = w.found()
        return made["world"]  # type: ignore[no-any-return]

    def covers(period: int, rows: list[Cover]) -> list[Cover]:
        machine = made["world"].machines[0]
        mine = next(c for c in rows if c.channel_hash == machine.channel)
        if not period:
            gap = Open(90, Reason.USE_UNEXPLAINED, mine.to_total, mine.to_total + 2, mine.to_use, mine.to_use)
            return [replace(c, to_total=c.to_total + 2, opens=(*c.opens, gap)) if c is mine else c for c in rows]
        before = made["gap"]
        values = {"from_total": before.from_total, "to_total": before.to_total} | changes
        decision = Resolution(fixed("decision", 16), None, machine.channel, 90, action, why="asked the house", **values)
        envelope = cose.sign(w.OFFICE, ContentType.RESOLUTION, decision.encode())
        made["world"].log.add(envelope)
        return [replace(c, closed=((90, cose.parse(envelope).hash),)) if c is mine else c for c in rows]

    def remember(period: int, rows: list[Cover]) -> list[Cover]:
        done = covers(period, rows)
        if not period:
            made["gap"] = next(o for c in done for o in c.opens if o.id == 90)
        return done

    def washes(rows: list[w.Wash]) -> list[w.Wash]:
        return [row for row in rows if row.machine == 1 or row.end_ms < w.FEBRUARY]

    def rated(period: int, rows: list[RatedUse]) -> list[RatedUse]:
        if not period or action is ResolutionAction.WAIVE:
            return rows
        machine, gap = made["world"].machines[0], made.get("gap") or Open(90, Reason.USE_UNEXPLAINED, 5, 7, 5, 5)
        usage = Usage(H32(bytes(32)), machine.channel, 77, w.FEBRUARY, w.FEBRUARY + 1, gap.from_total, gap.to_total,
                      "washer-1", w.MEMBERS, "60", rows[0].rated.usage.form)  # fmt: skip
        return _rerated(made["world"], rows, usage)

    return b.scene(b.Host(found=found, covers=remember, washes=washes, rated=rated))


def _rerated(world: w.World, rows: list[RatedUse], more: Usage) -> list[RatedUse]:
    from tallystick_protocol.ids import use_id

    more = more._replace(use_id=use_id(more.channel_hash, more.number))
    usages = canonical([*(one.rated.usage for one in rows), more])
    openings = {c.key: c.closing for c in honest().built[0].counters}
    again: list[Rated] = rate([c for _, c in world.versions], world.versions[0][0], usages, openings)
    tags = {one.rated.usage.use_id: one.tag for one in rows}
    h = world.versions[1][0]
    return [
        RatedUse(one, h, tags.get(one.usage.use_id, b.tag(w.MEMBERS, w.FEBRUARY)),
                 level=EvidenceLevel.DECLARED if one.usage.use_id not in tags else EvidenceLevel.GATEWAY_FILE)
        for one in again
    ]  # fmt: skip


def test_counts_that_people_waive_add_up() -> None:
    report = verify_evidence(b.evidence(_decided(ResolutionAction.WAIVE), w.BANK), w.policy(w.BANK))
    assert report.verdict == VALID


def test_counts_that_people_bill_need_no_part() -> None:
    report = verify_evidence(b.evidence(_decided(ResolutionAction.BILL), w.BANK), w.policy(w.BANK))
    assert report.verdict == VALID
    assert "1 billed by a decision of people" in next(c.words for c in report.checks if c.name == "meters")


def test_a_decision_about_more_than_was_open_is_refused() -> None:
    scene = _decided(ResolutionAction.WAIVE, from_total=0)
    report = verify_evidence(b.evidence(scene, w.BANK), w.policy(w.BANK))
    assert "closes more of open span 90 than was open" in report.verdict


def _with_minimum(bent: int = 0, machines: tuple[int, ...] = (0, 1)) -> b.Scene:
    """Nobody pays less than 9 EUR a month: a pseudo use tops the period up."""
    contract = w.laundry()
    contract = replace(contract, tariff=replace(contract.tariff, minimum=Exact.of(9)))
    world: dict[str, w.World] = {}

    def found() -> w.World:
        world["it"] = w.found(contracts=[contract])
        return world["it"]

    def usages(period: int, rows: list[Usage]) -> list[Usage]:
        ((h, version),) = world["it"].versions
        span = period_of(version, b.PERIODS[period][0])
        tops = [minimum_usage(h, version, payer, span) for payer in (w.ANNA, w.BRUNO)]
        return canonical(
            [*rows, *(top._replace(start_ms=top.start_ms - bent, end_ms=top.end_ms - bent) for top in tops)]
        )

    def washes(rows: list[w.Wash]) -> list[w.Wash]:
        return [replace(row, payer=w.users(1)[row.machine]) for row in rows if row.machine in machines]

    return b.scene(b.Host(found=found, usages=usages, washes=washes))


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_months_minimum_is_verified_like_any_use(party: w.PartyId) -> None:
    scene = _with_minimum()
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    closing = next(s.closing for s in scene.built[1].statements if s.party == w.ANNA)
    assert closing <= -18 * 10**9


def test_a_minimum_is_charged_to_users_of_the_contract_only() -> None:
    """Anna does not wash: her place in the contract alone says that she owes the minimum."""
    evidence = Evidence.decode(b.evidence(_with_minimum(machines=(1,)), w.ANNA))
    assert verify_evidence(evidence.encode(), w.policy(w.ANNA)).verdict == VALID_SPLIT_AS_COMMITTED
    closed = replace(evidence, pieces=tuple(piece for piece in evidence.pieces if piece.key != USER_KEY))
    verdict = verify_evidence(closed.encode(), w.policy(w.ANNA)).verdict
    assert verdict.startswith("minimum of the period")
    assert "makes you its user" in verdict


def test_a_minimum_before_the_end_of_its_month_is_refused() -> None:
    report = verify_evidence(b.evidence(_with_minimum(w.HOUR), w.BANK), w.policy(w.BANK))
    assert "does not stand at the end of its period" in report.verdict


def test_a_base_shows_only_what_later_lines_correct() -> None:
    scene = b.scene(_Order())
    replaced = [one.use.replaces for one in scene.built[1].uses if one.use.replaces]

    def also(draft: Any) -> None:
        built, (envelope, leaf, _) = scene.built[0], scene.envelopes[0]
        for one in replaced:
            draft.open_leaf(draft.add(envelope, leaf), 7, one.leaf, built.use_tree)

    assert replaced
    assert verify_evidence(b.evidence(scene, w.BANK, b.View(also=also)), w.policy(w.BANK)).verdict == VALID
