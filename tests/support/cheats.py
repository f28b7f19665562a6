"""The catalogue of what a host can try: each entry makes a file, and says what the verifier must name.
The gateways' keys, the parties' keys and the community's root are not the host's; the rest is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from support import evidence_builder as b
from support import evidence_world as w
from support.protocol_samples import ed25519, fixed, p256
from tallystick_protocol import cose
from tallystick_protocol.codes import EvidenceLevel, KeyAction, LineKind, Sensitivity
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import Cover
from tallystick_protocol.evidence import USER_KEY, Evidence
from tallystick_protocol.ids import H32, PartyId, use_id
from tallystick_protocol.money.contract import ContractState
from tallystick_protocol.money.rating import Usage, canonical, rate
from tallystick_protocol.money.settle import Books, Built, RatedUse, Settled
from tallystick_protocol.part import Part
from tallystick_protocol.policy import KnownVersion, Policy
from tallystick_protocol.records import Descriptor
from tallystick_protocol.settled_use import Use
from tallystick_protocol.statement import Line, Statement

LAST = 1  # the second period


@dataclass(frozen=True)
class Cheat:
    """`make` gives the file; `named` stands in the verdict."""

    name: str
    named: str
    make: Callable[[], bytes]
    party: PartyId = w.BANK
    policy: Callable[[Policy], Policy] = lambda policy: policy


def as_host(party: PartyId = w.BANK, view: b.View | None = None, **hooks: Any) -> Callable[[], bytes]:
    return lambda: b.evidence(b.scene(b.Host(**hooks)), party, view)


def in_period(number: int, change: Callable[[Any], Any]) -> Callable[[int, Any], Any]:
    return lambda period, value: change(value) if period == number else value


def edited(change: Callable[[Evidence], Evidence], party: PartyId = w.BANK) -> Callable[[], bytes]:
    """An honest file in which what is not signed was changed."""
    return lambda: change(Evidence.decode(b.evidence(b.scene(), party))).encode()


# ------------------------------------------------------------ changes to what is settled


def uses(change: Callable[[list[Settled]], list[Settled]], period: int = 0) -> Callable[[int, Built], Built]:
    return in_period(period, lambda built: b.rebuilt(built, uses=change(list(built.uses))))


def one_use(period: int = 0, at: int = 0, **changes: Any) -> Callable[[int, Built], Built]:
    def change(rows: list[Settled]) -> list[Settled]:
        rows[at] = replace(rows[at], use=replace(rows[at].use, **changes))
        return rows

    return uses(change, period)


def statement_of(party: PartyId, change: Callable[[Statement], Statement], period: int = 0) -> Any:
    def apply(built: Built) -> Built:
        return b.rebuilt(built, statements=[change(s) if s.party == party else s for s in built.statements])

    return in_period(period, apply)


def with_lines(statement: Statement, lines: list[Line]) -> Statement:
    closing = statement.opening + sum(line.amount for line in lines)
    return replace(statement, lines=tuple(lines), closing=closing)


def first_line(statement: Statement, by: int) -> Statement:
    head, *rest = statement.lines
    return with_lines(statement, [replace(head, amount=head.amount + by), *rest])


def moved_line(built: Built) -> Built:
    """Anna's first wash stands in Bruno's statement."""
    anna, bruno = (next(s for s in built.statements if s.party == party) for party in (w.ANNA, w.BRUNO))
    changed = {
        w.ANNA: with_lines(anna, list(anna.lines[1:])),
        w.BRUNO: with_lines(bruno, [anna.lines[0], *bruno.lines]),
    }
    return b.rebuilt(built, statements=[changed.get(s.party, s) for s in built.statements])


def covers_with(period: int, **changes: Any) -> Callable[[int, list[Cover]], list[Cover]]:
    return in_period(period, lambda covers: [replace(covers[0], **changes), *covers[1:]])


def dropped(machine: int, number: int) -> Callable[[int, list[Usage]], list[Usage]]:
    """A wash is left out, and its counts with it."""

    def drop(_: int, usages: list[Usage]) -> list[Usage]:
        channel = honest().world.machines[machine].channel
        return [usage for usage in usages if (usage.channel_hash, usage.number) != (channel, number)]

    return drop


def phantom(period: int, usages: list[Usage]) -> list[Usage]:
    """Another wash of Anna at the end of the first period, on the first machine."""
    if period:
        return usages
    channel = honest().world.machines[0].channel
    like = max((usage for usage in usages if usage.channel_hash == channel), key=lambda usage: usage.number)
    more = like._replace(
        use_id=use_id(channel, like.number + 1),
        number=like.number + 1,
        start_ms=like.end_ms + w.HOUR,
        end_ms=like.end_ms + 2 * w.HOUR,
        from_total=like.to_total,
        to_total=like.to_total + 1,
    )
    return canonical([*usages, more])


def room_for_phantom(period: int, covers: list[Cover]) -> list[Cover]:
    channel = honest().world.machines[0].channel
    grow = {"to_total": 1, "to_use": 1}
    return [
        replace(c, **{name: getattr(c, name) + by for name, by in grow.items()}) if c.channel_hash == channel else c
        for c in covers
    ]


def billed_abort(_: int, usages: list[Usage]) -> list[Usage]:
    return [u._replace(aborted=False, programme="60") if u.aborted else u for u in usages]


def under_old_contract(period: int, rated: list[RatedUse]) -> list[RatedUse]:
    """Everything of the first period by version 1."""
    if period:
        return rated
    first = honest().world.versions[0]
    again = rate(lambda _: first[1], first[0], [one.rated.usage for one in rated], {})
    return [replace(one, rated=new, version=first[0]) for one, new in zip(rated, again, strict=True)]


def second_tag(period: int, rated: list[RatedUse]) -> list[RatedUse]:
    """Bruno's uses from the second on stand under another tag."""
    mine = [index for index, one in enumerate(rated) if one.rated.usage.payer == w.BRUNO][1:]
    tag = fixed("second tag", 8)
    return [replace(one, tag=tag) if index in mine and not period else one for index, one in enumerate(rated)]


def merged(rows: list[Settled]) -> list[Settled]:
    """Anna's first wash moved Bruno's counter too, so that his cheaper third wash would come one wash earlier."""
    for index, one in enumerate(rows):
        if one.payer == w.BRUNO and len(one.use.counters) > 1:
            (key, before), *rest = one.use.counters
            rows[index] = replace(one, use=replace(one.use, counters=((key, before + 1), *rest)))
    return rows


def _openings(period: int) -> dict[H32, int]:
    return {c.key: c.closing for c in honest().built[period - 1].counters} if period else {}


def only_first_version(_: int, books: Books) -> Books:
    return replace(books, versions=books.versions[:1])


def swapped_order(rows: list[Settled]) -> list[Settled]:
    return [rows[1], rows[0], *rows[2:]]


def less_repaid(books: Books) -> Books:
    """The loan's counter begins lower than it ended, so that the bank is paid more."""
    counters = {
        key: replace(one, value=one.value - 10**9) if one.period is None else one for key, one in books.counters.items()
    }
    return replace(books, counters=counters)


def repaid_more(period: int, rated: list[RatedUse]) -> list[RatedUse]:
    if not period:
        return rated
    versions = [contract for _, contract in honest().world.versions]
    openings = {key: value - 10**9 if value == 5_900_000_000 else value for key, value in _openings(1).items()}
    again = rate(versions, honest().world.versions[0][0], [one.rated.usage for one in rated], openings)
    return [replace(one, rated=new) for one, new in zip(rated, again, strict=True)]


_HONEST: list[b.Scene] = []


def honest() -> b.Scene:
    """The honest world, made once."""
    if not _HONEST:
        _HONEST.append(b.scene())
    return _HONEST[0]


# ------------------------------------------------------------ changes to what is shown


def other_part(evidence: Evidence) -> Evidence:
    """A cheaper programme in a part."""
    pieces = list(evidence.pieces)
    part = Part.decode(pieces[0].data)
    pieces[0] = replace(pieces[0], data=replace(part, events=(replace(part.events[0], programme="30"),)).encode())
    return replace(evidence, pieces=tuple(pieces))


def without_pieces(key: int, count: int = 1) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        gone = [piece for piece in evidence.pieces if piece.key == key][:count]
        return replace(evidence, pieces=tuple(piece for piece in evidence.pieces if piece not in gone))

    return change


def forked_log() -> bytes:
    """The file stands on a log in which one entry is another than the one the gateways saw."""
    scene = b.scene()
    log = w.Log()
    log.hashes = list(scene.world.log.hashes)
    shown = {item.leaf for item in Evidence.decode(b.evidence(scene, w.BANK)).objects}
    hidden = min(set(range(len(log.hashes))) - shown)
    log.hashes[hidden] = H32(fixed("another entry", 32))
    return b.evidence(scene, w.BANK, b.View(log=log))


def strangers_statement() -> bytes:
    scene = b.scene()

    def also(draft: Any) -> None:
        built, (envelope, leaf, _) = scene.built[0], scene.envelopes[0]
        index = next(n for n, s in enumerate(built.statements) if s.party == w.BRUNO)
        draft.open_leaf(draft.add(envelope, leaf), 10, index, built.statement_tree)

    return b.evidence(scene, w.BANK, b.View(also=also))


def personal_part() -> bytes:
    scene = b.scene()
    first = scene.world.washes[0][3]

    def also(draft: Any) -> None:
        assert Part.decode(first.parts[0].data).sensitivity is Sensitivity.PERSONAL
        draft.open_part(draft.add(first.envelope, first.leaf), 0, first.parts[0].salt, first.parts[0].data)

    return b.evidence(scene, w.BANK, b.View(also=also, log=scene.world.log))


def user_opened(who: PartyId, party: PartyId) -> Callable[[], bytes]:
    """The place of the first machine, which is Anna's in the first version, is opened as somebody's to a party."""

    def make() -> bytes:
        scene = b.scene()
        envelopes = {cose.parse(e).hash: (e, leaf) for e, leaf in scene.world.log.envelopes}
        contract = envelopes[scene.world.versions[0][0]]
        salt = w.openings(1)[0].salt
        return b.evidence(scene, party, b.View(also=lambda draft: draft.open_user(draft.add(*contract), 0, salt, who)))

    return make


def without_places(evidence: Evidence) -> Evidence:
    return replace(evidence, pieces=tuple(piece for piece in evidence.pieces if piece.key != USER_KEY))


def doubled_place(evidence: Evidence) -> Evidence:
    place = next(piece for piece in evidence.pieces if piece.key == USER_KEY)
    return replace(evidence, pieces=(*evidence.pieces, place))


def other_salt(evidence: Evidence) -> Evidence:
    turned = [replace(p, salt=fixed("x", 16)) if p.key == USER_KEY else p for p in evidence.pieces]
    return replace(evidence, pieces=tuple(turned))


def moved_use(period: int, usages: list[Usage]) -> list[Usage]:
    """Anna's first wash is Bruno's in everything that the host makes: tag, counters, fee, statement."""
    if period:
        return usages
    first = next(usage for usage in usages if usage.payer == w.ANNA)
    return [usage._replace(payer=w.BRUNO) if usage is first else usage for usage in usages]


def channel_moved() -> w.World:
    """Long after the first wash the first machine's channel is said to be the second machine's."""
    world = w.found()
    machine = world.machines[0]
    first = next(e for e, _ in world.log.envelopes if cose.parse(e).hash == machine.descriptor)
    old = Descriptor.decode(cose.parse(first).payload)
    new = replace(old, nonce=fixed("moved", 16), prev=machine.descriptor, asset="washer-2")
    world.log.add(cose.sign(w.ROOT, ContentType.DESCRIPTOR, new.encode()))
    return world


def first_is_brunos(rows: list[w.Wash]) -> list[w.Wash]:
    return [replace(rows[0], payer=w.BRUNO), *rows[1:]]


def signed_by(signer: Any) -> Callable[[], bytes]:
    """The last settlement, signed by a key that may not."""

    def make() -> bytes:
        scene = b.scene()
        envelope = cose.sign(signer, ContentType.SETTLEMENT, scene.built[1].settlement.encode())
        scene.envelopes[1] = (envelope, scene.world.log.add(envelope), cose.parse(envelope).hash)
        return b.evidence(scene, w.BANK)

    return make


def revoked_office() -> w.World:
    world = w.found()
    first = next(e for e, _ in world.log.envelopes if cose.parse(e).content_type is ContentType.KEY_EVENT)
    more = {"prev": cose.parse(first).hash, "action": KeyAction.REVOKE, "revoked_from": len(world.log.hashes)}
    world.log.add(w.key_event("office", w.OFFICE, 0, **more))
    return world


def stranger_root() -> w.World:
    """A key record of the office that the host signed itself."""
    root, w.ROOT = w.ROOT, ed25519("the host's own root")
    try:
        return w.found()
    finally:
        w.ROOT = root


def later_batch() -> bytes:
    """Two batches change places in the log."""
    scene = b.scene()
    machine = scene.world.machines[0]
    one, two = machine.sealed[1], machine.sealed[2]
    log = scene.world.log
    log.hashes[one.leaf], log.hashes[two.leaf] = log.hashes[two.leaf], log.hashes[one.leaf]
    one.leaf, two.leaf = two.leaf, one.leaf

    def also(draft: Any) -> None:
        draft.add(one.envelope, one.leaf)
        draft.add(two.envelope, two.leaf)

    return b.evidence(scene, w.BANK, b.View(also=also))


def known_version(policy: Policy) -> Policy:
    (chain, _), (second, contract) = honest().world.versions
    return replace(policy, contracts=(KnownVersion(chain, second, contract.effective_from_ms),))


def one_version() -> w.World:
    return w.found(contracts=[w.laundry()])


def shadow_by_one_party() -> w.World:
    return w.found(silent=frozenset({w.BANK, w.FUND, w.MEMBERS}), second={"state": ContractState.SHADOW})


def _use(at: int = 0, period: int = 0) -> Use:
    return honest().built[period].uses[at].use


def _first_of(payer: PartyId) -> int:
    return next(index for index, one in enumerate(honest().built[0].uses) if one.payer == payer)


def _shares(at: int, *by: int) -> tuple[tuple[int, int], ...]:
    return tuple((party, share + by[n]) for n, (party, share) in enumerate(_use(at).shares))


CHEATS: tuple[Cheat, ...] = (
    Cheat("a part with a cheaper programme", "is not what the gateway signed", edited(other_part)),
    Cheat("a wash left out", "counts 1 to 2 are not billed", as_host(usages=dropped(0, 2))),
    Cheat("a wash left out of the file", "number 0 is not in the file", edited(without_pieces(7))),
    Cheat("a channel left out of the file", "number 0 is not in the file", edited(without_pieces(5))),
    Cheat("a wash added", "no part that a gateway signed says so",
          as_host(view=b.View(periods=(0,)), usages=phantom, covers=room_for_phantom)),
    Cheat("a wash added without room", "billed or open, but were never counted", as_host(usages=phantom)),
    Cheat("an aborted wash billed", "the gateway signed None", as_host(usages=billed_abort)),
    Cheat("two washes in another order", "against the order by time", as_host(built=uses(swapped_order))),
    Cheat("a wash back-dated", "was settled as ended", as_host(built=one_use(end_ms=_use().end_ms - w.MINUTE))),
    Cheat("a wash begun earlier", "was settled as begun",
          as_host(w.ANNA, built=one_use(at=_first_of(w.ANNA), start_ms=_use().start_ms - w.MINUTE)), w.ANNA),
    Cheat("another programme", "the gateway signed '60'", as_host(built=one_use(programme="30"))),
    Cheat("another count", "are counted twice", as_host(built=one_use(to_total=2))),
    Cheat("a better evidence level", "claims evidence level",
          as_host(built=one_use(level=EvidenceLevel.GATEWAY_HARDWARE))),
    Cheat("a meter's signature made up", "and no description of the channel names its key",
          as_host(built=one_use(level=EvidenceLevel.METER_SIGNED))),
    Cheat("an old contract applied", "but version 2 was in force", as_host(rated=under_old_contract)),
    Cheat("a new contract left out", "applies an old contract",
          as_host(rated=under_old_contract, books=in_period(0, lambda books: only_first_version(0, books)))),
    Cheat("a new contract hidden", "the version that your policy knows to be agreed is left out",
          as_host(found=one_version), policy=known_version),
    Cheat("a contract nobody agreed to", "is not agreed",
          as_host(found=lambda: w.found(silent=frozenset({w.BANK})))),
    Cheat("a live contract put into shadow by one party", "is not agreed",
          as_host(found=shadow_by_one_party)),
    Cheat("a bent scale factor", "the scale was bent", as_host(found=lambda: w.found(exponent=1))),
    Cheat("a swapped gateway key", "begin with a key that the gateway's name does not follow from",
          as_host(found=lambda: w.found(signers=[p256("host's own"), p256("machine 2")]))),
    Cheat("a changed share", "gives Elena", as_host(built=one_use(shares=_shares(0, 1, -1, 0)))),
    Cheat("a changed fee", "costs 1.60 EUR by the contract",
          as_host(built=one_use(fee=_use().fee + 1, shares=_shares(0, 1, 0, 0)))),
    Cheat("a payer over two tags", "stands under another payer's tag", as_host(w.BRUNO, rated=second_tag), w.BRUNO),
    Cheat("two payers merged into one counter", "was priced from other counters",
          as_host(w.BRUNO, built=uses(merged)), w.BRUNO),
    Cheat("one tag for two payers", "counts one payer in two counters",
          as_host(built=one_use(at=1, tag=_use(0).tag))),
    Cheat("one payer's counter under another tag", "counts two payers in one counter",
          as_host(built=one_use(at=3, tag=fixed("fresh tag", 8)))),
    Cheat("two logs", "saw another log", forked_log),
    Cheat("a batch dropped at the end", "its last batch 1/99 is not in the file",
          as_host(covers=lambda _, covers: [
              replace(c, batches=(replace(c.batches[-1], last=99),)) for c in covers])),
    Cheat("another batch as head", "is not the one that the settlement covers",
          as_host(covers=in_period(1, lambda covers: [
              replace(c, batches=(replace(c.batches[-1], h=H32(fixed("other", 32))),)) for c in covers]))),
    Cheat("batches in another order", "batches were reordered", later_batch),
    Cheat("a wash moved to another payer's statement", "does not charge", as_host(
        w.ANNA, built=in_period(0, moved_line)), w.ANNA),
    Cheat("a wash moved here from another payer", "a use that is not in the file", as_host(
        w.BRUNO, built=in_period(0, moved_line)), w.BRUNO),
    Cheat("a wash moved to another user with all that depends on it", "makes you its user",
          as_host(w.BRUNO, usages=moved_use), w.BRUNO),
    Cheat("a wash of a machine that is said to be another one later", "makes you its user",
          as_host(w.BRUNO, found=channel_moved, washes=first_is_brunos), w.BRUNO),
    Cheat("a user's place left out of the file", "is charged to you, but nothing in the file shows",
          edited(without_places, w.ANNA), w.ANNA),
    Cheat("a user's place under another salt", "is not you: the parties signed another user's commitment",
          edited(other_salt, w.ANNA), w.ANNA),
    Cheat("another user's place shown as yours", "is not you", user_opened(w.BRUNO, w.BRUNO), w.BRUNO),
    Cheat("another user's place shown to you", "is opened to show somebody else than you",
          user_opened(w.ANNA, w.BRUNO), w.BRUNO),
    Cheat("a user's place shown to the lender", "who uses an asset is not for a party to the split",
          user_opened(w.ANNA, w.BANK)),
    Cheat("a user's place shown twice", "opens one piece twice", edited(doubled_place, w.ANNA), w.ANNA),
    Cheat("a charge of 500 nano more", "charges 1.6000005 EUR", as_host(
        w.ANNA, built=statement_of(w.ANNA, lambda s: first_line(s, -500))), w.ANNA),
    Cheat("a share of 500 nano less", "your share is", as_host(built=statement_of(
        w.BANK, lambda s: first_line(s, -500)))),
    Cheat("a share left out", "gives you 0.00 EUR", as_host(built=statement_of(
        w.BANK, lambda s: with_lines(s, list(s.lines[1:]))))),
    Cheat("an opening balance that is another", "the one before closed at", as_host(built=statement_of(
        w.BANK, lambda s: replace(s, opening=s.opening - 7, closing=s.closing - 7), 1))),
    Cheat("a statement that follows another", "follows another statement", as_host(built=statement_of(
        w.BANK, lambda s: replace(s, prev=H32(fixed("x", 32))), 1))),
    Cheat("a payout of half a cent", "not a whole number of cents", as_host(built=statement_of(
        w.BANK, lambda s: with_lines(s, [*s.lines, Line(LineKind.PAYOUT, H32(bytes(32)), -5_000_000)]), 1))),
    Cheat("a loan that grew again", "the settlement before left it at", as_host(
        books=in_period(1, less_repaid), rated=repaid_more)),
    Cheat("a counter that is left out", "leaves out counter", as_host(
        built=in_period(1, lambda built: b.rebuilt(built, counters=[c for c in built.counters if c.period])))),
    Cheat("a counter that closes elsewhere", "its uses bring it to", as_host(built=in_period(0, lambda built: b.rebuilt(
        built, counters=[replace(c, closing=c.closing + (c.period is None)) for c in built.counters])))),
    Cheat("a machine left out of the second month", "which the settlement before it covered",
          as_host(w.BANK, usages=in_period(1, lambda usages: [
              u for u in usages if u.channel_hash == honest().world.machines[0].channel]),
              covers=in_period(1, lambda covers: covers[:1]))),
    Cheat("an open wash forgotten", "use numbers 4 to 5 are not billed, not waived and not open", as_host(
        covers=in_period(0, lambda covers: [replace(c, opens=()) for c in covers]))),
    Cheat("totals that do not go on", "but the one before ended at", as_host(covers=covers_with(1, from_total=3))),
    Cheat("a settlement signed by a stranger", "may not sign a settlement", signed_by(ed25519("stranger"))),
    Cheat("a settlement signed by a gateway", "may not sign a settlement", signed_by(p256("machine 1"))),
    Cheat("a settlement under a revoked key", "may not sign a settlement", as_host(found=revoked_office)),
    Cheat("keys that the community's root did not sign", "is neither a community key", as_host(found=stranger_root)),
    Cheat("clock offsets of another place", "records other clock offsets", as_host(
        built=in_period(0, lambda built: replace(built, settlement=replace(
            built.settlement, offsets=((w.JANUARY, 7200),)))))),
    Cheat("somebody else's statement shown", "shows the statement of another party", strangers_statement),
    Cheat("a personal part shown to the lender", "is personal", personal_part),
    Cheat("a checkpoint of another log key", "is not one that your policy's log signed", lambda: b.evidence(
        b.scene(), w.BANK, b.View(note=b.scene().world.log.note(signer=ed25519("another log"))))),
    Cheat("no witnesses where two are asked for", "is co-signed by 1 of the 2 witnesses", as_host(
        view=b.View(witnesses=(0,))), policy=lambda policy: replace(policy, witnesses_needed=2)),
    Cheat("a pseudonym that is not yours", "is not one of yours", as_host(w.ANNA), w.ANNA,
          lambda policy: replace(policy, subjects=(w.SUBJECTS[w.BRUNO],))),
    Cheat("the wrong scope", "takes part in the split", edited(lambda e: replace(e, scope=type(e.scope)(0)))),
    Cheat("another party's file", "was made for another party", as_host(w.OWNER)),
)  # fmt: skip
