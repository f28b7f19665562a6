"""A channel's row in the database and the work on it, one way and back.

It never decides anything.
"""

import json
from collections.abc import Iterable
from typing import Any

from tallystick_protocol.ids import H32

from tallystick_cloud.contracts.model import ChannelContracts
from tallystick_cloud.ingest.model import OpenUse, Origin, Timeless
from tallystick_cloud.ingest.work import ChannelWork

CHANNEL_STATE = (
    "first_total",
    "billed_total",
    "last_use",
    "last_total",
    "last_reading_ms",
    "last_pagination",
    "last_event",
    "generation",
    "seams",
    "base",
    "serial",
    "last_edge_ms",
    "tail",
)
_TIMED = 2  # numbers of a tail's entry that has a time


def work_of(row: Any, contracts: ChannelContracts, open_rows: Iterable[Any], origin: Origin) -> ChannelWork:
    """The channel as its row says."""
    begun = {
        one.number: OpenUse(
            one.number,
            one.start_ms,
            bytes(one.boot),
            one.start_uptime_ms,
            None if one.subject is None else bytes(one.subject),
            one.state,
            one.from_total,
            stored=one.state,
        )
        for one in open_rows
    }
    tail = json.loads(row.tail)
    return ChannelWork(
        channel_hash=H32(bytes(row.channel_hash)),
        gid=bytes(row.gid),
        number=row.channel,
        asset=row.asset,
        meter=row.meter,
        quantity=row.quantity,
        is_event=row.form == "event",
        first_total=row.first_total,
        billed_total=row.billed_total,
        last_use=row.last_use,
        last_total=row.last_total,
        last_reading_ms=row.last_reading_ms,
        last_pagination=row.last_pagination,
        last_event=row.last_event,
        generation=row.generation,
        seams=row.seams,
        base=row.base,
        serial=row.serial,
        last_edge_ms=row.last_edge_ms,
        tail=[tuple(found) for found in tail if len(found) == _TIMED],
        timeless=[
            Timeless(total, bytes.fromhex(boot), at) for total, boot, at in (f for f in tail if len(f) != _TIMED)
        ],
        contracts=contracts,
        origin=origin,
        open_uses=begun,
    )


def values_of(work: ChannelWork) -> tuple[object, ...]:
    """The channel's hash and its new values, in the order of CHANNEL_STATE."""
    return (
        work.channel_hash,
        work.first_total,
        work.billed_total,
        work.last_use,
        work.last_total,
        work.last_reading_ms,
        work.last_pagination,
        work.last_event,
        work.generation,
        max(0, work.seams),
        work.base,
        work.serial,
        work.last_edge_ms,
        _tail(work),
    )


def _tail(work: ChannelWork) -> str:
    """JSON: [t_ms, total] for readings with a time, [total, boot, uptime_ms] for those that wait for theirs."""
    timed = [f"[{t_ms}, {total}]" for t_ms, total in work.tail]
    timeless = [f'[{one.total}, "{one.boot.hex()}", {one.uptime_ms}]' for one in work.timeless]
    return f"[{', '.join(timed + timeless)}]"
