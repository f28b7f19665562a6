"""Signs and logs the decisions by which uses count as if they had never been, before a settlement relies on them.

It never signs one twice, and never decides.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, update
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.settle import RatedUse
from tallystick_protocol.records import Reversal

from tallystick_cloud.log import service as log
from tallystick_cloud.schema import reversal

from .office import Office
from .uses import Gathered

NONCE_BYTES = 16


def signed(conn: Connection, office: Office, gathered: Gathered, now_ms: int) -> Gathered:
    """The same uses, each that was reversed with the hash of its decision."""
    rated = tuple(
        one if row.reversed_ms is None or one.reversal is not None else _sign(conn, office, one, row, now_ms)
        for one, row in zip(gathered.rated, gathered.rows, strict=True)
    )
    return Gathered(rated, gathered.rows)


def _sign(conn: Connection, office: Office, one: RatedUse, row: Any, now_ms: int) -> RatedUse:
    usage = one.rated.usage
    nonce = office.entropy.bytes(NONCE_BYTES)
    said = Reversal(
        nonce=nonce,
        channel_hash=usage.channel_hash,
        number=usage.number,
        from_total=usage.from_total,
        to_total=usage.to_total,
        why=sha256(nonce + row.reversed_why.encode()),
    )
    envelope = cose.sign(office.context.keys.settlement, cose.ContentType.REVERSAL, said.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, office.context.community, [log.Entry(LogType.COMMAND, h)], now_ms)
    values = {"h": h, "envelope": envelope, "leaf": leaf}
    conn.execute(update(reversal).where(reversal.c.use_id == usage.use_id).values(**values))
    return replace(one, reversal=H32(h))
