"""A shared bill signed and logged, and a payer's file of it.

It signs a bill once, from what was posted, and never opens another payer's stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import lcm

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.cost_settlement import CostPart, CostPiece, CostProof, CostSettlement, OpenedCost
from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId, sha256
from tallystick_protocol.money.numbers import Ratio
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_protocol.pool_tree import layout
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.sum_tree import WIDTH, SumNode, leaf_node, path, root

from tallystick_cloud.context import Context
from tallystick_cloud.errors import NotFound
from tallystick_cloud.log import service as log
from tallystick_cloud.log.shown import ShownLog
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.settlement.office import Office

from . import service, store
from .store import StoredBill, StoredShare
from .words import Measure

CUT_BYTES = 16  # so much more than a number can be that a remainder is as good as even
Random = Callable[[int], bytes]
Leaf = tuple[bytes, CostPiece]


def sign(conn: Connection, office: Office, bill_id: str, now_ms: int) -> None:
    """Sign and log a posted bill, and that it was taken back; what is signed already stays. Raises NotFound."""
    found = service.show(conn, office.context.community, bill_id)
    bill = found.stored
    done = store.signed(conn, bill.id)
    if not done:
        made, leaves = _settlement(conn, office, bill, found.shares)
        _keep(conn, office, bill, made, now_ms)
        rows = [
            {"bill": bill.id, "leaf": at, "community": office.context.community, "party": piece.party, "salt": salt,
             "piece": piece.encode()}
            for at, (salt, piece) in enumerate(leaves)
        ]  # fmt: skip
        store.insert_leaves(conn, rows)
        done = store.signed(conn, bill.id)
    if bill.reversed_ms is not None and len(done) == 1:
        said = CostSettlement.decode(cose.parse(bytes(done[0].envelope)).payload)
        back = replace(said, nonce=office.entropy.bytes(NONCE_BYTES), reverses=H32(bytes(done[0].h)))
        _keep(conn, office, bill, back, now_ms)


def prove(conn: Connection, context: Context, bill_id: str, party: PartyId) -> CostProof:
    """The payer's file of a signed bill. Raises NotFound for whom the bill is not shared with."""
    bill = service.show(conn, context.community, bill_id).stored
    signed, leaves = store.signed(conn, bill.id), store.leaves(conn, bill.id)
    mine = [row for row in leaves if row.party == party]
    if not signed or not mine:
        raise NotFound("share", f"of this party is not in bill {bill_id!r}; `tallystick cost show` says who shares it")
    shown = ShownLog(conn, context, max(row.leaf for row in signed))
    pieces = [CostPiece.decode(bytes(row.piece)) for row in leaves]
    nodes = [_node(bytes(row.salt), piece) for row, piece in zip(leaves, pieces, strict=True)]
    first, *back = (shown.logged(LogType.SETTLEMENT, row.envelope, row.leaf) for row in signed)
    return CostProof(
        party=party,
        note=shown.note,
        settlement=first,
        pieces=tuple(
            OpenedCost(row.leaf, bytes(row.salt), pieces[row.leaf], tuple(path(row.leaf, nodes))) for row in mine
        ),
        reversal=back[0] if back else None,
        continuations=shown.continuations,
        proofs=shown.proofs,
    )


def _settlement(
    conn: Connection, office: Office, bill: StoredBill, shares: Sequence[StoredShare]
) -> tuple[CostSettlement, list[Leaf]]:
    document = store.document_of(conn, bill.id)
    measures = [store.measures_of(one.parts) for one in shares]
    key = _key(measures, [part.quantity for part in load_cost(document).key])
    leaves = _leaves(shares, measures, key, office.entropy.bytes)
    return CostSettlement(
        nonce=office.entropy.bytes(NONCE_BYTES),
        community=office.context.community,
        pool=bill.name,
        bill=bill.bill,
        cents=bill.cents,
        unit=CURRENCY,
        first_day=bill.first_day.isoformat(),
        last_day=bill.last_day.isoformat(),
        decision=bill.decision_ref,
        key=key,
        collector=PartyId(bill.collector),
        document=sha256(document.encode()),
        stays=len(shares),
        top=root([_node(*leaf) for leaf in leaves]),
        reverses=None,
    ), leaves


def _key(measures: Sequence[Sequence[Measure]], quantities: Sequence[str | None]) -> tuple[CostPart, ...]:
    """The key as it was used, each part with what makes its measures whole numbers."""
    found = []
    for at, quantity in enumerate(quantities):
        column = [one[at] for one in measures]
        scale = lcm(*(one.own.denominator for one in column))
        found.append(CostPart(Ratio.of(column[0].portion), column[0].by, quantity, scale))
    return tuple(found)


def _leaves(
    shares: Sequence[StoredShare], measures: Sequence[Sequence[Measure]], key: Sequence[CostPart], random: Random
) -> list[Leaf]:
    """Each stay as two pieces cut by chance, stays in the order of chance, leaves where no payer's paths show another's
    two."""
    cut = []
    for stay, (one, own) in enumerate(zip(shares, measures, strict=True)):
        weights = [int(measure.own * part.scale) for measure, part in zip(own, key, strict=True)]
        sums = (one.cents, *weights, *(0,) * (WIDTH - 1 - len(weights)))
        part = tuple(int.from_bytes(random(CUT_BYTES), "big") % (value + 1) for value in sums)
        rest = tuple(value - less for value, less in zip(sums, part, strict=True))
        days = one.first_day.isoformat(), one.last_day.isoformat()
        about = (PartyId(one.party), one.asset, *days, one.people)
        cut.append([(random(SALT_BYTES), CostPiece(stay, at, *about, piece)) for at, piece in enumerate((part, rest))])
    drawn = [random(SALT_BYTES) for _ in cut]
    placed = [cut[at] for at in sorted(range(len(cut)), key=lambda at: drawn[at])]
    return [placed[stay].pop() for stay in layout(len(placed))]


def _node(salt: bytes, piece: CostPiece) -> SumNode:
    return leaf_node(salt, piece.encode(), piece.sums)


def _keep(conn: Connection, office: Office, bill: StoredBill, said: CostSettlement, now_ms: int) -> None:
    community = office.context.community
    envelope = cose.sign(office.context.keys.settlement, cose.ContentType.COST, said.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, community, [log.Entry(LogType.SETTLEMENT, h)], now_ms)
    row = {"h": h, "community": community, "bill": bill.id, "reverses": said.reverses, "envelope": envelope}
    store.insert_signed(conn, {**row, "leaf": leaf, "signed_ms": now_ms})
