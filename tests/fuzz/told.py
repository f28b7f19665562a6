"""One row of what a host says otherwise in evidence, and what else it can do than change a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import cbor2
from fuzz.edits import all_of, edit, put
from fuzz.forged import USE_KEY, Change, Forger, Lie, signed
from fuzz.forged_evidence import metered, months
from support import evidence_world as w
from support.protocol_samples import fixed, h32
from support.vector_case import plain
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch
from tallystick_protocol.checkpoint import add_cosignature, log_id
from tallystick_protocol.codes import LineKind, LogType, ResolutionAction
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence import PART_KEY, SLICE_KEY, Evidence, LoggedObject, Piece
from tallystick_protocol.ids import channel_hash
from tallystick_protocol.keys import Signer
from tallystick_protocol.part import Part
from tallystick_protocol.policy import Policy
from tallystick_protocol.records import Continuation, KeyEvent, Resolution, Reversal
from tallystick_protocol.settled_use import Slice, Use

COUNTER_KEY = 12
CORRECTS = 13  # the field of a use
TIER = ("leaf 7", 1)  # the second one of the metered day
Place = tuple[str, int] | Callable[[Forger], int]  # which of its kind: ("settlement", 1)
More = tuple[ContentType, bytes, Signer]


@dataclass(frozen=True, slots=True)
class Told:
    """`named` stands in the verdict; `then` changes what is not signed."""

    named: str
    of: Callable[[], Forger]
    changes: Mapping[Place, Change] | Callable[[], Mapping[Place, Change]] = field(default_factory=dict)
    more: Callable[[Forger], Sequence[More]] = lambda _: ()
    order: Callable[[Forger, list[int]], list[int]] = lambda _, order: order
    signers: Mapping[Place, Signer] = field(default_factory=dict)
    then: Callable[[Evidence], Evidence] = lambda file: file
    policy: Callable[[Policy], Policy] = lambda policy: policy

    def file(self) -> bytes:
        forger, changes = self.of(), self.changes() if callable(self.changes) else self.changes
        lie = Lie(
            changes={_number(forger, place): change for place, change in changes.items()},
            signers={_number(forger, place): signer for place, signer in self.signers.items()},
            more=self.more(forger),
            order=partial(self.order, forger),
        )
        return self.then(forger.forge(lie)).encode()


def _number(forger: Forger, place: Place) -> int:
    return place(forger) if callable(place) else forger.find(*place)


BANK, ANNA = partial(months, w.BANK), partial(months, w.ANNA)
LENDER, PAYER = partial(metered, w.BANK), partial(metered, w.ANNA)
ELENA = partial(metered, w.OWNER, loan=False)


# ------------------------------------------------------------ what else may stand in the log, and in which order


def after(what: Place, place: Place) -> Callable[[Forger, list[int]], list[int]]:
    """One object is logged right after another."""

    def moved(forger: Forger, order: list[int]) -> list[int]:
        one = forger.find(*what)
        rest = [number for number in order if number != one]
        at = rest.index(forger.find(*place)) + 1
        return [*rest[:at], one, *rest[at:]]

    return moved


def another_settlement(forger: Forger) -> list[More]:
    """A second one that follows the first."""
    payload = put(1, value=fixed("another", 16))(forger.target(forger.find("settlement", 1))[1])
    return [(ContentType.SETTLEMENT, payload, w.OFFICE)]


def third_version(forger: Forger) -> list[More]:
    """Another one that says it is the second."""
    second = forger.find("contract", 1)
    payload = all_of(put(1, value=fixed("third", 16)), put(2, value=forger.hash_of(second)))(forger.target(second)[1])
    return [(ContentType.CONTRACT, payload, w.PARTY_KEYS[w.OWNER])]


def early(forger: Forger, order: list[int]) -> list[int]:
    """What there is more is logged before the first settlement."""
    at, count = forger.find("settlement"), len(forger.make(-1, bytes).objects)
    return [*order[:at], *order[count:], *order[at:count]]


def key_record(signer: Signer, of: int = 0, **said: Any) -> Callable[[Forger], list[More]]:
    """A further record of the office's or a gateway's keys, by the root."""

    def made(forger: Forger) -> list[More]:
        number = forger.find("key-event", of)
        first = KeyEvent.decode(forger.target(number)[1])
        event = replace(first, nonce=fixed("another", 16), prev=forger.hash_of(number), spki=signer.spki, **said)
        return [(ContentType.KEY_EVENT, event.encode(), w.ROOT)]

    return made


def decisions(forger: Forger) -> list[More]:
    """Two about one channel, of which the second follows nothing."""
    channel = plain(_value(forger, "leaf 5"))[0]
    made = [
        Resolution(fixed(f"decision {n}", 16), None, channel, n, ResolutionAction.WAIVE, 0, 0, "so it was decided")
        for n in range(2)
    ]
    return [(ContentType.RESOLUTION, one.encode(), w.OFFICE) for one in made]


def set_back(signer: Signer = w.ROOT, **said: Any) -> Callable[[Forger], list[More]]:
    """A record that the log was set back, after all else."""

    def made(forger: Forger) -> list[More]:
        size = len(forger.make(-1, bytes).objects)
        record = Continuation(fixed("record", 16), log_id(w.LOG.spki), 1, 0, size, h32("root"), (), "a backup")
        return [(ContentType.CONTINUATION, replace(record, **said).encode(), signer)]

    return made


def _value(forger: Forger, kind: str, nth: int = 0) -> Any:
    return cbor2.loads(forger.target(forger.find(kind, nth))[1])


# ------------------------------------------------------------ what a file shows


def shown(change: Callable[[list[Any]], list[Any]]) -> Callable[[Evidence], Evidence]:
    """Other pieces."""
    return lambda file: replace(file, pieces=tuple(change(list(file.pieces))))


def one_piece(of: int, nth: int = 0, **changes: Any) -> Callable[[Evidence], Evidence]:
    """One of a key is another."""

    def change(pieces: list[Any]) -> list[Any]:
        at = [n for n, piece in enumerate(pieces) if piece.key == of][nth]
        pieces[at] = replace(pieces[at], **changes)
        return pieces

    return shown(change)


def one_object(number: int, change: Callable[[LoggedObject], LoggedObject]) -> Callable[[Evidence], Evidence]:
    """One of them, as it is shown, is another."""

    def changed(file: Evidence) -> Evidence:
        objects = list(file.objects)
        objects[number] = change(objects[number])
        return replace(file, objects=tuple(objects))

    return changed


def without(*kinds: tuple[LogType, int]) -> Callable[[Evidence], Evidence]:
    """Objects are not shown, nor what they open."""

    def change(file: Evidence) -> Evidence:
        gone = set()
        for kind, nth in kinds:
            gone.add([number for number, one in enumerate(file.objects) if one.type is kind][nth])
        kept = [number for number in range(len(file.objects)) if number not in gone]
        pieces = [replace(p, object=kept.index(p.object)) for p in file.pieces if p.object not in gone]
        return replace(file, objects=tuple(file.objects[number] for number in kept), pieces=tuple(pieces))

    return change


def bare(key: int) -> Callable[[Evidence], Evidence]:
    """The leaves of a key of the first settlement come without their paths."""

    def change(pieces: list[Any]) -> list[Any]:
        first = next(piece.object for piece in pieces if piece.key == key)
        return [replace(p, path=()) if (p.object, p.key) == (first, key) else p for p in pieces]

    return shown(change)


def dropped(key: int, nth: int = 0) -> Callable[[Evidence], Evidence]:
    def change(pieces: list[Any]) -> list[Any]:
        gone = [piece for piece in pieces if piece.key == key][nth]
        return [piece for piece in pieces if piece is not gone]

    return shown(change)


def then(*steps: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
    def change(file: Evidence) -> Evidence:
        for step in steps:
            file = step(file)
        return file

    return change


def a_command(file: Evidence) -> Evidence:
    envelope = cose.sign(w.OFFICE, ContentType.COMMAND, b"\xa0")
    return replace(file, objects=(replace(file.objects[0], envelope=envelope), *file.objects[1:]))


def witnessed_elsewhere(file: Evidence) -> Evidence:
    """A witness's line from under another checkpoint."""
    other_note = add_cosignature(w.Log().note(), "witness-0", w.WITNESSES[0], 1_800_000_000)
    line = other_note.splitlines(keepends=True)[-1]
    return replace(file, note=file.note + line)


def a_curve(file: Evidence) -> Evidence:
    """The payer's first slice, opened to somebody else."""
    honest = PAYER().make(-1, bytes)
    piece = next(one for one in honest.pieces if one.key == SLICE_KEY and one.object >= len(honest.objects))
    first = next(n for n, one in enumerate(file.pieces) if one.key == 7)
    return replace(file, pieces=(*file.pieces, replace(piece, object=len(file.objects) + first)))


def _part(pieces: list[Any]) -> Any:
    return next(piece for piece in pieces if piece.key == PART_KEY)


def with_another_counter(file: Evidence) -> Evidence:
    """Bruno's of January too, which stands beside Anna's."""
    mine = next(piece for piece in file.pieces if piece.key == COUNTER_KEY)
    settlement = next(n for n, one in enumerate(file.objects) if one.type is LogType.SETTLEMENT)
    return replace(file, pieces=(*file.pieces, ANNA().opened(settlement, COUNTER_KEY, (mine.index + 2) % 3)))


# ------------------------------------------------------------ what is settled


def head_of_batch_1(data: bytes) -> bytes:
    """The cover of January ends with the first batch that is shown of its gateway."""
    first = BANK().find("batch")
    return all_of(put(5, 0, 2, value=2), put(5, 0, 3, value=BANK().hash_of(first)))(data)


def free(data: bytes) -> bytes:
    """A use that costs nobody anything."""
    return all_of(put(8, value=0), edit(10, to=lambda old: [[party, 0] for party, _ in old]))(data)


def a_line(kind: LineKind) -> Change:
    return edit(5, to=lambda old: [*old, [int(kind), h32("line"), 0]])


def correction(forger: Forger, nth: int = 0) -> int:
    """A use that corrects another."""
    uses = [number for number in range(forger.targets) if forger.target(number)[0] == "leaf 7"]
    return [number for number in uses if CORRECTS in cbor2.loads(forger.target(number)[1])][nth]


def corrected_leaf(forger: Forger) -> int:
    """The number of the line that the first of them corrects."""
    return int(cbor2.loads(forger.target(correction(forger))[1])[CORRECTS][1])


def corrected(forger: Forger) -> int:
    """That line."""
    honest = forger.make(-1, bytes)
    place = (forger.find("settlement"), USE_KEY, corrected_leaf(forger))
    found = next(number for number, p in enumerate(honest.pieces) if (p.object, p.key, p.index) == place)
    return len(honest.objects) + found


def only_corrected(file: Evidence) -> Evidence:
    """Of January only what February corrects; of the parts only those that February bills."""
    first = next(n for n, one in enumerate(file.objects) if one.type is LogType.SETTLEMENT)
    lines = [(piece, Use.decode(piece.data)) for piece in file.pieces if piece.key == USE_KEY]
    kept = {use.replaces.leaf for _, use in lines if use.replaces is not None}
    billed = {(u.channel_hash, u.number) for p, u in lines if p.object != first and u.replaces is None}

    def is_shown(piece: Piece) -> bool:
        if piece.key == PART_KEY:
            batch, part = cose.parse(file.objects[piece.object].envelope).payload, Part.decode(piece.data)
            return (channel_hash(Batch.decode(batch).gid, part.channel), part.events[0].use) in billed
        return piece.object != first or piece.key != USE_KEY or piece.index in kept

    return shown(lambda pieces: [piece for piece in pieces if is_shown(piece)])(file)


def is_of_nothing(forger: Forger) -> int:
    """The use that brings a month up to its minimum."""
    return next(
        number
        for number in range(forger.targets)
        if forger.target(number)[0] == "leaf 7"
        and cbor2.loads(forger.target(number)[1])[7] is None
        and cbor2.loads(forger.target(number)[1])[8]
    )


def _slice(use: Place = TIER) -> tuple[Use, Slice]:
    """A joined use of the metered day, and its first slice."""
    joined = Use.decode(PAYER().target(_number(PAYER(), use))[1])
    slices = [PAYER().target(n) for n in range(PAYER().targets)]
    return joined, next(
        one
        for one in (Slice.decode(data) for kind, data in slices if kind == "slice")
        if one.from_total == joined.number
    )


def reversing(*said: Mapping[str, Any]) -> list[More]:
    """Decisions about the first slice of the second tier."""
    use, one = _slice()
    first = Reversal(bytes(16), use.channel_hash, one.from_total, one.from_total, one.to_total, h32("why"))
    return [
        (ContentType.REVERSAL, replace(first, nonce=fixed(f"reversal {n}", 16), **changes).encode(), w.OFFICE)
        for n, changes in enumerate(said)
    ]


def twice() -> list[More]:
    return reversing({}, {})


def misnamed() -> list[More]:
    return reversing({"number": 1})


def of_more() -> list[More]:
    return reversing({"to_total": 2**40})


def naming(more: Callable[[], list[More]]) -> Change:
    """A use names these decisions."""
    return edit(14, to=lambda _: [signed(*one)[1] for one in more()])


def exchanged() -> dict[Place, Change]:
    """The first slices of the two tiers change places; what each use counts follows."""
    (_, mine), (_, theirs) = _slice(("leaf 7", 0)), _slice()
    more = (theirs.to_total - theirs.from_total) - (mine.to_total - mine.from_total)

    def number(of: Slice) -> Callable[[Forger], int]:
        return lambda forger: next(n for n in range(forger.targets) if forger.target(n) == ("slice", of.encode()))

    return {
        ("leaf 7", 0): edit(3, to=lambda old: [old[0], old[1] + more]),
        TIER: edit(3, to=lambda old: [old[0], old[1] - more]),
        number(mine): lambda _: theirs.encode(),
        number(theirs): lambda _: mine.encode(),
    }
