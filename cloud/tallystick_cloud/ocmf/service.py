"""A payer's charging sessions as OCMF: the meter's own records where it signed, else records of the totals billed.

It never exports another party's sessions and never changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from tallystick_protocol import cose
from tallystick_protocol.codes import EvidenceLevel, RawKind
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.keys import Signer
from tallystick_protocol.ocmf_export import OwnSession, write_record
from tallystick_protocol.ocmf_session import check_record
from tallystick_protocol.part import Part
from tallystick_protocol.records import Descriptor

from tallystick_cloud.gateways.store import descriptor_in_force
from tallystick_cloud.schema import channel, in_order, part, use


@dataclass(frozen=True, slots=True)
class Exported:
    """One session: its name, the record, the key that verifies it, and whether the meter itself signed."""

    name: str
    record: bytes
    key: bytes
    by_meter: bool


def sessions(
    conn: Connection, community: str, payer: bytes, span_ms: tuple[int, int], signer: Signer
) -> Sequence[Exported]:
    """Live event uses of energy that ended in [from, to), in order. `signer` signs those the meter did not."""
    rows = conn.execute(
        select(use, channel.c.channel, channel.c.serial, channel.c.quantity, channel.c.exponent)
        .join(channel, channel.c.channel_hash == use.c.channel_hash)
        .where(use.c.community == community, use.c.payer == payer, use.c.form == "event", use.c.kind == "live")
        .where(channel.c.unit == "Wh", use.c.end_ms >= span_ms[0], use.c.end_ms < span_ms[1])
        .where(use.c.aborted.is_(False))
        .order_by(*in_order(use))
    )
    return [_exported(conn, row, page, signer) for page, row in enumerate(rows, 1)]


def _exported(conn: Connection, row: Any, page: int, signer: Signer) -> Exported:
    name = f"{row.asset}-{row.number}"
    if row.level == EvidenceLevel.METER_SIGNED:
        found = _of_meter(conn, row)
        if found is not None:
            return Exported(name, *found, by_meter=True)
    session = OwnSession(
        page,
        bytes(row.gid).hex(),
        row.serial,
        row.quantity,
        row.exponent,
        (row.start_ms, row.from_total),
        (row.end_ms, row.to_total),
    )
    return Exported(name, write_record(session, signer), signer.spki, by_meter=False)


def _of_meter(conn: Connection, row: Any) -> tuple[bytes, bytes] | None:
    """The meter's own record of a use and its key; None when its part was erased."""
    envelope = descriptor_in_force(conn, bytes(row.gid), row.channel)
    key = None if envelope is None else Descriptor.decode(cose.parse(envelope).payload).meter_key
    if key is None:
        return None
    here = (part.c.batch == row.batch, part.c.channel == row.channel, part.c.standing == "read")
    parts = conn.execute(select(part.c.data).where(*here, part.c.data.is_not(None)))
    for data in parts.scalars():
        for raw in Part.decode(bytes(data)).raws:
            if raw.kind is RawKind.OCMF and _fits(raw.data, key, row):
                return raw.data, key
    return None


def _fits(record: bytes, key: bytes, row: Any) -> bool:
    try:
        check_record(record, key, None, ("Wh", row.exponent), (row.from_total, row.to_total))
    except ProtocolError:
        return False
    return True
