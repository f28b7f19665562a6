"""Files of pools and shared bills by a host that lies well, as `forged` makes them of evidence: one value is another,
and whatever follows from it (sums up to the top, trees, claims, lines of the statement, signatures, the log) is made
right again, with what the verifier itself would compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Generic, TypeVar

import cbor2
from fuzz.forged import Change, Log, _node, _renewed, signed
from support import shared_house
from support.pools import ABOVE, GRID, POOL, PRICES, open_community, proof_of, toml
from support.vector_case import plain
from tallystick_cloud.context import Context
from tallystick_protocol import cose, sum_tree
from tallystick_protocol.codes import LineKind
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cost_settlement import CostPiece, CostProof, CostSettlement, OpenedCost
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.evidence import LoggedObject
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import Signer
from tallystick_protocol.money.split import Group
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import (
    PIECES,
    Claim,
    EarlierClose,
    IntervalProof,
    IntervalRecord,
    MeterPiece,
    OpenedStatement,
    PoolProof,
    PoolSettlement,
)
from tallystick_protocol.pool_tree import leaf_of
from tallystick_protocol.salted_tree import Tree, leaf_hash
from tallystick_protocol.statement import Statement
from tallystick_protocol.sum_tree import SumNode, leaf_node
from tallystick_protocol.verify.pool import _Case, _kind
from tallystick_protocol.verify.pool_log import Logged, logged
from tallystick_protocol.verify.pool_statement import Moved, _energy
from tallystick_protocol.verify.report import Misfit

N = TypeVar("N")
Span = tuple[int, int]
More = tuple[ContentType, bytes, Signer]
Name = tuple[str | int, ...]  # ("record", 1), ("piece", 1, 0), ("beside", 1, low, high) ...
MISFITS = (Misfit, ProtocolError, InvariantError)


class Known(Generic[N]):
    """A tree of which some leaves are known, and of the rest what is beside their ways."""

    def __init__(self, size: int, join: Callable[[N, N], N]) -> None:
        self.size, self._join = size, join
        self.leaves: dict[int, N] = {}
        self.beside: dict[Span, N] = {}

    def put(self, index: int, leaf: N, path: Sequence[N]) -> None:
        self.leaves[index] = leaf
        self.beside |= zip(spans(index, self.size), path, strict=True)

    @property
    def top(self) -> N:
        return self.node((0, self.size))

    def node(self, span: Span) -> N:
        low, high = span
        if not any(low <= at < high for at in self.leaves):
            return self.beside[span]
        if high - low == 1:
            return self.leaves[low]
        middle = _middle(span)
        return self._join(self.node((low, middle)), self.node((middle, high)))

    def path(self, index: int) -> tuple[N, ...]:
        return tuple(self.node(span) for span in spans(index, self.size))

    def others(self) -> Iterator[Span]:
        """The largest subtrees that hold no known leaf."""
        yield from (s for s in self.beside if not any(s[0] <= at < s[1] for at in self.leaves))


def _middle(span: Span) -> int:
    low, high = span
    return low + (1 << (high - low - 1).bit_length() - 1)


def spans(index: int, size: int) -> list[Span]:
    """The subtrees beside the way from a leaf to the top, lowest first."""
    found: list[Span] = []
    span = (0, size)
    while span[1] - span[0] > 1:
        middle = _middle(span)
        left, right = (span[0], middle), (middle, span[1])
        found.append(right if index < middle else left)
        span = left if index < middle else right
    return found[::-1]


@dataclass(frozen=True, slots=True)
class Host:
    """Whose file is forged, for which policy, and with what the host signs."""

    policy: Policy
    settlement: Signer
    log: Signer

    def logged(
        self, first: Sequence[LoggedObject], payloads: Sequence[tuple[ContentType, bytes]], more: Sequence[More] = ()
    ) -> Logging:
        """A log of objects that stay as they are, of what the host signs and of what others sign, in this order."""
        log, hashes = Log(self.policy.log_origin, self.log), []
        for one in first:
            parsed = cose.parse(one.envelope)
            log.add(parsed.content_type, one.envelope, parsed.hash)
        for kind, payload in payloads:
            envelope, h = signed(kind, payload, self.settlement)
            log.add(kind, envelope, h)
            hashes.append(h)
        for kind, payload, signer in more:
            log.add(kind, *signed(kind, payload, signer))
        return Logging(log.note(), log.objects(), tuple(hashes))


@dataclass(frozen=True, slots=True)
class Logging:
    """The checkpoint, the objects with their paths, and the hashes of what the host signed."""

    note: bytes
    objects: tuple[LoggedObject, ...]
    hashes: tuple[H32, ...]


def summed(node: SumNode, data: bytes) -> SumNode:
    """Another's subtree with other sums; the host knows what is under it."""
    return replace(node, sums=tuple(cbor2.loads(data)))


def sums_of(node: SumNode | MeterPiece | CostPiece) -> bytes:
    return cbor2.dumps(list(node.sums))


class PoolForger:
    """Makes a member's file of a pool anew with the value of one of its `targets` changed."""

    def __init__(self, proof: PoolProof, host: Host) -> None:
        self._proof, self._host = proof, host
        self._found = logged(proof, host.policy)
        self.policy = host.policy
        self.targets: dict[Name, bytes] = {("close",): self._found.settlement.encode()}
        for at, before in enumerate(self._found.earlier):
            self.targets["earlier close", at] = before.settlement.encode()
            self.targets["earlier statement", at] = before.opened.statement.encode()
        if proof.statement is not None:
            self.targets["statement",] = proof.statement.statement.encode()
        for at, one in enumerate(proof.intervals):
            self.targets["record", at] = one.record.encode()
            for place, opened in enumerate(one.pieces):
                self.targets["meter", at, opened.piece.point] = _meter(opened.piece)
                self.targets["piece", at, place] = sums_of(opened.piece)
            tree = _pieces_tree(one)
            for span in tree.others():
                self.targets["beside", at, *span] = sums_of(tree.beside[span])

    def make(self, target: Name, change: Change) -> bytes:
        """The file; ProtocolError where what was changed cannot stand there at all."""
        return self.forge({target: change})

    def forge(self, changes: Mapping[Name, Change], contracts: Sequence[LoggedObject] = ()) -> bytes:
        """The same with several values changed. `contracts`: others in the place of those of the file."""
        contracts = contracts or self._proof.contracts

        def said(data: bytes, *name: str | int) -> bytes:
            return changes[name](data) if name in changes else data

        close = PoolSettlement.decode(said(self._found.settlement.encode(), "close"))
        intervals = [self._interval(at, one, said) for at, one in enumerate(self._proof.intervals)]
        intervals, moved = self._money(intervals, replace(self._found, settlement=close))
        tree: Known[H32] = Known(self._found.settlement.intervals.n, _node)
        for one in intervals:
            tree.put(one.index, leaf_hash(one.salt, one.record.encode()), one.path)
        new: dict[bytes, bytes] = {self._found.settlement.intervals.root: tree.top}
        earlier, closes = self._earlier(said, new)
        payload = replace(self._found.settlement, intervals=Tree(tree.size, tree.top)).encode()
        opened = self._proof.statement
        if opened is not None:
            statement = self._statement(moved, new, said, [one.statement for one in earlier])
            opened, head = _opened_anew(opened, statement, self._found.settlement)
            payload = replace(PoolSettlement.decode(payload), statements=head).encode()
        closes.append((ContentType.POOL, said(_renewed(payload, new), "close")))
        log = self._host.logged(contracts, closes)
        count = len(contracts)
        *before, last = log.objects[count:]
        return replace(
            self._proof,
            note=log.note,
            contracts=log.objects[:count],
            settlement=last,
            intervals=tuple(replace(one, path=tree.path(one.index)) for one in intervals),
            statement=opened,
            earlier=tuple(EarlierClose(*one) for one in zip(before, earlier, strict=True)),
        ).encode()

    def _interval(self, at: int, one: IntervalProof, said: Callable[..., bytes]) -> IntervalProof:
        """With its pieces under its top; its weights are those of the top."""
        start = IntervalRecord.decode(said(one.record.encode(), "record", at)).start_ms
        pieces = []
        for place, opened in enumerate(one.pieces):
            begun, point, member = cbor2.loads(said(_meter(opened.piece), "meter", at, opened.piece.point))
            begun = start if begun == one.record.start_ms else begun
            sums = tuple(cbor2.loads(said(sums_of(opened.piece), "piece", at, place)))
            piece = MeterPiece.decode(MeterPiece(begun, point, opened.piece.piece, member, sums).encode())
            pieces.append(replace(opened, piece=piece))
        tree = _pieces_tree(replace(one, pieces=tuple(pieces)))
        for span in list(tree.others()):
            tree.beside[span] = summed(tree.beside[span], said(sums_of(tree.beside[span]), "beside", at, *span))
        top = tree.top if pieces else one.record.top
        weights = dict(zip(Group, top.sums[4:], strict=True))
        groups = tuple(replace(line, weight=weights[line.group]) for line in one.record.groups)
        record = said(replace(one.record, top=top, groups=groups).encode(), "record", at)
        shown = tuple(replace(opened, path=tree.path(opened.index)) for opened in pieces)
        return replace(one, record=IntervalRecord.decode(record), pieces=shown)

    def _money(self, intervals: list[IntervalProof], found: Logged) -> tuple[list[IntervalProof], Moved | None]:
        """Claims, and what moved, as the verifier would have them; where it would not, the file is refused for that."""
        with suppress(*MISFITS):
            case = _Case(replace(self._proof, intervals=tuple(intervals)), found)
            for at, one in enumerate(intervals):
                own = case._pieces(one, case._contract(one.record))
                due = case._expected(case._plans[one.record.contract], one.record, own)
                case._own.append(own)
                intervals[at] = replace(one, claims=_claims(one.claims, {key: value for key, value in due if value}))
            case = _Case(replace(self._proof, intervals=tuple(intervals)), found)
            case.sums()
            case.money()
            return intervals, case.moved
        return intervals, None

    def _earlier(
        self, said: Callable[..., bytes], new: dict[bytes, bytes]
    ) -> tuple[list[OpenedStatement], list[tuple[ContentType, bytes]]]:
        """The closes before, oldest first as they are logged; `new` gets their hashes and those of their statements."""
        opened, closes = [], []
        for at, one in enumerate(self._found.earlier):
            honest = one.opened.statement
            statement = _adding_up(said(_renewed(honest.encode(), new), "earlier statement", at), honest)
            shown, head = _opened_anew(one.opened, statement, one.settlement)
            payload = _renewed(replace(one.settlement, statements=head).encode(), new)
            payload = said(payload, "earlier close", at)
            new[honest.hash] = statement.hash
            new[one.h] = signed(ContentType.POOL, payload, self._host.settlement)[1]
            opened.append(shown)
            closes.append((ContentType.POOL, payload))
        return opened, closes

    def _statement(
        self, moved: Moved | None, new: Mapping[bytes, bytes], said: Callable[..., bytes], earlier: Sequence[Statement]
    ) -> Statement:
        """Energy as it moved, corrections of what the earlier ones gave, and an opening where the last one closed."""
        assert self._proof.statement is not None
        honest = self._proof.statement.statement
        gave = {new[one.h]: _energy(statement) for one, statement in zip(self._found.earlier, earlier, strict=True)}
        opening = next((one.closing for one in earlier if one.hash == new.get(honest.prev or b"")), honest.opening)
        due = {} if moved is None else {LineKind.SHARE: moved.share, LineKind.CHARGE: moved.charge}
        lines = tuple(
            replace(one, amount=-gave[one.ref] if one.kind is LineKind.CORRECTION else due.get(one.kind, one.amount))
            for one in Statement.decode(_renewed(honest.encode(), new)).lines
        )
        closing = opening + sum(one.amount for one in lines)
        prev = None if honest.prev is None else H32(new[honest.prev])
        statement = replace(honest, prev=prev, opening=opening, lines=lines, closing=closing)
        return _adding_up(said(statement.encode(), "statement"), statement)


def _meter(piece: MeterPiece) -> bytes:
    return cbor2.dumps([piece.start_ms, piece.point, piece.member])


def _pieces_tree(one: IntervalProof) -> Known[SumNode]:
    tree: Known[SumNode] = Known(one.record.size, sum_tree._join)
    for opened in one.pieces:
        tree.put(opened.index, leaf_of(opened.salt, opened.piece), opened.path)
    return tree


def _claims(told: Sequence[Claim], due: Mapping[tuple[int, str], Fraction]) -> tuple[Claim, ...]:
    """What was told where it is still right, else what is due."""
    groups = {one.value: one for one in Group}
    claims = {(one.point, _kind(one.group, one.amount)): one for one in told}
    for (point, kind), exact in due.items():
        kept = claims.get((point, kind))
        if kept is None or abs(kept.amount - exact) >= 1:
            claims[point, kind] = Claim(point, groups.get(kind), int(exact))
    return tuple(claim for key, claim in claims.items() if key in due)


def _opened_anew(
    opened: OpenedStatement, statement: Statement, settlement: PoolSettlement
) -> tuple[OpenedStatement, Tree]:
    assert settlement.statements is not None
    tree: Known[H32] = Known(settlement.statements.n, _node)
    tree.put(opened.index, leaf_hash(opened.salt, statement.encode()), opened.path)
    return replace(opened, statement=statement), Tree(tree.size, tree.top)


def _adding_up(data: bytes, honest: Statement) -> Statement:
    """What was changed, with another closing where its lines or its opening changed."""
    value = plain(cbor2.loads(data))
    if value[6] == honest.closing:
        value[6] = value[4] + sum(amount for _, _, amount in value[5])
    return Statement.decode(cbor2.dumps(value, canonical=True))


class CostForger:
    """The same of a payer's file of a shared bill, and of what takes it back."""

    def __init__(self, proof: CostProof, host: Host) -> None:
        self._proof, self._host = proof, host
        self.policy = host.policy
        self._said = CostSettlement.decode(cose.parse(proof.settlement.envelope).payload)
        self._tree = Known(self._said.stays * PIECES, sum_tree._join)
        for opened in proof.pieces:
            self._tree.put(opened.index, _cost_leaf(opened), opened.path)
        self.targets: dict[Name, bytes] = {("bill",): self._said.encode()}
        if proof.reversal is not None:
            self.targets["reversal",] = cose.parse(proof.reversal.envelope).payload
        for at, opened in enumerate(proof.pieces):
            self.targets["stay", opened.piece.stay] = _stay(opened.piece)
            self.targets["piece", at] = sums_of(opened.piece)
        for span in self._tree.others():
            self.targets["beside", *span] = sums_of(self._tree.beside[span])

    def make(self, target: Name, change: Change) -> bytes:
        """The file; ProtocolError where what was changed cannot stand there at all."""
        return self.forge({target: change})

    def forge(self, changes: Mapping[Name, Change], more: Sequence[More] = ()) -> bytes:
        """The same with several values changed; `more` stands in the log after them: records that it was set back."""

        def said(data: bytes, *name: str | int) -> bytes:
            return changes[name](data) if name in changes else data

        bill = CostSettlement.decode(said(self._said.encode(), "bill"))
        tree: Known[SumNode] = Known(self._said.stays * PIECES, sum_tree._join)
        pieces = []
        for at, opened in enumerate(self._proof.pieces):
            stay = cbor2.loads(said(_stay(opened.piece), "stay", opened.piece.stay))
            sums = tuple(cbor2.loads(said(sums_of(opened.piece), "piece", at)))
            row = cbor2.dumps([stay[0], opened.piece.piece, *stay[1:], sums], canonical=True)
            pieces.append(replace(opened, piece=CostPiece.decode(row)))
            tree.put(opened.index, _cost_leaf(pieces[-1]), opened.path)
        for span in tree.others():
            tree.beside[span] = summed(tree.beside[span], said(sums_of(tree.beside[span]), "beside", *span))
        if tree.top.sums[0] == self._said.cents:  # else a share is what was changed
            _pay_right(bill, tree, pieces)
        bill = replace(self._said, top=tree.top)
        payload = said(bill.encode(), "bill")
        (h,) = self._host.logged((), [(ContentType.COST, payload)]).hashes
        closes = [(ContentType.COST, payload)]
        if self._proof.reversal is not None:
            nonce = CostSettlement.decode(self.targets["reversal",]).nonce
            back = replace(CostSettlement.decode(payload), nonce=nonce, reverses=h)
            closes.append((ContentType.COST, said(back.encode(), "reversal")))
        log = self._host.logged((), closes, more)
        return replace(
            self._proof,
            note=log.note,
            settlement=log.objects[0],
            pieces=tuple(replace(one, path=tree.path(one.index)) for one in pieces),
            reversal=log.objects[1] if self._proof.reversal is not None else None,
            continuations=log.objects[len(closes) :],
        ).encode()


def _pay_right(bill: CostSettlement, tree: Known[SumNode], pieces: list[OpenedCost]) -> None:
    """The share as the key now says, and the rest of the bill for the others."""
    mine, whole = (sum(column) for column in zip(*(one.piece.sums for one in pieces), strict=True)), tree.top.sums
    cents, *own = mine
    parts = zip(bill.key, own, whole[1:], strict=False)
    exact = sum((bill.cents * part.portion.fraction() * Fraction(got, of or 1) for part, got, of in parts), Fraction(0))
    wrong = 0 if abs(exact - cents) < 1 else int(exact) - cents
    first, *rest = pieces[0].piece.sums
    pieces[0] = replace(pieces[0], piece=replace(pieces[0].piece, sums=(first + wrong, *rest)))
    tree.leaves[pieces[0].index] = _cost_leaf(pieces[0])
    span = max(tree.others(), key=lambda one: tree.beside[one].sums[0])
    theirs, *rest = tree.beside[span].sums
    tree.beside[span] = replace(tree.beside[span], sums=(theirs + bill.cents - whole[0] - wrong, *rest))


def _stay(piece: CostPiece) -> bytes:
    return cbor2.dumps([piece.stay, piece.party, piece.flat, piece.first_day, piece.last_day, piece.people])


def _cost_leaf(opened: OpenedCost) -> SumNode:
    return leaf_node(opened.salt, opened.piece.encode(), opened.piece.sums)


def _host(context: Context, policy: Policy) -> Host:
    return Host(policy, context.keys.settlement, context.keys.log)


@cache
def pools() -> Mapping[str, PoolForger]:
    """Two hours of a close that corrects the one before it: as a plant, a home, and who pays see it."""
    cer = open_community(text=toml(ABOVE))
    cer.upload(GRID)
    cer.prices(PRICES + "2026-01-01T01:00,110\n")
    cer.close()
    later = GRID.replace("T00:00", "T01:00").split("\n", 1)[1]
    cer.upload(GRID.replace(",5000,", ",300,") + later, "corrected")
    cer.close()
    context = cer.books.aggregator.of("cer")
    files = {name: proof_of(cer, name, "2026-01") for name in ("Farm", "Anna", "GSE")}
    cer.books.database.close()
    return {name: PoolForger(proof, _host(context, policy)) for name, (proof, policy) in files.items()}


PARTS = {"home-1": 'part = "1/2"', "shop-1": 'part = "1/4"', "home-2": 'part = "1/4"'}


@cache
def paid_by_consumers() -> Mapping[str, PoolForger]:
    """Two hours of a pool whose consumers pay, each up to a fixed part of what all plants injected alike: as a plant, a
    home and who manages it see them."""
    text = POOL.replace('"seniority"', '"pro-rata"').replace(
        '= "pro-rata"\npayer = "GSE"', '= "coefficients"\npayer = "consumers"'
    )
    cer = open_community(text=toml(text, more=PARTS))
    cer.upload(GRID + GRID.replace("T00:00", "T01:00").replace(",2500", ",900").split("\n", 1)[1])
    cer.prices(PRICES + "2026-01-01T01:00,110\n")
    cer.close()
    context = cer.books.aggregator.of("cer")
    files = {name: proof_of(cer, name, "2026-01") for name in ("Farm", "Anna", "CER")}
    cer.books.database.close()
    return {name: PoolForger(proof, _host(context, policy)) for name, (proof, policy) in files.items()}


@cache
def bill() -> CostForger:
    """A heating bill that was taken back, for one of its twelve payers."""
    house = shared_house.open_house()
    house.post(shared_house.house())
    house.reverse()
    shared_house.sign(house)
    proof, policy = shared_house.proof_of(house, "Anna")
    house.books.database.close()
    return CostForger(proof, _host(house.books.aggregator.of(house.books.community), policy))
