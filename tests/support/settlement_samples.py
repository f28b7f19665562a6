"""One good message of every kind that a settlement and an evidence file are made of, with fixed bytes.
Nothing here is random, so that vectors never change by themselves."""

from __future__ import annotations

from support import protocol_samples as s
from support.protocol_samples import fixed, h32
from tallystick_protocol import cose
from tallystick_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallystick_protocol.codes import EvidenceLevel, LineKind, LogType, Reason, Scope, UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import BatchSpan, Cover, Open
from tallystick_protocol.evidence import Evidence, LoggedObject, Piece, Proof
from tallystick_protocol.ids import PartyId, channel_hash, use_id
from tallystick_protocol.salted_tree import Tree, salted
from tallystick_protocol.settled_use import Replaced, Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Line, Statement

CHANNEL = channel_hash(s.GID, 1)
DAY = 86_400_000
OPEN = Open(4, Reason.USE_UNEXPLAINED, 17, 18, 17, 18)
COVER = Cover(CHANNEL, 12, 18, 12, 18, (BatchSpan(1, 40, 91, h32("batch 91")), BatchSpan(2, 1, 7, h32("batch 2/7"))),
              h32("descriptor"), h32("key"), (OPEN,), ((3, h32("resolution")),))  # fmt: skip
COUNTER = Counter(h32("counter"), (s.T0, s.T0 + 31 * DAY), 3, 9)
LIFETIME = Counter(h32("loan"), None, 599_000_000_000, 600_000_000_000)
USE = Use(CHANNEL, 13, s.T0, s.T0 + 3_600_000, 12, 13, UseKind.LIVE, fixed("tag", 8), 0, "60 °C", 1_600_000_000,
          ((h32("counter"), 3), (h32("loan"), 599_000_000_000)), ((0, 600_000_000), (2, 1_000_000_000)),
          EvidenceLevel.GATEWAY_FILE)  # fmt: skip
SLICE = Slice(s.T0, s.T0 + 900_000, 12_000, 12_250, False, 75_000_001, (0, 5))
SLICES = salted([SLICE.encode()], lambda size: fixed("slice salt", size))
JOINED = Use(CHANNEL, 12_000, s.T0, s.T0 + 900_000, 12_000, 12_250, UseKind.LIVE, fixed("tag", 8), 1, "night",
             75_000_001, (), ((1, 75_000_001),), EvidenceLevel.METER_SIGNED, SLICES.head,
             Replaced(h32("settlement before"), 7, Reason.TOO_LATE))  # fmt: skip
REVERSED = Use(CHANNEL, 13, s.T0, s.T0 + 3_600_000, 12, 13, UseKind.LIVE, fixed("tag", 8), 0, "60 °C", 0, (),
               ((0, 0), (2, 0)), EvidenceLevel.GATEWAY_FILE, None,
               Replaced(h32("settlement before"), 7, Reason.REVERSED), (h32("reversal"),))  # fmt: skip
SHADOW = Use(CHANNEL, 14, s.T0, s.T0, 13, 14, UseKind.SHADOW, fixed("tag", 8), 0, None, 0, (), ((0, 0),), 0)  # type: ignore[arg-type]
STATEMENT = Statement(fixed("s", 16), s.PARTY, h32("statement before"), 5_000_000_000, (
    Line(LineKind.SHARE, use_id(CHANNEL, 13), 1_000_000_000),
    Line(LineKind.CHARGE, use_id(CHANNEL, 15), -400_000_000),
    Line(LineKind.PAYOUT, h32("payout"), -5_000_000_000),
), 600_000_000, 60)  # fmt: skip
FIRST_STATEMENT = Statement(fixed("s1", 16), PartyId(fixed("party 2", 16)), None, 0, (), 0)


def _tree(label: str, *datas: bytes) -> Tree:
    return salted(datas, lambda size: fixed(label, size)).head


SETTLEMENT = Settlement(
    fixed("settlement", 16), h32("settlement before"), s.T0, s.T0 + 31 * DAY, (h32("v1"), h32("v2")),
    _tree("covers", COVER.encode()), (h32("input"),), _tree("uses", USE.encode(), SHADOW.encode()), "EUR",
    _tree("statements", STATEMENT.encode()), ((s.T0, 3600), (s.T0 + 20 * DAY, 7200)),
    _tree("counters", COUNTER.encode(), LIFETIME.encode()),
)  # fmt: skip
EMPTY = Settlement(
    fixed("empty", 16), None, 0, 1, (h32("v1"),), _tree("e"), (), _tree("e"), "EUR", _tree("e"), (), _tree("e")
)
ENVELOPE = cose.sign(s.AGGREGATOR, cose.ContentType.SETTLEMENT, SETTLEMENT.encode())
NOTE = sign_checkpoint(Checkpoint(s.ORIGIN, 2, h32("root")), s.ORIGIN, s.LOG)
EVIDENCE = Evidence(
    s.PARTY, NOTE,
    (LoggedObject(LogType.BATCH, s.BATCH_ENVELOPE, 0, (h32("other leaf"),)),
     LoggedObject(LogType.SETTLEMENT, ENVELOPE, 1, (h32("first leaf"),))),
    (Piece(0, 11, 1, s.SEALED[1].salt, s.SEALED[1].data), Piece(1, 7, 0, fixed("uses", 16), USE.encode(), (h32("x"),)),
     Piece(0, 11, 2, bytes(16), b"")),
    (Proof(1, (h32("proof"),)),), Scope.OWN,
)  # fmt: skip
