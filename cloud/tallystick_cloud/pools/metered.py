"""What a pool's own meters counted, interval by interval: their signed readings, cut as those of any priced meter.

It never fills a hole: an interval that readings do not surround within the contract's longest gap has no value.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select
from tallystick_protocol.codes import EvidenceLevel, MeterState, StorageClass, TimeQuality
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import version_at
from tallystick_protocol.money.intervals import Point, cut
from tallystick_protocol.money.pool import COUNT_UNIT
from tallystick_protocol.money.units import counts_per
from tallystick_protocol.part import Part

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.schema import batch, channel, gateway, part

from .model import Key, Reading, pool_of

HARDWARE = StorageClass.HARDWARE.name.lower()
READ = "read"  # standing of a part that was taken


def metered(conn: Connection, community: str, versions: Sequence[Version], period: Period) -> dict[Key, Reading]:
    """(meter, direction, start) -> what a channel of the same asset and quantity counted, where it was read."""
    found: dict[Key, Reading] = {}
    contracts = [one.contract for one in versions]
    for version in versions:
        for asset, point in zip(version.contract.assets, pool_of(version).points, strict=True):
            for row in _channels(conn, community, asset.asset, asset.quantity):
                for start_ms, reading in _intervals(conn, row, version, period):
                    if version_at(contracts, start_ms) is version.contract:  # another one may have longer intervals
                        found[asset.asset, point.direction, start_ms] = reading
    return found


def _channels(conn: Connection, community: str, asset: str, quantity: str) -> list[tuple[bytes, int, str, int]]:
    """(gateway, channel, unit, exponent) of every meter that counts a quantity of an asset."""
    where = (channel.c.community == community, channel.c.asset == asset, channel.c.quantity == quantity)
    columns = (channel.c.gid, channel.c.channel, channel.c.unit, channel.c.exponent)
    rows = conn.execute(select(*columns).where(*where, channel.c.form == "interval").order_by(channel.c.channel_hash))
    return [(bytes(gid), number, unit, exponent) for gid, number, unit, exponent in rows]


def _intervals(
    conn: Connection, row: tuple[bytes, int, str, int], version: Version, period: Period
) -> Iterator[tuple[int, Reading]]:
    gid, number, unit, exponent = row
    per = counts_per(COUNT_UNIT, unit, exponent)  # counts of the channel in one Wh
    terms = version.contract.terms
    step = terms.interval_ms
    points = [
        Point(one.t_ms, one.total * per.denominator // per.numerator)
        for one in _points(conn, gid, number, period.from_ms - terms.max_gap_ms, period.to_ms + terms.max_gap_ms)
    ]
    marks = range(period.from_ms - period.from_ms % step, period.to_ms + step, step)
    level = _level(conn, gid)
    slices, _ = cut(points, None, marks, terms.max_gap_ms)
    for one in slices:
        whole = one.start_ms % step == 0 and one.end_ms - one.start_ms == step and not one.gap
        if whole and period.from_ms <= one.start_ms < period.to_ms:
            yield one.start_ms, Reading(one.to_total - one.from_total, level)


def _points(conn: Connection, gid: bytes, number: int, from_ms: int, to_ms: int) -> list[Point]:
    """Readings with a known time from the last one before `from_ms` to the first one after `to_ms`, in their order."""
    rows = conn.execute(
        select(part.c.data)
        .join(batch, batch.c.hash == part.c.batch)
        .where(part.c.gid == gid, part.c.channel == number, part.c.standing == READ, part.c.data.is_not(None))
        .order_by(batch.c.epoch.desc(), batch.c.seq.desc(), part.c.position.desc())
    )
    found: set[tuple[int, int, int]] = set()
    for row in rows:
        mine = list(_of_part(bytes(row.data)))
        found.update(mine)
        if mine and min(t_ms for _, t_ms, _ in mine) < from_ms:
            break  # newest first: what is older is before the period
    known = sorted((order, t_ms, total) for order, t_ms, total in found)
    return [Point(t_ms, total) for _, t_ms, total in known if from_ms <= t_ms <= to_ms]


def _of_part(data: bytes) -> Iterator[tuple[int, int, int]]:
    try:
        opened = Part.decode(data)
    except ProtocolError:
        return  # set aside when it came; its channel's counts go with the next reading
    for segment in opened.segments:
        for one in segment.readings():
            if one.state is MeterState.OK and one.quality is not TimeQuality.U:
                yield one.pagination, one.t_ms, one.total


def _level(conn: Connection, gid: bytes) -> int:
    """How far the gateway's key can be trusted."""
    kind = conn.execute(select(gateway.c.storage_class).where(gateway.c.gid == gid)).scalar_one()
    return int(EvidenceLevel.GATEWAY_HARDWARE if kind == HARDWARE else EvidenceLevel.GATEWAY_FILE)
