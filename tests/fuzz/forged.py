"""Files of a host that lies well: an input says what to change in one signed object or one opened piece, and everything
that follows from it (hashes, trees, signatures, the log and its checkpoint) is made right again. So a few bytes get
behind the checks of hashes and signatures, where a changed file would stop."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

import cbor2
import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats_reversal import Reversing
from support.protocol_samples import p256
from support.vector_case import plain
from tallystick_protocol import cose, merkle
from tallystick_protocol.batch import part_hash
from tallystick_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence import PART_KEY, USER_KEY, Evidence, LoggedObject, Piece, Proof
from tallystick_protocol.evidence_draft import LOG_TYPES
from tallystick_protocol.ids import H32, PartyId, sha256
from tallystick_protocol.keys import PublicKey, Signer
from tallystick_protocol.records import log_leaf
from tallystick_protocol.salted_tree import Leaf, SaltedTree
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import reading

EDITS_MAX = 4
EDIT_BYTES = 4  # place (two bytes), what is done there, with what
Change = Callable[[bytes], bytes]
USE_KEY, STATEMENT_KEY = 7, 10
TREES = {5: "cover_tree", USE_KEY: "use_tree", STATEMENT_KEY: "statement_tree", 12: "counter_tree"}


def bent(data: bytes, edits: bytes) -> bytes:
    """The same CBOR with some values changed, as `edits` says; canonical again."""
    value = plain(cbor2.loads(data))
    for at in range(0, min(len(edits), EDITS_MAX * EDIT_BYTES), EDIT_BYTES):
        edit = edits[at : at + EDIT_BYTES].ljust(EDIT_BYTES, b"\0")
        places = list(_places(value))
        if not places:
            return data
        holder, key = places[int.from_bytes(edit[:2], "big") % len(places)]
        _change(holder, key, edit[2], edit[3], places)
    return cbor2.dumps(value, canonical=True)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value in which another one stands."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _change(holder: Any, key: Any, what: int, by: int, places: Sequence[tuple[Any, Any]]) -> None:
    old = holder[key]
    match what % 8:
        case 0:
            holder[key] = near(old, by)
        case 1:
            holder[key] = _edge(old, by)
        case 2:
            other, where = places[by % len(places)]
            holder[key] = plain(other[where])
        case 3:
            del holder[key]
        case 4 if isinstance(holder, list):
            holder.insert(key, plain(old))
        case 5 if isinstance(holder, list):
            other_key = by % len(holder)
            holder[key], holder[other_key] = holder[other_key], old
        case 6 if isinstance(holder, dict):
            holder[by % 80] = old
        case _:
            holder[key] = None


def near(old: Any, by: int) -> Any:
    """Another value close by: 128 is the same number."""
    match old:
        case bool():
            return not old
        case int():
            return old + by - 128
        case bytes() if old:
            place = by % len(old)
            return old[:place] + bytes([old[place] ^ 1]) + old[place + 1 :]
        case str():
            return old + chr(by)
    return by


def _edge(old: Any, by: int) -> Any:
    match old:
        case int():
            return (0, 1, 2**63 - 1, -(2**63), 2**32, 10**9, -1, old * 2)[by % 8]
        case bytes():
            return old[: by % (len(old) + 1)]
        case str():
            return ("", "x" * 64, "\u0000", old[::-1])[by % 4]
    return {}


@dataclass(frozen=True)
class Said:
    """One signed object of a file; `echo`: how much of the log a batch had seen, and its root then."""

    kind: ContentType
    payload: bytes
    signer: Signer
    h: H32
    trees: Mapping[int, SaltedTree]
    echo: tuple[int, bytes] | None


class Log:
    """A log that holds what a file shows and nothing else."""

    def __init__(self, origin: str, key: Signer) -> None:
        self._origin, self._key = origin, key
        self._hashes: list[H32] = []
        self._objects: list[tuple[ContentType, bytes]] = []

    def add(self, kind: ContentType, envelope: bytes, h: H32) -> None:
        self._hashes.append(merkle.leaf_hash(log_leaf(LOG_TYPES[kind], h)))
        self._objects.append((kind, envelope))

    def objects(self) -> tuple[LoggedObject, ...]:
        return tuple(
            LoggedObject(LOG_TYPES[kind], envelope, leaf, tuple(merkle.beside(leaf, self._hashes, _node)))
            for leaf, (kind, envelope) in enumerate(self._objects)
        )

    def root(self, size: int) -> H32:
        return merkle.top(self._hashes[:size], _node)

    def note(self) -> bytes:
        size = len(self._hashes)
        return sign_checkpoint(Checkpoint(self._origin, size, self.root(size)), self._origin, self._key)

    def proof(self, size: int) -> Proof:
        return Proof(size, tuple(merkle.consistency_proof(size, len(self._hashes), self._hashes)))


_node = lru_cache(maxsize=65_536)(merkle.node_hash)


@lru_cache(maxsize=4096)
def signed(kind: ContentType, payload: bytes, signer: Signer) -> tuple[bytes, H32]:
    envelope = cose.sign(signer, kind, payload)
    return envelope, cose.parse(envelope).hash


def _renewed(data: bytes, new: Mapping[bytes, bytes]) -> bytes:
    """With every hash that has another value now."""
    for old, now in new.items():
        if old in data:
            data = data.replace(old, now)
    return data


@dataclass(frozen=True)
class Lie:
    """What a host says otherwise: `changes` of targets, `signers` of objects that others sign, `more` objects at the
    end of the log, and the `order` in which all of them are logged."""

    changes: Mapping[int, Change] = field(default_factory=dict)
    signers: Mapping[int, Signer] = field(default_factory=dict)
    more: Sequence[tuple[ContentType, bytes, Signer]] = ()
    order: Callable[[list[int]], list[int]] = list


class Forger:
    """Makes the file of one party anew with one of its `targets` changed: its objects, then its pieces."""

    def __init__(self, made: b.Scene, shown: Evidence, signers: Sequence[Signer]) -> None:
        by_kid = {signer.kid: signer for signer in signers}
        trees = {
            h: {key: getattr(built, name) for key, name in TREES.items()}
            for built, (_, _, h) in zip(made.built, made.envelopes, strict=True)
        }
        order = sorted(range(len(shown.objects)), key=lambda at: shown.objects[at].leaf)
        leaves = [shown.objects[at].leaf for at in order]
        count = len(order)
        self.party, self._scope = shown.party, shown.scope
        self._pieces = [
            replace(one, object=order.index(one.object)) if one.object < count else one for one in shown.pieces
        ]
        self._said = [self._read(shown.objects[at], by_kid, trees, leaves) for at in order]
        rooted = {one.slices.head.root: one.slices for built in made.built for one in built.uses if one.slices}
        self._slices = {}  # number of a use's piece -> the tree of its slices
        for at, piece in enumerate(self._pieces):
            if piece.key == USE_KEY and piece.object < count and (head := Use.decode(piece.data).slices) is not None:
                self._slices[at] = rooted[head.root]
        self.targets = count + len(self._pieces)
        self.make(-1, bytes, keep=True)

    @staticmethod
    def _read(
        one: LoggedObject, by_kid: Mapping[bytes, Signer], trees: Mapping[H32, Any], leaves: Sequence[int]
    ) -> Said:
        parsed = cose.parse(one.envelope)
        payload, echo = parsed.payload, None
        if parsed.content_type is ContentType.BATCH:
            value = plain(cbor2.loads(payload))
            if value[9] is not None:  # the log is shorter here
                value[9][1] = bisect_left(leaves, value[9][1])
                echo = value[9][1], value[9][2]
                payload = cbor2.dumps(value, canonical=True)
        found = trees.get(parsed.hash, {})
        return Said(parsed.content_type, payload, by_kid[parsed.kid], parsed.hash, found, echo)

    def target(self, number: int) -> tuple[str, bytes]:
        """What a target is (`settlement`, `leaf 7`, `slice`) and its bytes."""
        if number < len(self._said):
            return self._said[number].kind.kind, self._said[number].payload
        piece = self._pieces[number - len(self._said)]
        return ("slice" if piece.object >= len(self._said) else f"leaf {piece.key}"), piece.data

    def find(self, kind: str, nth: int = 0) -> int:
        """The number of a target: of its kind the first, or the `nth` after it; of the last ones with -1, -2 ..."""
        return [number for number in range(self.targets) if self.target(number)[0] == kind][nth]

    def about(self, number: int) -> list[int]:
        """An object and what the file opens of it."""
        count = len(self._said)
        return [number, *(count + at for at, piece in enumerate(self._pieces) if piece.object == number)]

    def hash_of(self, number: int) -> H32:
        return self._said[number].h

    def opened(self, number: int, key: int, index: int) -> Piece:
        """A leaf of an object's tree, whether the file shows it or not."""
        tree = self._said[number].trees[key]
        leaf = tree.leaves[index]
        return Piece(number, key, index, leaf.salt, leaf.data, tuple(tree.path(index)))

    def make(self, target: int, change: Change, *, keep: bool = False) -> Evidence:
        """`keep`: what it finds is the honest file from now on."""
        return self.forge(Lie({target: change}), keep=keep)

    def forge(self, lie: Lie, *, keep: bool = False) -> Evidence:
        """The file of a host that says so."""
        log, new, pieces, said = Log(w.ORIGIN, w.LOG), {}, list(self._pieces), []
        done: list[tuple[ContentType, bytes, H32]] = []
        for number, one in enumerate(self._said):
            trees = self._follow(number, one, lie.changes, new, pieces, log)
            payload = _renewed(one.payload, new)
            payload = lie.changes[number](payload) if number in lie.changes else payload
            envelope, h = signed(one.kind, payload, lie.signers.get(number, one.signer))
            if h != one.h:
                new[one.h] = h
            log.add(one.kind, envelope, h)
            done.append((one.kind, envelope, h))
            echo = None if one.echo is None else (one.echo[0], log.root(one.echo[0]))
            said.append(Said(one.kind, payload, one.signer, h, trees, echo))
        if keep:
            self._said, self._pieces = said, pieces
        done += [(kind, *signed(kind, payload, signer)) for kind, payload, signer in lie.more]
        order = lie.order(list(range(len(done))))
        logged = Log(w.ORIGIN, w.LOG)
        for number in order:
            logged.add(*done[number])
        shown = logged.objects()
        objects = tuple(shown[order.index(number)] for number in range(len(order)))
        pieces = [
            replace(one, object=one.object + len(lie.more)) if one.object >= len(self._said) else one for one in pieces
        ]
        proofs = tuple(logged.proof(size) for size in sorted({one.echo[0] for one in said if one.echo is not None}))
        return Evidence(self.party, logged.note(), objects, tuple(pieces), proofs, self._scope)

    def _follow(
        self,
        number: int,
        one: Said,
        changes: Mapping[int, Change],
        new: dict[bytes, bytes],
        pieces: list[Piece],
        log: Log,
    ) -> dict[int, SaltedTree]:
        """What an object commits to, before it is signed: the log so far, its parts, its trees."""
        if one.echo is not None and (root := log.root(one.echo[0])) != one.echo[1]:
            new[one.echo[1]] = root
        mine = [at for at, piece in enumerate(self._pieces) if piece.object == number]
        for at in mine:
            old = self._pieces[at]
            if old.key == PART_KEY and old.data:
                data = self._changed(at, _renewed(old.data, new), changes)
                pieces[at] = replace(old, data=data)
                if data != old.data:
                    new[part_hash(old.salt, old.data)] = part_hash(old.salt, data)
            elif old.key == USER_KEY:
                pieces[at] = replace(old, data=self._changed(at, old.data, changes))
        found = {}
        for key, tree in one.trees.items():
            opened = {self._pieces[at].index: at for at in mine if self._pieces[at].key == key}
            for at in opened.values() if key == USE_KEY else ():
                if at in self._slices:
                    cuts = {p.index: n for n, p in enumerate(self._pieces) if p.object == len(self._said) + at}
                    self._grown(self._slices[at], cuts, changes, new, pieces)
            found[key] = self._grown(tree, opened, changes, new, pieces)
            if key == STATEMENT_KEY:  # the next one names it
                new |= {sha256(tree.leaves[at].data): sha256(found[key].leaves[at].data) for at in opened}
        return found

    def _grown(
        self,
        tree: SaltedTree,
        opened: Mapping[int, int],
        changes: Mapping[int, Change],
        new: dict[bytes, bytes],
        pieces: list[Piece],
    ) -> SaltedTree:
        """A tree whose opened leaves (index -> piece) are changed or follow other changes; their pieces with it."""
        leaves = [Leaf(leaf.salt, _renewed(leaf.data, new)) for leaf in tree.leaves]
        for index, at in opened.items():
            leaves[index] = Leaf(leaves[index].salt, self._changed(at, leaves[index].data, changes))
        grown = SaltedTree(tuple(leaves))
        if grown != tree:
            new[tree.head.root] = grown.head.root
            for index, at in opened.items():
                path = grown.path(index) if self._pieces[at].path else ()
                pieces[at] = replace(self._pieces[at], data=grown.leaves[index].data, path=path)
        return grown

    def _changed(self, at: int, data: bytes, changes: Mapping[int, Change]) -> bytes:
        change = changes.get(len(self._said) + at)
        return data if change is None else change(data)


@cache
def forgers() -> tuple[tuple[PartyId, Forger], ...]:
    """Two washes of two users in one month: as the lender sees them, and as one of the users does; then a month in
    which a wash was reversed, as both see it."""
    washes = {"found": lambda: w.found(contracts=[w.laundry()]), "washes": lambda rows: rows[:2]}
    small, reversing = b.scene(b.Host(**washes)), Reversing(**washes)
    reversing.make()
    signers = (w.ROOT, w.OFFICE, *w.PARTY_KEYS.values(), p256("machine 1"), p256("machine 2"))
    view = b.View(periods=(0,))
    made = [(w.BANK, small), (w.ANNA, small), (w.BANK, reversing.scene), (w.BRUNO, reversing.scene)]
    return tuple(
        (party, Forger(scene, Evidence.decode(b.evidence(scene, party, view)), signers)) for party, scene in made
    )


@dataclass(frozen=True, slots=True)
class Forged:
    """Whose file, the file, and of what kind the target was, as it was and as it is."""

    party: PartyId
    file: bytes
    kind: str
    old: bytes
    new: bytes


def forged(data: bytes) -> Forged:
    """The first two bytes say what is changed, the others how."""
    which, target = (data + b"\0\0")[:2]
    party, forger = forgers()[which % len(forgers())]
    number = target % forger.targets
    told: list[bytes] = []

    def change(old: bytes) -> bytes:
        told[:] = old, bent(old, data[2:])
        return told[1]

    file = forger.make(number, change).encode()
    old, new = told or (b"", b"")  # a part that is erased has nothing to change
    return Forged(party, file, forger.target(number)[0], old, new)


@contextmanager
def remembered() -> Iterator[None]:
    """What was right, or was read, once is not computed again: most of a forged file is the honest one's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PublicKey, "verify", _REMEMBERED["verify"])
        patch.setattr(cose, "parse", _REMEMBERED["parse"])
        patch.setattr(reading, "_DECODERS", _REMEMBERED["decoders"])
        yield


def _remember(read: Callable[..., Any]) -> Callable[..., Any]:
    """An error is never remembered."""
    return lru_cache(maxsize=4096)(read)


_once = _remember(PublicKey.verify)
_REMEMBERED: dict[str, Any] = {
    "verify": lambda key, signature, data: _once(key, signature, data),
    "parse": _remember(cose.parse),
    "decoders": {kind: _remember(decode) for kind, decode in reading._DECODERS.items()},
}
