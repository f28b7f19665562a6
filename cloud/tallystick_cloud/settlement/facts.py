"""Reads what a settlement says of each channel: mark, batches, heads, what was set aside, what was decided.

It never decides what is open: `covers` does.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import Reason, ResolutionAction
from tallystick_protocol.cover import BatchSpan, Cover
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import UsageForm

from tallystick_cloud.gateways.store import last_key_event

from . import sources, store
from .covers import Channel, Item, Known, next_cover
from .model import Stored, TreeKey
from .uses import Gathered


def covers(
    conn: Connection,
    community: str,
    chain: H32,
    contracts: Iterable[Contract],
    before: Stored | None,
    gathered: Gathered,
    decided: Sequence[Any],
) -> list[Cover]:
    """A cover for every channel that the contract prices or that was covered before."""
    known = _covers_before(conn, before)
    items = _items(gathered)
    priced = {(terms.asset, terms.quantity) for contract in contracts for terms in contract.assets}
    found = []
    for row in sources.channels(conn, community):
        h = H32(bytes(row.channel_hash))
        if h in known or h in items or (row.asset, row.quantity) in priced:
            channel = _channel(conn, chain, row, known.get(h), items.get(h, []), decided)
            if channel is not None:
                found.append(next_cover(channel))
    return found


def _covers_before(conn: Connection, before: Stored | None) -> dict[H32, Cover]:
    if before is None:
        return {}
    rows = store.leaves(conn, before.h, TreeKey.COVERS)
    covers = [Cover.decode(row.data) for row in rows if row.data is not None]
    if len(covers) != len(rows):
        raise InvariantError("a cover was erased, though it names nobody")
    return {cover.channel_hash: cover for cover in covers}


def _items(gathered: Gathered) -> dict[H32, list[Item]]:
    found: dict[H32, list[Item]] = {}
    for one in gathered.rated:
        usage = one.rated.usage
        if not usage.form.is_metered or one.was is not None:
            continue
        number = usage.number if usage.form is UsageForm.EVENT else None
        found.setdefault(usage.channel_hash, []).append(Item(usage.from_total, usage.to_total, number))
    return found


def _channel(
    conn: Connection, chain: H32, row: Any, before: Cover | None, items: Sequence[Item], decided: Sequence[Any]
) -> Channel | None:
    """None for a channel of which the log holds nothing yet."""
    h = H32(bytes(row.channel_hash))
    batches = _batches(conn, bytes(row.gid), before)
    start = _start(row, items)
    descriptor = sources.descriptor_head(conn, bytes(row.gid), row.channel)
    key = last_key_event(conn, row.community, bytes(row.gid))
    if not batches or start is None or descriptor is None or key is None:
        return None
    mine = {one.open_id: one for one in decided if bytes(one.channel_hash) == h}
    closed = {open_id: (H32(bytes(one.h)), ResolutionAction[one.action.upper()]) for open_id, one in mine.items()}
    aside = [_known(one) for one in sources.exceptions(conn, h)]
    next_id = _next_open_id(conn, chain, h)
    return Channel(h, before, start, items, batches, H32(descriptor), H32(key), aside, closed, next_id)


def _start(row: Any, items: Sequence[Item]) -> tuple[int, int] | None:
    """Where the first cover begins: at the first use that this contract prices, else at the channel's mark."""
    if items:
        numbers = [item.number for item in items if item.number is not None]
        return min(item.from_total for item in items), min(numbers) - 1 if numbers else 0
    if row.billed_total is None:
        return None
    return row.billed_total, row.last_use if row.form == "event" else 0


def _batches(conn: Connection, gid: bytes, before: Cover | None) -> tuple[BatchSpan, ...]:
    """What came since the settlement before; when nothing came, the span before again."""
    last = None if before is None else (before.batches[-1].epoch, before.batches[-1].last)
    rows = [row for row in sources.batch_rows(conn, gid) if last is None or (row.epoch, row.seq) > last]
    spans = []
    for epoch, group in groupby(rows, key=lambda row: int(row.epoch)):
        mine = list(group)
        spans.append(BatchSpan(epoch, mine[0].seq, mine[-1].seq, H32(bytes(mine[-1].hash))))
    return tuple(spans) if spans or before is None else before.batches[-1:]


def _next_open_id(conn: Connection, chain: H32, channel_hash: H32) -> int:
    """Ids are given once per channel and contract."""
    rows = store.leaves_about(conn, chain, TreeKey.COVERS, channel_hash)
    used = [one.id for row in rows if row.data is not None for one in Cover.decode(row.data).opens]
    return max(used, default=0) + 1


def _known(row: Any) -> Known:
    names: Mapping[str, Reason] = Reason.__members__
    reason = names.get(row.reason.upper().replace("-", "_"), Reason.USE_UNEXPLAINED)
    return Known(reason, row.from_total, row.to_total, row.to_use)
