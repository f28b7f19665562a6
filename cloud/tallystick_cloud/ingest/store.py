"""SQL of batches, parts, channels, open uses and exceptions.

It writes only inside the transaction that holds the gateway's head.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from tallystick_protocol.money.usage import UsageForm

from tallystick_cloud import bulk
from tallystick_cloud.contracts.store import lock_versions
from tallystick_cloud.ledger.store import lock_chains
from tallystick_cloud.schema import (
    batch,
    channel,
    contract_version,
    exception,
    gateway_contact,
    open_use,
    part,
    resolution,
    settlement_leaf,
    use,
)
from tallystick_cloud.settlement.model import TreeKey

from .late import Gap, Missed

Values = Mapping[str, object]

_NEIGHBOURS = select(batch.c.gid, batch.c.hash, batch.c.epoch, batch.c.seq).where(
    batch.c.gid == bindparam("g"),
    (batch.c.hash.in_(bindparam("hashes", expanding=True)))
    | ((batch.c.epoch == bindparam("e")) & (batch.c.seq == bindparam("s"))),
)
_CHANNEL = (
    "channel_hash, gid, channel, asset, meter, quantity, form, first_total, billed_total, last_use, last_total, "
    "last_reading_ms, last_pagination, last_event, generation, seams, base, serial, last_edge_ms, since_ms, held_ms, "
    "tail"
)
_CHAINS = select(contract_version.c.chain).where(contract_version.c.community == bindparam("c")).distinct()
_MOVE_OPEN = (
    update(open_use)
    .where(open_use.c.channel_hash == bindparam("h"), open_use.c.number == bindparam("n"))
    .values(state=bindparam("s"))
)
_END_OPEN = delete(open_use).where(open_use.c.channel_hash == bindparam("h"), open_use.c.number == bindparam("n"))


class Neighbour(NamedTuple):
    """A stored batch."""

    gid: bytes
    hash: bytes
    epoch: int
    seq: int


def neighbours(conn: Connection, gid: bytes, hashes: Sequence[bytes], epoch: int, seq: int) -> list[Neighbour]:
    """Stored batches with one of the hashes or with this number."""
    rows = conn.execute(_NEIGHBOURS, {"g": gid, "hashes": list(hashes), "e": epoch, "s": seq})
    return [Neighbour(bytes(gid), bytes(h), epoch, seq) for gid, h, epoch, seq in rows]


def beginnings(conn: Connection, gid: bytes, epochs: Sequence[int]) -> list[Any]:
    """epoch, envelope, received_ms of the first batch of each of these epochs that is stored, and `after`: epoch of the
    batch that it follows, None for what no batch is."""
    before = batch.alias("before")
    columns = batch.c.epoch, batch.c.envelope, batch.c.received_ms, before.c.epoch.label("after")
    rows = select(*columns).outerjoin(before, (before.c.hash == batch.c.prev) & (before.c.gid == batch.c.gid))
    firsts = (batch.c.gid == gid) & (batch.c.seq == 1) & batch.c.epoch.in_(epochs) & (batch.c.standing != "fork")
    return list(conn.execute(rows.where(firsts).order_by(batch.c.epoch)))


def stored_batch(conn: Connection, gid: bytes, h: bytes) -> Any:
    """epoch and envelope of a batch of the gateway; None when it is not stored."""
    found = select(batch.c.epoch, batch.c.envelope).where(batch.c.hash == h, batch.c.gid == gid)
    return conn.execute(found).one_or_none()


def parts_of(conn: Connection, batch_hash: bytes) -> dict[int, tuple[str, str | None]]:
    """position -> (standing, reason)."""
    rows = conn.execute(select(part.c.position, part.c.standing, part.c.reason).where(part.c.batch == batch_hash))
    return {position: (standing, reason) for position, standing, reason in rows}


def insert_part(conn: Connection, row: tuple[object, ...]) -> None:
    """row: in the order of the table's columns."""
    bulk.insert_rows(conn, part, [row])


def fill_part(conn: Connection, row: tuple[object, ...]) -> None:
    """The part of that batch and position as `row` says, in the order of the table's columns."""
    values = dict(zip(part.c.keys(), row, strict=True))
    where = (part.c.batch == values["batch"]) & (part.c.position == values["position"])
    conn.execute(update(part).where(where).values(**values))


def parts_of_channel(conn: Connection, gid: bytes, number: int, limit: int, read_only: bool) -> list[bytes]:
    """Stored parts of a channel, newest first; `read_only`: without those in quarantine."""
    wanted = [part.c.gid == gid, part.c.channel == number, part.c.data.is_not(None)]
    if read_only:
        wanted.append(part.c.standing == "read")
    rows = conn.execute(
        select(part.c.data)
        .join(batch, batch.c.hash == part.c.batch)
        .where(*wanted)
        .order_by(batch.c.received_ms.desc(), batch.c.epoch.desc(), batch.c.seq.desc(), part.c.position.desc())
        .limit(limit)
    )
    return [bytes(data) for data in rows.scalars() if data is not None]


def batch_leaf(conn: Connection, batch_hash: bytes) -> int | None:
    return conn.execute(select(batch.c.leaf).where(batch.c.hash == batch_hash)).scalar_one_or_none()


def channels_of(conn: Connection, gid: bytes) -> dict[int, Row[Any]]:
    return stocks(conn, {gid: None})[gid].rows


@dataclass(slots=True)
class Stock:
    """What the books hold of one gateway: its channels by number, their uses that are open by channel hash."""

    rows: dict[int, Row[Any]]
    open_uses: dict[bytes, list[Row[Any]]]


def stocks(conn: Connection, wanted: Mapping[bytes, Set[int] | None]) -> dict[bytes, Stock]:
    """Of all these gateways, in three statements at most: the channels with these numbers, or all with None."""
    found = {gid: Stock({}, {}) for gid in wanted}
    owner: dict[bytes, Stock] = {}
    whole = [gid for gid, numbers in wanted.items() if numbers is None]
    some = [(gid, number) for gid, numbers in wanted.items() for number in sorted(numbers or ())]
    rows = bulk.rows_where(conn, f"SELECT {_CHANNEL} FROM channel WHERE gid", whole)
    for row in rows + bulk.rows_among(conn, _CHANNEL, channel, ("gid", "channel"), some):
        mine = found[bytes(row.gid)]
        mine.rows[row.channel] = row
        if row.form == UsageForm.EVENT:
            owner[bytes(row.channel_hash)] = mine
    for row in bulk.rows_where(conn, "SELECT * FROM open_use WHERE channel_hash", owner):
        h = bytes(row.channel_hash)
        owner[h].open_uses.setdefault(h, []).append(row)
    return found


def move_open_uses(conn: Connection, rows: Sequence[tuple[bytes, int, str]]) -> None:
    """rows: channel hash, number, state."""
    if rows:
        conn.execute(_MOVE_OPEN, [{"h": h, "n": number, "s": state} for h, number, state in rows])


def end_open_uses(conn: Connection, rows: Sequence[tuple[bytes, int]]) -> None:
    """rows: channel hash, number."""
    if rows:
        conn.execute(_END_OPEN, [{"h": h, "n": number} for h, number in rows])


def insert_exceptions(conn: Connection, rows: Sequence[Values]) -> None:
    if rows:
        conn.execute(insert(exception), [dict(row) for row in rows])


def hold(conn: Connection, channel_hash: bytes, since_ms: int) -> None:
    """Later parts of the channel wait from now on; a hold that stands keeps its beginning."""
    where = (channel.c.channel_hash == channel_hash) & channel.c.held_ms.is_(None)
    conn.execute(update(channel).where(where).values(held_ms=since_ms))


def free(conn: Connection, gid: bytes, numbers: Iterable[int]) -> None:
    """Their parts are worked in again as they come."""
    where = (channel.c.gid == gid) & channel.c.channel.in_(sorted(numbers))
    conn.execute(update(channel).where(where).values(held_ms=None))


def lock_all_chains(conn: Connection, community: str) -> None:
    """Every contract chain of a community at once, for the rare batch that is booked piece by piece."""
    lock_versions(conn, [community])  # before any chain, as everywhere
    lock_chains(conn, {bytes(h) for h in conn.execute(_CHAINS, {"c": community}).scalars()})


def missed(conn: Connection, channel_hash: bytes) -> Missed:
    """Use numbers that are billed or stand in an exception, and counts that came without their events."""
    event_uses = (use.c.channel_hash == channel_hash) & (use.c.form == UsageForm.EVENT.value)
    settled = {int(number) for number in conn.execute(select(use.c.number).where(event_uses)).scalars()}
    decided = conn.execute(
        select(resolution.c.from_total, resolution.c.to_total).where(resolution.c.channel_hash == channel_hash)
    ).all()
    gaps = []
    for row in conn.execute(
        select(exception).where(exception.c.channel_hash == channel_hash, exception.c.state == "open")
    ):
        if row.from_use is not None:
            settled.add(row.from_use)
        elif row.reason == "use-unexplained" and not any(
            first < row.to_total and row.from_total < last for first, last in decided
        ):
            gaps.append(Gap(row.id, row.from_total, row.to_total))
    covered = select(settlement_leaf.c.position).where(
        settlement_leaf.c.tree == int(TreeKey.COVERS), settlement_leaf.c.ref == channel_hash
    )
    return Missed(settled, gaps, conn.execute(covered.limit(1)).first() is not None)


def shrink(conn: Connection, filled: Iterable[int], gaps: Sequence[Gap], now_ms: int) -> None:
    """Close the exceptions whose counts were found, and open anew what is left of each."""
    for row_id in sorted(filled):
        row = conn.execute(select(exception).where(exception.c.id == row_id)).one()._asdict()
        conn.execute(update(exception).where(exception.c.id == row_id).values(state="closed", closed_ms=now_ms))
        del row["id"]
        left = [gap for gap in gaps if gap.row == row_id]
        insert_exceptions(conn, [{**row, "from_total": one.from_total, "to_total": one.to_total} for one in left])


def add_readings(conn: Connection, batch_hash: bytes, gid: bytes, readings: int) -> None:
    """Readings of a batch that were taken later than it."""
    if readings:
        more = {"readings": batch.c.readings + readings}
        conn.execute(update(batch).where(batch.c.hash == batch_hash).values(**more))
        total = {"readings": gateway_contact.c.readings + readings}
        conn.execute(update(gateway_contact).where(gateway_contact.c.gid == gid).values(**total))
