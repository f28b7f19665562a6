"""One good message of every kind that closes of pools and shared bills are proved with, with fixed bytes.
The trees are real: every path leads from its piece to the top. Nothing here is random."""

from __future__ import annotations

from dataclasses import replace

from support import protocol_samples as s
from support.protocol_samples import fixed, h32
from support.protocol_vectors_contract import CONTRACT
from support.settlement_samples import NOTE
from tallystick_protocol import cose
from tallystick_protocol.codes import LineKind, LogType
from tallystick_protocol.cost_settlement import CostPart, CostPiece, CostProof, CostSettlement, OpenedCost
from tallystick_protocol.evidence import LoggedObject, Proof
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.cost import By
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import (
    Claim,
    CloseKind,
    EarlierClose,
    GroupLine,
    IntervalProof,
    IntervalRecord,
    MeterPiece,
    OpenedPiece,
    OpenedStatement,
    PoolProof,
    PoolSettlement,
)
from tallystick_protocol.salted_tree import salted
from tallystick_protocol.statement import Line, Statement
from tallystick_protocol.sum_tree import SumNode, leaf_node, path, root

HOUR = 3_600_000
NEIGHBOUR = PartyId(fixed("neighbour", 16))


def salt(label: str) -> bytes:
    return fixed(f"salt of {label}", 16)


# ------------------------------------------------------------ a close of a pool: one plant, one home

_PLANT = ((3000, 0, 2000, 0, 500, 0, 0, 1), (1000, 0, 500, 0, 125, 0, 0, 0))
_HOME = ((0, 900, 0, 900, 0, 900, 900, 0), (0, 1600, 0, 1600, 0, 1600, 1600, 1))
PIECES = tuple(
    MeterPiece(s.T0, point, number, member, sums)
    for point, (member, rows) in enumerate(((NEIGHBOUR, _PLANT), (h32("commitment"), _HOME)))
    for number, sums in enumerate(rows)
)
PIECE_LEAVES = [leaf_node(salt(f"piece {at}"), one.encode(), one.sums) for at, one in enumerate(PIECES)]
RECORD = IntervalRecord(
    s.T0, 0, len(PIECES), root(PIECE_LEAVES), Exact(13, 1), 325_000_000, 0, 0,
    (GroupLine(Group.PRODUCERS, 125_000_000, 625), GroupLine(Group.CONSUMERS, 200_000_000, 2500)), 1,
)  # fmt: skip
EMPTY_HOUR = IntervalRecord(s.T0 + HOUR, 0, 4, replace(RECORD.top, sums=(0,) * 8), None, 0, 0, 0, (), 0)
INTERVALS = salted([RECORD.encode(), EMPTY_HOUR.encode()], lambda size: fixed("interval salt", size))
EARLIER_CLOSE = h32("close before")
STATEMENT = Statement(fixed("pool statement", 16), s.PARTY, h32("statement before"), 0, (
    Line(LineKind.SHARE, INTERVALS.head.root, 200_000_000), Line(LineKind.CORRECTION, EARLIER_CLOSE, -150_000_000),
), 50_000_000)  # fmt: skip
STATEMENTS = salted([STATEMENT.encode()], lambda size: fixed("statement salt", size))
CLOSE = PoolSettlement(
    fixed("close", 16), EARLIER_CLOSE, s.T0, s.T0 + 24 * HOUR, CloseKind.FINAL, 2, (h32("v1"),), INTERVALS.head, "EUR",
    (4000, 2500, 2500, 2500, 325_000_000), STATEMENTS.head,
)  # fmt: skip
FIRST_CLOSE = replace(CLOSE, prev=None, kind=CloseKind.ACCOUNT, number=1, statements=None)
OPENED_STATEMENT = OpenedStatement(0, STATEMENTS.leaves[0].salt, STATEMENT, tuple(STATEMENTS.path(0)))


def _logged(kind: cose.ContentType, payload: bytes, leaf: int) -> LoggedObject:
    log_type = LogType.CONTRACT if kind is cose.ContentType.CONTRACT else LogType.SETTLEMENT
    return LoggedObject(log_type, cose.sign(s.AGGREGATOR, kind, payload), leaf, (h32("beside"),))


def _continuation() -> LoggedObject:
    envelope = cose.sign(s.AGGREGATOR, cose.ContentType.CONTINUATION, s.CONTINUATION.encode())
    return LoggedObject(LogType.CONTINUATION, envelope, 100, (h32("beside"),))


POOL_PROOF = PoolProof(
    s.PARTY, NOTE, (_logged(cose.ContentType.CONTRACT, CONTRACT.encode(), 0),),
    _logged(cose.ContentType.POOL, CLOSE.encode(), 1), ((0, 1, fixed("user salt", 16)),),
    (IntervalProof(
        0, INTERVALS.leaves[0].salt, RECORD, tuple(INTERVALS.path(0)),
        tuple(OpenedPiece(at, salt(f"piece {at}"), PIECES[at], tuple(path(at, PIECE_LEAVES))) for at in (2, 3)),
        (Claim(1, Group.CONSUMERS, 200_000_000), Claim(1, None, -7)),
    ),),
)  # fmt: skip
WHOLE_POOL_PROOF = replace(
    POOL_PROOF,
    continuations=(_continuation(),),
    proofs=(Proof(100, (h32("proof"),)),),
    statement=OPENED_STATEMENT,
    earlier=(EarlierClose(_logged(cose.ContentType.POOL, FIRST_CLOSE.encode(), 2), OPENED_STATEMENT),),
)

# ------------------------------------------------------------ a shared bill: two stays

KEY = (CostPart(Ratio(7, 10), By.USE, "heat", 1), CostPart(Ratio(3, 10), By.AREA, None, 2))


def _stay(number: int, party: PartyId, flat: str, *rows: tuple[int, int, int]) -> tuple[CostPiece, ...]:
    return tuple(
        CostPiece(number, piece, party, flat, "2025-01-01", "2025-12-31", 2, (*row, 0, 0, 0, 0, 0))
        for piece, row in enumerate(rows)
    )


COST_PIECES = (
    *_stay(0, s.PARTY, "flat-01", (3_000, 400, 20_000), (2_700, 200, 17_000)),
    *_stay(1, NEIGHBOUR, "flat-02", (1_300, 300, 9_000), (3_000, 100, 4_000)),
)
COST_LEAVES = [leaf_node(salt(f"cost {at}"), one.encode(), one.sums) for at, one in enumerate(COST_PIECES)]
BILL = CostSettlement(
    fixed("bill", 16), "lindenhof", "Heating", "heating 2025", 10_000, "EUR", "2025-01-01", "2025-12-31",
    "meeting, item 3", KEY, NEIGHBOUR, h32("document"), 2, root(COST_LEAVES), None,
)  # fmt: skip
_BILL = _logged(cose.ContentType.COST, BILL.encode(), 1)
TAKEN_BACK = replace(BILL, nonce=fixed("taken back", 16), reverses=H32(cose.parse(_BILL.envelope).hash))
COST_PROOF = CostProof(
    s.PARTY, NOTE, _BILL,
    tuple(OpenedCost(at, salt(f"cost {at}"), COST_PIECES[at], tuple(path(at, COST_LEAVES))) for at in (0, 1)),
)  # fmt: skip
WHOLE_COST_PROOF = replace(
    COST_PROOF,
    reversal=_logged(cose.ContentType.COST, TAKEN_BACK.encode(), 2),
    continuations=(_continuation(),),
    proofs=(Proof(100, (h32("proof"),)),),
)


def node_json(node: SumNode) -> dict[str, object]:
    return {"hash": node.hash.hex(), "sums": list(node.sums)}
