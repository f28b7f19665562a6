"""Signs a close and keeps its intervals with what proves them to their members.

It never keeps a secret longer than its meter's numbers, and never changes a close.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32, NONCE_BYTES, sha256
from tallystick_protocol.money.pool_money import Part, weights_of
from tallystick_protocol.pool_settlement import CloseKind, GroupLine, IntervalRecord, PoolSettlement
from tallystick_protocol.pool_tree import SECRET_BYTES, interval_tree
from tallystick_protocol.salted_tree import SALT_BYTES, Leaf, SaltedTree

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.log import service as log
from tallystick_cloud.settlement.office import Office

from . import store
from .model import Interval, Worked, owner_of, pool_of
from .statements import rows_of, statements_of

_Json = int | str | None


@dataclass(frozen=True, slots=True)
class Close:
    """A close to be signed: `versions` are all in force so far, oldest first; `journal` None: nothing was posted.

    `gone`: erased members, for whom what was posted before stands."""

    versions: Sequence[Version]
    worked: Worked
    kind: CloseKind
    number: int
    journal: int | None
    digest: bytes
    gone: frozenset[bytes] = frozenset()


def digest_of(worked: Worked) -> bytes:
    """The same for the same intervals of the same contracts, so that nothing is signed twice."""
    rows = [[one.start_ms, one.version.h.hex(), _meters(one), _money(one)] for one in worked.intervals]
    return sha256(json.dumps([rows, len(worked.opens)]).encode())


def keep(conn: Connection, office: Office, close: Close, now_ms: int) -> None:
    """Sign, log and store."""
    community, chain = office.context.community, close.versions[0].chain
    places = {one.h: at for at, one in enumerate(close.versions)}
    secrets: dict[tuple[bytes, int], bytes] = {}
    records = [_record(one, places[one.version.h], secrets, office) for one in close.worked.intervals]
    tree = SaltedTree(tuple(Leaf(office.entropy.bytes(SALT_BYTES), record.encode()) for record in records))
    prev = store.newest_h(conn, chain)
    period = close.worked.period
    span = (period.from_ms, period.to_ms)
    random, intervals = office.entropy.bytes, close.worked.intervals
    made = statements_of(conn, community, close.versions, intervals, span, tree.head.root, random, close.gone)
    sums = [sum(record.top.sums[at] for record in records) for at in range(4)]
    signed = PoolSettlement(
        nonce=office.entropy.bytes(NONCE_BYTES),
        prev=None if prev is None else H32(prev),
        from_ms=period.from_ms,
        to_ms=period.to_ms,
        kind=close.kind,
        number=close.number,
        contracts=tuple(H32(one.h) for one in close.versions),
        intervals=tree.head,
        unit=close.versions[-1].contract.unit,
        totals=(*sums, sum(record.fee for record in records)),
        statements=None if made is None else made.tree.head,
    )
    envelope = cose.sign(office.context.keys.settlement, cose.ContentType.POOL, signed.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, community, [log.Entry(LogType.SETTLEMENT, h)], now_ms)
    close_id = store.insert_close(
        conn,
        {
            "community": community,
            "chain": chain,
            "from_ms": signed.from_ms,
            "to_ms": signed.to_ms,
            "kind": close.kind.value,
            "number": close.number,
            "interval_count": len(records),
            "open_count": len(close.worked.opens),
            "journal": close.journal,
            "closed_ms": now_ms,
            "h": h,
            "envelope": envelope,
            "leaf": leaf,
            "digest": close.digest,
        },
    )
    if made is not None:
        store.insert_statements(conn, rows_of(community, close_id, made))
    rows = zip(close.worked.intervals, tree.leaves, strict=True)
    store.insert_intervals(conn, [_row(community, close_id, at, one, leaf) for at, (one, leaf) in enumerate(rows)])
    store.insert_secrets(conn, [_secret(community, close_id, *key, secret) for key, secret in secrets.items()])


def _record(one: Interval, place: int, secrets: dict[tuple[bytes, int], bytes], office: Office) -> IntervalRecord:
    def secret(point: int) -> bytes:
        key = (one.version.h, point)
        if key not in secrets:
            secrets[key] = office.entropy.bytes(SECRET_BYTES)
        return secrets[key]

    weights = weights_of(pool_of(one.version), one.sharing, one.worth, owner_of(one.version))
    tree = interval_tree(one.version.contract, one.start_ms, one.sharing, weights, secret)
    return IntervalRecord(
        start_ms=one.start_ms,
        contract=place,
        size=len(tree.leaves),
        top=tree.top,
        series=one.series,
        fee=one.worth.fee,
        above_wh=one.above_wh if one.worth.fee else 0,
        above=one.divided.above,
        groups=tuple(GroupLine(*line) for line in one.divided.groups),
        level=one.level,
    )


def _row(community: str, close_id: int, position: int, one: Interval, leaf: Leaf) -> Mapping[str, object]:
    return {
        "close": close_id,
        "position": position,
        "community": community,
        "start_ms": one.start_ms,
        "version": one.version.h,
        "salt": leaf.salt,
        "record": leaf.data,
        "meters": json.dumps(_meters(one)),
        "money": json.dumps(_money(one)),
        "worth": json.dumps([str(nano) for nano in one.worth.plants]),
    }


def _secret(community: str, close_id: int, version: bytes, point: int, secret: bytes) -> Mapping[str, object]:
    return {"close": close_id, "version": version, "point": point, "community": community, "secret": secret}


def _meters(one: Interval) -> list[list[_Json]]:
    rows = (*one.sharing.plants, *one.sharing.consumers)
    return [[row.point, row.injected, row.withdrawn, row.allocated] for row in rows]


def _money(one: Interval) -> list[list[_Json]]:
    """What came to meters, and what they owe."""
    parts = [_claim(part, part.amount) for part in one.divided.parts if part.point >= 0]
    return parts + [_claim(part, -part.amount) for part in one.divided.charges if part.point >= 0]


def _claim(part: Part, amount: int) -> list[_Json]:
    group = None if part.group is None or part.is_above else part.group.value
    return [part.point, group, str(amount)]
