"""Uses of the books as values, for trying a contract on them.

It never changes one, and writes no access row: it is for whoever runs the server, who can read the database anyway.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, exists, select, tuple_
from tallystick_protocol.money.rating import AT_CLOSE, Usage

from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.schema import channel, in_order, reversal, use


def uses_of_assets(
    conn: Connection, community: str, wanted: Sequence[tuple[str, str]], from_ms: int, to_ms: int
) -> list[Usage]:
    """Uses of channels (asset, quantity) that ended in [from_ms, to_ms), in canonical order.

    Tests and what was reversed are left out.
    """
    rows = conn.execute(
        select(use)
        .join(channel, channel.c.channel_hash == use.c.channel_hash)
        .where(
            use.c.community == community,
            tuple_(channel.c.asset, channel.c.quantity).in_(list(wanted)),
            use.c.kind != Kind.TEST.value,
            use.c.form.not_in(AT_CLOSE),
            use.c.end_ms >= from_ms,
            use.c.end_ms < to_ms,
            ~exists().where(reversal.c.use_id == use.c.use_id),
        )
        .order_by(*in_order(use))
    )
    return [usage_of(row) for row in rows]
